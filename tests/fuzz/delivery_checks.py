"""The properties of any delivered body, and the seeds of fuzzing.

bytes --peek, decode, log_table--> as many rows as parts, no exception, in bounded time
"""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from mutating import mutated

from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import LogTable, log_table
from otlp2parquet_ext.records.tables.logs import LOGS
from otlp2parquet_ext.records.telemetry.decode import Malformed, decode
from otlp2parquet_ext.records.telemetry.peek import peek
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["SEEDS", "WORDS", "any_bytes", "check", "check_amplified", "mutated"]

EVENTS = Path(__file__).parents[1] / "mapping" / "events"
CAPTURED = [
    case["event"] for path in sorted(EVENTS.glob("*.json")) for case in json.loads(path.read_text())
]
"""Events as AWS's documentation and real functions have them."""

SEEDS = {f"event-{number}": json.dumps([event]).encode() for number, event in enumerate(CAPTURED)}
SEEDS["two"] = json.dumps(CAPTURED[:2]).encode()

WORDS = (
    *('"time"', '"type"', '"record"', '"message"', '"level"', '"timestamp"', '"requestId"'),
    *('"platform.start"', '"platform.runtimeDone"', '"platform.report"', '"function"'),
    *('"metrics"', '"trace_id"', '"errorType"', '"spans"', '"tracing"', '"value"', '"status"'),
    *("null", "true", "NaN", "Infinity", "-Infinity", "9223372036854775808", "1e999", "\\ud800"),
)

BODY = json.dumps(CAPTURED, separators=(",", ":")).encode()

AMPLIFIED_BYTES = 262_144
"""Length of a body that is made of repetitions of a small one: what is quadratic shows there."""

AMPLIFIED_S = 10.0
"""CPU time that two such bodies may take. Without a fuzzer's instrumentation the slowest of those
in test_any_bytes.py take 0.3 s; what is quadratic takes minutes."""


def any_bytes() -> SearchStrategy[bytes]:
    """Return bytes to try."""
    from hypothesis import strategies as st  # noqa: PLC0415 - not beside atheris

    pieces = [*WORDS, *'[]{}",:\\ ', BODY.decode()[:300]]
    return st.binary(max_size=200) | st.lists(
        st.sampled_from(pieces) | st.text(max_size=4), max_size=40
    ).map(lambda found: "".join(found).encode(errors="surrogatepass"))


def refuse(word: str) -> None:
    """Refuse what only Python takes for JSON."""
    raise AssertionError(word)


def check(body: bytes) -> LogTable:
    """Map a body and check what must hold for any."""
    parts = decode(body)
    malformed = [part.text for part in parts if isinstance(part, Malformed)]
    seen = peek(body)
    assert seen.events == len(parts)
    assert seen.well_formed or malformed or not parts
    made = log_table(
        [Delivery(body, 1), Delivery(b"[]", 2)], EnvironmentContext(instance_id="i"), Invocations()
    )
    made.table.validate(full=True)
    assert made.table.schema.equals(LOGS, check_metadata=True)
    assert made.table.num_rows == len(parts)
    assert made.malformed >= len(malformed)
    for text in made.table.column("LogAttributes").to_pylist():
        assert isinstance(json.loads(text, parse_constant=refuse), dict)
    for name in ("Timestamp", "LogAttributes", "SeverityText", "ServiceName"):
        assert made.table.column(name).null_count == 0
    if len(malformed) == len(parts):
        assert _letters("".join(malformed)) == _letters(body.decode(errors="replace"))
    return made


def _letters(text: str) -> Counter[str]:
    """Count the characters that are neither white space nor between the parts of an array."""
    return Counter(character for character in text if character.isalnum())


def check_amplified(body: bytes) -> float:
    """Map many repetitions of a body, and as many in one array; return the CPU seconds it took."""
    repetitions = AMPLIFIED_BYTES // (len(body) + 1) + 1
    started = time.process_time()
    for large in (body * repetitions, b"[" + b",".join([body] * repetitions) + b"]"):
        made = log_table([Delivery(large, 1)], EnvironmentContext(instance_id="i"), Invocations())
        assert made.table.num_rows == peek(large).events
    took_s = time.process_time() - started
    assert took_s < AMPLIFIED_S, f"{took_s:.1f} s for {AMPLIFIED_BYTES} bytes of {body!r}"
    return took_s
