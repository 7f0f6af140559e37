"""Platform events: their one-line texts, severities and attributes.

The texts are those of CloudWatch, in OpenTelemetry's spelling; the typed fields stay beside them.
If a field of a text is missing, the text is unset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.records.mapping.severity import DEBUG, INFO, UNSPECIFIED, WARN, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otlp2parquet_ext.records.mapping.attributes import Attributes
    from otlp2parquet_ext.records.mapping.fields import Values


def body(event_type: str, values: Values, version: str) -> str | None:
    """Return the text of a platform event of a known type; None if it lacks a field of the text.

    Args:
        event_type: one of `KNOWN`.
        values: the event's record.
        version: the latest known function version, for events that do not name one.

    Source: the telemetryapireceiver of opentelemetry-lambda, whose spelling is kept.
    """
    return _BODIES[event_type](values, version)


def severity(event_type: str, values: Values) -> Severity:
    """Return the severity that AWS assigns to a system log event.

    Source: AWS Lambda developer guide, "Log-level filtering".
    """
    if event_type in _BY_STATUS:
        return WARN if _failed(values) else _BY_STATUS[event_type]
    if event_type == "platform.initReport":
        on_demand = values.get("initializationType") == "on-demand"
        return WARN if _failed(values) else DEBUG if on_demand else INFO
    if event_type == "platform.initStart":
        return INFO if _text(values, "runtimeVersion") else DEBUG
    if event_type == "platform.extension":
        return WARN if values.get("errorType") else INFO
    return _CONSTANT.get(event_type, UNSPECIFIED)


def error(values: Values) -> Attributes:
    """Return `error.type` for a failed event, {} for any other.

    Source: OpenTelemetry semantic conventions, "Recording errors".
    """
    kind = _text(values, "errorType") if "errorType" in values else ""
    if not kind and _failed(values):
        kind = _text(values, "status")
    return {"error.type": kind} if kind else {}


def is_cold_start(values: Values) -> bool:
    """Tell whether a report names an initialisation or a restore before its invocation."""
    metrics = values.get("metrics")
    return isinstance(metrics, dict) and (
        _number(metrics, "initDurationMs") is not None
        or _number(metrics, "restoreDurationMs") is not None
    )


def _failed(values: Values) -> bool:
    status = values.get("status")
    return isinstance(status, str) and status not in {"", "success"}


def _text(values: Mapping[str, object], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""


def _number(values: object, key: str) -> float | None:
    value = values.get(key) if isinstance(values, dict) else None
    return value if type(value) in {int, float} else None


def _list(values: Values, key: str) -> str:
    items = values.get(key)
    return f"[{' '.join(map(str, items))}]" if isinstance(items, list) else "[]"


def _start(values: Values, version: str) -> str | None:
    return _request("START", values, version)


def _runtime_done(values: Values, version: str) -> str | None:
    return _request("END", values, version)


def _request(word: str, values: Values, version: str) -> str | None:
    request_id, version = _text(values, "requestId"), _text(values, "version") or version
    if not (request_id and version):
        return None
    return f"{word} RequestId: {request_id} Version: {version}"


REPORT_CLAUSES = (
    ("Duration", "durationMs", ".2f", "ms"),
    ("Billed Duration", "billedDurationMs", ".0f", "ms"),
    ("Memory Size", "memorySizeMB", ".0f", "MB"),
    ("Max Memory Used", "maxMemoryUsedMB", ".0f", "MB"),
    ("Init Duration", "initDurationMs", ".2f", "ms"),
)
"""The metrics in the text of a `platform.report`: name, key, format, unit."""


def _report(values: Values, _: str) -> str | None:
    request_id = _text(values, "requestId")
    if not request_id:
        return None
    text, metrics = f"REPORT RequestId: {request_id}", values.get("metrics")
    for name, key, form, unit in REPORT_CLAUSES:
        number = _number(metrics, key)
        if number is not None:
            text += f" {name}: {number:{form}} {unit}"
    return text + (f" Status: {_text(values, 'status')}" if _failed(values) else "")


def _init_start(values: Values, _: str) -> str | None:
    return _runtime("INIT_START", values)


def _restore_start(values: Values, _: str) -> str | None:
    return _runtime("RESTORE_START", values)


def _runtime(word: str, values: Values) -> str | None:
    version, arn = _text(values, "runtimeVersion"), _text(values, "runtimeVersionArn")
    arn = arn or _text(values, "runtimeArn")  # the spelling of one list of the schema page
    if not (version or arn):
        return None
    return f"{word} Runtime Version: {version} Runtime Version ARN: {arn}"


def _init_runtime_done(values: Values, _: str) -> str | None:
    status = _text(values, "status")
    return f"INIT_RUNTIME_DONE Status: {status}" if status else None


def _restore_runtime_done(values: Values, _: str) -> str | None:
    status = _text(values, "status")
    return f"RESTORE_RUNTIME_DONE Status: {status}" if status else None


def _init_report(values: Values, _: str) -> str | None:
    text = ""
    for name, key in (
        ("Initialization Type", "initializationType"),
        ("Phase", "phase"),
        ("Status", "status"),
    ):
        if value := _text(values, key):
            text += f" {name}: {value}"
    duration = _number(values.get("metrics"), "durationMs")
    if duration is not None:
        text += f" Duration: {duration:.2f} ms"
    return f"INIT_REPORT{text}" if text else None


def _restore_report(values: Values, _: str) -> str | None:
    status, duration = _text(values, "status"), _number(values.get("metrics"), "durationMs")
    if not status or duration is None:
        return None
    return f"RESTORE_REPORT Status: {status} Duration: {duration:.2f} ms"


def _subscription(values: Values, _: str) -> str | None:
    name = _text(values, "name")
    return f"TELEMETRY: {name} Subscribed Types: {_list(values, 'types')}" if name else None


def _extension(values: Values, _: str) -> str | None:
    name = _text(values, "name")
    if not name:
        return None
    return (
        f"EXTENSION Name: {name} State: {_text(values, 'state')} Events: {_list(values, 'events')}"
    )


def _logs_dropped(values: Values, _: str) -> str | None:
    records, size = _number(values, "droppedRecords"), _number(values, "droppedBytes")
    reason = _text(values, "reason")
    if records is None or size is None or not reason:
        return None
    return f"LOGS_DROPPED DroppedRecords: {records:.0f} DroppedBytes: {size:.0f} Reason: {reason}"


_BODIES: Mapping[str, Callable[[Values, str], str | None]] = {
    "platform.start": _start,
    "platform.runtimeDone": _runtime_done,
    "platform.report": _report,
    "platform.initStart": _init_start,
    "platform.initRuntimeDone": _init_runtime_done,
    "platform.initReport": _init_report,
    "platform.restoreStart": _restore_start,
    "platform.restoreRuntimeDone": _restore_runtime_done,
    "platform.restoreReport": _restore_report,
    "platform.telemetrySubscription": _subscription,
    "platform.extension": _extension,
    "platform.logsDropped": _logs_dropped,
}
KNOWN = frozenset(_BODIES)
"""Types of platform events that have a text."""

_BY_STATUS: Mapping[str, Severity] = {
    "platform.report": INFO,
    "platform.runtimeDone": DEBUG,
    "platform.initRuntimeDone": DEBUG,
    "platform.restoreRuntimeDone": DEBUG,
    "platform.restoreReport": INFO,
}
_CONSTANT: Mapping[str, Severity] = {
    "platform.start": INFO,
    "platform.restoreStart": INFO,
    "platform.telemetrySubscription": INFO,
    "platform.logsDropped": WARN,
}
