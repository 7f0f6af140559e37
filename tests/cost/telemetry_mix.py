"""Telemetry of an ordinary function: structured log lines, some plain ones, the platform's own.

Seven of ten events are JSON log lines of a dozen fields, one of eight is plain text, the rest
are platform events; 528 bytes each on average.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ARN = "arn:aws:lambda:eu-central-1:210987654321:function:checkout-service-live"
SENTENCES = (
    "Basket %d priced",
    "Loaded customer profile",
    "Stock of item ITEM-%05d reserved",
    "Event published to checkout-live",
    "Card authorised by the bank",
    "Cache had no entry for customer:%d",
    "Query returned %d rows",
    "Reply sent",
)
LEVELS = ("INFO",) * 14 + ("DEBUG",) * 4 + ("WARNING",) * 2 + ("ERROR",)
TRACE = (
    'Traceback (most recent call last):\n  File "/var/task/main.py", line %d, in handle\n'
    "    settle(basket)\nValueError: a basket cannot be empty"
)


def delivery(events: int, seed: int = 0) -> bytes:
    """Make one delivery of so many events."""
    return json.dumps(_first(events, seed), separators=(",", ":")).encode()


def _first(events: int, seed: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    made = _events(random.Random(seed))
    while len(found) < events:
        found.append(next(made))
    return found


def _events(dice: random.Random) -> Iterator[dict[str, Any]]:
    """Yield invocation after invocation."""
    now_s = 1_790_000_000.0
    while True:
        request_id = str(uuid.UUID(int=dice.getrandbits(128), version=4))
        root = f"1-{int(now_s):08x}-{dice.getrandbits(96):024x}"
        value = f"Root={root};Parent={dice.getrandbits(64):016x};Sampled=1"
        trace = {
            "spanId": f"{dice.getrandbits(64):016x}",
            "type": "X-Amzn-Trace-Id",
            "value": value,
        }
        yield _event(
            now_s,
            "platform.start",
            {"requestId": request_id, "version": "$LATEST", "tracing": trace},
        )
        for _ in range(dice.randint(6, 22)):
            now_s += dice.expovariate(200)
            yield _event(now_s, "function", _record(dice, now_s, request_id, root))
        took_ms = round(dice.lognormvariate(4, 0.6), 3)
        span = {"name": "responseLatency", "start": _iso(now_s), "durationMs": took_ms / 50}
        yield _event(
            now_s,
            "platform.runtimeDone",
            {
                "requestId": request_id,
                "status": "success",
                "tracing": trace,
                "spans": [span, span | {"name": "responseDuration"}],
                "metrics": {"durationMs": took_ms, "producedBytes": dice.randint(50, 4_000)},
            },
        )
        metrics = {"durationMs": took_ms, "billedDurationMs": int(took_ms) + 1, "memorySizeMB": 512}
        metrics |= {"maxMemoryUsedMB": dice.randint(120, 300)}
        report = {"requestId": request_id, "metrics": metrics, "tracing": trace}
        yield _event(now_s, "platform.report", report | {"status": "success"})


def _record(dice: random.Random, now_s: float, request_id: str, root: str) -> str | dict[str, Any]:
    sentence, level = dice.choice(SENTENCES), dice.choice(LEVELS)
    text = sentence % dice.randint(1, 99_999) if "%" in sentence else sentence
    if dice.random() < 0.145:
        return (
            f"[{level}]\t{_iso(now_s)}\t{request_id}\t{text} customer={dice.randint(1, 20_000)}\n"
        )
    record: dict[str, Any] = {
        "timestamp": _iso(now_s),
        "level": level,
        "message": text,
        "requestId": request_id,
        "location": f"handle:{dice.randint(10, 300)}",
        "service": "checkout",
        "cold_start": False,
        "function_name": "checkout-service-live",
        "function_memory_size": "512",
        "function_arn": ARN,
        "function_request_id": request_id,
        "xray_trace_id": root,
        "customer_id": dice.randint(1, 20_000),
        "basket_id": f"bsk_{dice.getrandbits(48):012x}",
        "duration_ms": round(dice.lognormvariate(2, 1), 2),
    }
    if level == "ERROR":
        record |= {"exception": TRACE % dice.randint(1, 300), "exception_name": "ValueError"}
    return record


def _event(now_s: float, kind: str, record: object) -> dict[str, Any]:
    return {"time": _iso(now_s), "type": kind, "record": record}


def _iso(now_s: float) -> str:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_s))
    return f"{stamp}.{int(now_s * 1_000) % 1_000:03}Z"
