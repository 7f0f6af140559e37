"""Constructors of the platform's events: pure; the caller passes the times.

Every function returns the `record` of one event type; `PlatformEvent` is the envelope around it.
Keys without a value are left out, as Lambda does.

Source: AWS telemetry-schema-reference, edition 2025-01-29.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Record = dict[str, object]
_MIB = 1 << 20
# Schema versions are compared as text. The first one has no objects, error types or restores.
_FIRST_SCHEMA = "2022-07-01"


class PlatformEvent(msgspec.Struct, frozen=True):
    """One element of a delivery.

    Attributes:
        time: RFC 3339 UTC with three fraction digits.
        type: `platform.start`, `function`, …
        record: a dict, a string, or `msgspec.Raw` for a function's own JSON, unchanged.
    """

    time: str
    type: str
    record: object

    def as_dict(self) -> dict[str, Any]:
        """Return the event as a subscriber decodes it."""
        decoded: dict[str, Any] = json.loads(msgspec.json.encode(self))
        return decoded

    def topic(self) -> str:
        """Return the type that a subscription must name to get it: platform, function, …."""
        return self.type.partition(".")[0]


def time_text(unix_s: float) -> str:
    """Return the text of a Unix time in seconds: `2026-03-14T09:26:53.589Z`."""
    moment = datetime.fromtimestamp(unix_s, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def span(name: str, start_s: float, duration_ms: float) -> Record:
    """Return one span of a runtimeDone or report."""
    return {"name": name, "start": time_text(start_s), "durationMs": _ms(duration_ms)}


def init_start(
    *, initialization_type: str, phase: str, function: Mapping[str, str], memory_mb: int
) -> Record:
    """Return the record of `platform.initStart`; `function` holds names, versions, instance."""
    return {
        "initializationType": initialization_type,
        "phase": phase,
        **function,
        "instanceMaxMemory": memory_mb * _MIB,
    }


def init_runtime_done(
    *, initialization_type: str, phase: str, status: str, error_type: str = ""
) -> Record:
    """Return the record of `platform.initRuntimeDone`."""
    record: Record = {
        "initializationType": initialization_type,
        "phase": phase,
        "status": status,
        "errorType": error_type,
    }
    return _present(record)


def init_report(
    *, initialization_type: str, phase: str, status: str, error_type: str, duration_ms: float
) -> Record:
    """Return the record of `platform.initReport`."""
    record: Record = {
        "initializationType": initialization_type,
        "phase": phase,
        "status": status,
        "errorType": error_type,
        "metrics": {"durationMs": _ms(duration_ms)},
    }
    return _present(record)


def restored(status: str, error_type: str, duration_ms: float | None = None) -> Record:
    """Return the record of `platform.restoreReport`; `restoreRuntimeDone` without a duration."""
    metrics = None if duration_ms is None else {"durationMs": _ms(duration_ms)}
    return _present({"status": status, "errorType": error_type, "metrics": metrics})


def start(
    *, request_id: str, version: str, function_arn: str = "", tracing: Record | None = None
) -> Record:
    """Return the record of `platform.start`; only Managed Instances send the ARN."""
    record: Record = {
        "requestId": request_id,
        "version": version,
        "functionArn": function_arn,
        "tracing": tracing,
    }
    return _present(record)


def tracing_context(header: str, span_id: str) -> Record | None:
    """Return the tracing part of a record, None without an X-Ray header."""
    return {"spanId": span_id, "type": "X-Amzn-Trace-Id", "value": header} if header else None


def runtime_done(
    *,
    request_id: str,
    status: str,
    error_type: str,
    duration_ms: float,
    produced_bytes: int | None,
    spans: Iterable[Record],
    tracing: Record | None,
) -> Record:
    """Return the record of `platform.runtimeDone`; no bytes and no spans without a response."""
    record: Record = {
        "requestId": request_id,
        "status": status,
        "errorType": error_type,
        "metrics": _present({"durationMs": _ms(duration_ms), "producedBytes": produced_bytes}),
        "spans": list(spans),
        "tracing": tracing,
    }
    return _present(record)


def report(
    *,
    request_id: str,
    status: str,
    error_type: str,
    metrics: Record,
    spans: Iterable[Record],
    tracing: Record | None = None,
) -> Record:
    """Return the record of `platform.report`."""
    record: Record = {
        "requestId": request_id,
        "status": status,
        "errorType": error_type,
        "metrics": metrics,
        "spans": list(spans),
        "tracing": tracing,
    }
    return _present(record)


def report_metrics(
    *,
    duration_ms: float,
    memory_mb: int,
    max_memory_mb: int,
    init_ms: float | None = None,
    restore_ms: float | None = None,
) -> Record:
    """Return a report's metrics: three decimals, billed with INIT and rounded up to whole ms."""
    return _present(
        {
            "durationMs": _ms(duration_ms),
            "billedDurationMs": billed_ms(duration_ms, init_ms),
            "memorySizeMB": memory_mb,
            "maxMemoryUsedMB": max_memory_mb,
            "initDurationMs": None if init_ms is None else _ms(init_ms),
            "restoreDurationMs": None if restore_ms is None else _ms(restore_ms),
            "billedRestoreDurationMs": None if restore_ms is None else math.ceil(restore_ms),
        }
    )


def billed_ms(duration_ms: float, init_ms: float | None) -> int:
    """Return the billed duration: invocation and, on a cold start, INIT, rounded up."""
    return math.ceil(_ms(duration_ms) + _ms(init_ms or 0))


def extension(*, name: str, state: str, events: Iterable[str], error_type: str = "") -> Record:
    """Return the record of `platform.extension`."""
    record: Record = {
        "name": name,
        "state": state,
        "events": sorted(events),
        "errorType": error_type,
    }
    return {key: value for key, value in record.items() if value != ""}


def telemetry_subscription(*, name: str, types: Iterable[str]) -> Record:
    """Return the record of `platform.telemetrySubscription`."""
    return {"name": name, "state": "Subscribed", "types": list(types)}


def logs_dropped(*, records: int, dropped_bytes: int) -> Record:
    """Return the record of `platform.logsDropped`."""
    return {
        "droppedBytes": dropped_bytes,
        "droppedRecords": records,
        "reason": "Some logs were dropped because the downstream consumer is slower than the "
        "logs production rate",
    }


def function_record(text: str, *, objects: bool) -> str | msgspec.Raw:
    """Return a function's or extension's record: an object if the log format has objects.

    The JSON is checked and then passed on unchanged, so the user's large integers and repeated keys
    stay.
    """
    if not (objects and text.lstrip().startswith("{")):
        return text
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    return msgspec.Raw(text.strip().encode())


def as_of_schema(event: PlatformEvent, schema_version: str) -> PlatformEvent | None:
    """Return the event as a subscriber of a schema gets it; None if that schema lacks it."""
    if schema_version > _FIRST_SCHEMA:
        return event
    if event.type.startswith("platform.restore"):
        return None
    record = event.record
    if isinstance(record, msgspec.Raw):
        return PlatformEvent(event.time, event.type, bytes(record).decode())
    if isinstance(record, dict):
        unknown = {"errorType", "status"} if event.type == "platform.report" else {"errorType"}
        record = {key: value for key, value in record.items() if key not in unknown}
    return PlatformEvent(event.time, event.type, record)


def _ms(duration_ms: float) -> float:
    return round(duration_ms, 3)


def _present(record: Record) -> Record:
    return {key: value for key, value in record.items() if value not in (None, "", [])}


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
