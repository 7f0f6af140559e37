"""The reference mix: Lambda's deliveries for a busy function, and their size as Parquet.

    python benchmarks/reference_mix.py [EVENTS]

Seven of ten events are structured logs as Powertools writes them, one is a line of plain text, and
the rest are platform events: start, end and report of each invocation. The mix is checked against
the figures used for the design: 528 bytes of JSON per event, or 41 with zstd. It prints bytes per
event and CPU ms for batches of several sizes, and the bytes of each column. The default `MAX_BYTES`
seals a batch at about 500 events.
"""

from __future__ import annotations

import json
import random
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import pyarrow as pa

from otlp2parquet_ext.lake.destinations.parquet_file import encode
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.tables.logs import COLUMNS
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTION = "checkout-service-live"
ARN = f"arn:aws:lambda:eu-central-1:210987654321:function:{FUNCTION}"
BEGIN_S = 1_790_000_000.0
EVENTS_PER_S = 200.0
LINES = (6, 22)
"""Fewest and most log lines of an invocation."""

PLAIN = 0.145
"""Share of lines that are not JSON."""

LEVELS = ("INFO",) * 13 + ("DEBUG",) * 4 + ("WARNING",) * 2 + ("ERROR",)
MESSAGES = (
    "Basket loaded",
    "Price list fetched in region %d",
    "Discount %d applied",
    "Stock level checked",
    "Payment intent created for attempt %d",
    "Address validated",
    "Event sent to bus checkout-live",
    "Session cache missed, key basket#%d",
    "Reply prepared",
    "Quantity %d is above the limit",
)
TRACEBACK = (
    "Traceback (most recent call last):\n"
    '  File "/var/task/checkout/handler.py", line %d, in handler\n    basket.check()\n'
    '  File "/var/task/checkout/basket.py", line %d, in check\n    raise LimitError(quantity)\n'
    "checkout.errors.LimitError: quantity above the limit"
)


@dataclass
class _Clock:
    """The random numbers and the clock of one mix."""

    chance: random.Random
    now_s: float = BEGIN_S
    events: list[dict[str, Any]] = field(default_factory=list)

    def iso(self) -> str:
        """Return the current time as Lambda writes it."""
        text = datetime.fromtimestamp(self.now_s, UTC).isoformat(timespec="milliseconds")
        return text.replace("+00:00", "Z")

    def hex(self, digits: int) -> str:
        """Return a random number of `digits` hex digits."""
        return f"{self.chance.getrandbits(digits * 4):0{digits}x}"

    def took_ms(self, typical: float) -> float:
        """Return a random duration: most are near the typical one, some are far longer."""
        return round(typical * self.chance.lognormvariate(0.0, 0.8), 2)

    def add(self, kind: str, record: object) -> None:
        """Add an event."""
        self.events.append({"time": self.iso(), "type": kind, "record": record})


def events(number: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return the first events of a mix; the same seed gives the same ones."""
    clock = _Clock(random.Random(seed))
    while len(clock.events) < number:
        _invoke(clock)
    return clock.events[:number]


def bodies(number: int, per_delivery: int = 500, seed: int = 0) -> Iterator[bytes]:
    """Yield the deliveries of a mix."""
    made = events(number, seed)
    for start in range(0, number, per_delivery):
        yield json.dumps(made[start : start + per_delivery], separators=(",", ":")).encode()


def _invoke(clock: _Clock) -> None:
    """Add the events of one invocation."""
    request = "-".join((clock.hex(8), clock.hex(4), f"4{clock.hex(3)}", f"a{clock.hex(3)}"))
    request = f"{request}-{clock.hex(12)}"
    root = f"1-{int(clock.now_s):08x}-{clock.hex(24)}"
    parent = clock.hex(16)

    def tracing() -> dict[str, str]:
        value = f"Root={root};Parent={parent};Sampled=1"
        return {"spanId": clock.hex(16), "type": "X-Amzn-Trace-Id", "value": value}

    start = {"requestId": request, "version": "$LATEST", "tracing": tracing()}
    clock.add("platform.start", start)
    for _ in range(clock.chance.randint(*LINES)):
        clock.now_s += clock.chance.expovariate(EVENTS_PER_S)
        clock.add("function", _line(clock, request, root))
    took_ms = clock.took_ms(60.0)
    span = {"name": "responseLatency", "start": clock.iso(), "durationMs": clock.took_ms(2.0)}
    rest = {"name": "responseDuration", "start": clock.iso(), "durationMs": 0.04}
    done = {"durationMs": took_ms, "producedBytes": clock.chance.randint(60, 4_000)}
    ended = {"requestId": request, "status": "success", "tracing": tracing()}
    clock.add("platform.runtimeDone", {**ended, "spans": [span, rest], "metrics": done})
    report = {
        "durationMs": took_ms + 1.0,
        "billedDurationMs": int(took_ms) + 2,
        "memorySizeMB": 512,
        "maxMemoryUsedMB": clock.chance.randint(130, 280),
    }
    reported = {"requestId": request, "metrics": report, "tracing": tracing(), "status": "success"}
    clock.add("platform.report", reported)


def _line(clock: _Clock, request: str, root: str) -> object:
    """Make a log line, structured or plain."""
    chance = clock.chance
    message, level = chance.choice(MESSAGES), chance.choice(LEVELS)
    if "%d" in message:
        message %= chance.randint(1, 99_999)
    if chance.random() < PLAIN:
        basket = chance.randint(1, 20_000)
        return f"[{level}]\t{clock.iso()}\t{request}\t{message} basket={basket}\n"
    line: dict[str, object] = {
        "timestamp": clock.iso(),
        "level": level,
        "message": message,
        "requestId": request,
        "location": f"handler:{chance.randint(10, 300)}",
        "service": "checkout",
        "cold_start": False,
        "function_name": FUNCTION,
        "function_memory_size": "512",
        "function_arn": ARN,
        "function_request_id": request,
        "xray_trace_id": root,
        "shopper_id": chance.randint(1, 20_000),
        "basket_id": f"bsk_{clock.hex(12)}",
        "took_ms": clock.took_ms(7.0),
    }
    if level == "ERROR":
        line["exception"] = TRACEBACK % (chance.randint(1, 300), chance.randint(1, 300))
        line["exception_name"] = "LimitError"
    return line


def rows(number: int, seed: int = 0) -> pa.Table:
    """Return a mix as rows of the logs table, delivered 500 at a time."""
    deliveries = []
    for count, body in enumerate(bodies(number, seed=seed), 1):
        received_us = int((BEGIN_S + count * 500 / EVENTS_PER_S) * 1_000_000)
        deliveries.append(Delivery(body, received_us))
    context = EnvironmentContext(
        instance_id="5d41402abc4b2a76b9719d911017c592", function_name=FUNCTION
    )
    return log_table(deliveries, context, Invocations()).table


def measure(number: int) -> None:
    """Print the size of a batch and the CPU of its encoding."""
    table, times = rows(number), []
    for _ in range(9):
        started = time.process_time()
        file = encode(table, COLUMNS)
        times.append((time.process_time() - started) * 1_000)
    size = file.data.size / number
    print(f"{number} events: {size:.1f} B an event, {sorted(times)[4]:.2f} ms of CPU")
    group = file.footer.row_group(0)
    chunks = [(c.name, group.column(n).total_compressed_size) for n, c in enumerate(COLUMNS)]
    for name, weight in sorted(chunks, key=lambda chunk: -chunk[1]):
        if weight * 50 > file.data.size:
            print(f"    {name:20} {weight / number:6.2f} B")
    rest = file.data.size - sum(weight for _, weight in chunks)
    print(f"    {'footer, indexes':20} {rest / number:6.2f} B")


def main() -> None:
    """Check the mix, then measure."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    raw = b"".join(bodies(number))
    packed = len(pa.Codec("zstd", compression_level=3).compress(raw))
    print(f"JSON {len(raw) / number:.0f} B an event (528), zstd {packed / number:.1f} B (41)")
    for batch in (100, 500, 1_000, number):
        measure(batch)


if __name__ == "__main__":
    main()
