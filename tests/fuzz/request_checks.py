r"""The properties of any OTLP request, and the seeds of fuzzing.

    b"\0" method \n path \n Content-Type \n Content-Encoding --read_head--> Call or Reply
    b"\n" body --read_body--> Accepted or Reply; what is accepted gives as many rows

The first byte says which: 0 is a head, others a signal, JSON or protobuf, and an encoding.
"""

from __future__ import annotations

import gzip
import json
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import mutating
import pyarrow as pa

from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.resource import Resource
from otlp2parquet_ext.records.otlp.encodings import (
    ENCODINGS,
    EncodingError,
    OverLimitError,
    inflate,
)
from otlp2parquet_ext.records.otlp.exchange import ExportCall, Reply, read_body, read_head, reply
from otlp2parquet_ext.records.otlp.redact import redacted
from otlp2parquet_ext.records.otlp.requests import Accepted, Signal, read_request, response
from otlp2parquet_ext.records.otlp.tables import otlp_tables
from otlp2parquet_ext.records.telemetry.redact import MASK_ALL, compile_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypothesis.strategies import SearchStrategy

REQUESTS = Path(__file__).parents[1] / "otlp" / "requests"
LIMIT_BYTES = 1_048_576
AMPLIFIED_BYTES = 65_536
AMPLIFIED_S = 10.0
"""CPU time for two such requests, rows and masks included. Without a fuzzer's instrumentation the
slowest of test_exchange.py takes a second; what is quadratic takes minutes."""
RULES = compile_rules(r"order|\d{4}")
RESOURCE = Resource("s", None, "i", "{}")

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": lambda plain: bytes(pa.Codec("zstd").compress(plain, asbytes=True)),
}
CALLS = [
    ExportCall(signal, json=as_json, encoding=encoding)
    for encoding in ENCODINGS
    for as_json in (True, False)
    for signal in Signal
]


def _seeds() -> Iterator[tuple[str, bytes]]:
    yield "head", b"\0POST\n/v1/traces\napplication/json; charset=utf-8\nGZIP"
    for signal in Signal:
        for number, case in enumerate(json.loads((REQUESTS / f"{signal}.json").read_text())):
            body = json.dumps(case["request"], separators=(",", ":")).encode()
            protobuf = read_request(signal, body, json=True).payload
            for first, call in enumerate(CALLS, 1):
                if call.signal is signal and (call.encoding == "identity" or not number):
                    plain = body if call.json else protobuf
                    name = f"{signal}-{number}-{first}"
                    yield name, bytes([first]) + COMPRESS[call.encoding](plain)


SEEDS = dict(_seeds())
WORDS = (
    *('"resourceSpans"', '"scopeSpans"', '"spans"', '"attributes"', '"key"', '"value"', '"name"'),
    *('"stringValue"', '"intValue"', '"arrayValue"', '"kvlistValue"', '"values"', '"bytesValue"'),
    *('"dataPoints"', '"bucketCounts"', '"traceId"', '"timeUnixNano"', '"AA=="', '"NaN"', "1e999"),
    *("null", "18446744073709551616", "\\ud800", "application/x-protobuf", "deflate", "/v1/logs"),
)


def check(data: bytes) -> None:
    """Try a head or a body."""
    first = data[0] % (len(CALLS) + 1) if data else 0
    if first == 0:
        check_head(data[1:])
    else:
        check_body(CALLS[first - 1], data[1:])


def check_head(data: bytes) -> None:
    """Read a head; what is no call is refused with a reason."""
    parts = [*data.decode("latin-1").split("\n", 3), "", "", ""][:4]
    head = read_head(*parts)
    if isinstance(head, Reply):
        assert head.status in {404, 405, 415}
        assert head.body
    else:
        assert (parts[0], parts[1]) == ("POST", f"/v1/{head.signal}")
        assert head.encoding in ENCODINGS


def check_body(call: ExportCall, body: bytes) -> None:
    """Read a body; what is accepted can be answered, stored and masked."""
    accepted = read_body(call, body, LIMIT_BYTES)
    if isinstance(accepted, Reply):
        assert accepted.status in {400, 413}
        assert len(accepted.body) < 1_000
        return
    assert reply(call, accepted).status == 200
    json.loads(response(call.signal, accepted, json=True))
    assert bool(accepted.payload) == bool(accepted.records)
    assert bool(accepted.why) == bool(accepted.rejected)
    if accepted.payload:
        _check_accepted(call.signal, accepted)


def _check_accepted(signal: Signal, accepted: Accepted) -> None:
    tables = otlp_tables(signal, [(accepted.payload, 1)], RESOURCE, Invocations())
    assert sum(table.num_rows for table in tables.values()) == accepted.records
    for table in tables.values():
        table.validate(full=True)
    masked = (redacted(signal, accepted.payload, redactor) for redactor in (RULES, MASK_ALL))
    for payload in (accepted.payload, *masked):
        again = read_request(signal, payload, json=False)
        assert (again.records, again.rejected) == (accepted.records, 0)


def check_amplified(data: bytes) -> float:
    """Read a long body made of a short one; return the CPU seconds it took."""
    first = data[0] % (len(CALLS) + 1) if data else 0
    if first == 0:
        return 0.0
    call, body = CALLS[first - 1], data[1:]
    started = time.process_time()
    for large in _amplified(call, body):
        check_body(call, large)
    took_s = time.process_time() - started
    assert took_s < AMPLIFIED_S, f"{took_s:.1f} s for {AMPLIFIED_BYTES} bytes of {data!r}"
    return took_s


def _amplified(call: ExportCall, body: bytes) -> Iterator[bytes]:
    """Repeat a body: as it is, for requests of protobuf can follow each other, and its inside."""
    repetitions = AMPLIFIED_BYTES // (len(body) + 1) + 1
    yield body * repetitions
    if call.json and call.encoding == "identity":
        begin, end = body.find(b"["), body.rfind(b"]")
        if 0 <= begin < end:
            inside = b",".join([body[begin + 1 : end]] * repetitions)
            yield body[: begin + 1] + inside + body[end:]
    elif call.encoding != "identity":
        yield COMPRESS[call.encoding](body * repetitions)


def mutated(data: bytes, seed: int) -> bytes | None:
    """Change one thing in a request of any encoding; None if it is no request."""
    if not data or not 0 < data[0] <= len(CALLS):
        return None
    call = CALLS[data[0] - 1]
    try:
        plain = inflate(data[1:], call.encoding, LIMIT_BYTES)
    except (EncodingError, OverLimitError):
        return None
    if call.json:
        changed = mutating.mutated(b"[" + plain + b"]", seed)
        changed = changed and changed[1:-1]
    else:
        changed = mutating.mutated_protobuf(plain, seed)
    return None if changed is None else data[:1] + COMPRESS[call.encoding](changed)


def any_bytes() -> SearchStrategy[bytes]:
    """Return bytes to try."""
    from hypothesis import strategies as st  # noqa: PLC0415 - not beside atheris

    firsts = st.integers(0, len(CALLS)).map(lambda first: bytes([first]))
    pieces = st.lists(st.sampled_from([*WORDS, *'[]{}",:\\ ']) | st.text(max_size=4), max_size=40)
    text = pieces.map(lambda found: "".join(found).encode(errors="surrogatepass"))
    bodies = st.binary(max_size=200) | text
    return st.builds(bytes.__add__, firsts, bodies) | st.sampled_from(sorted(SEEDS.values()))
