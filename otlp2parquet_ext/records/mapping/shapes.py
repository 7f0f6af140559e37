"""Shapes of records: the meaning of their keys, found once for all records with the same keys.

    LEVEL_KEYS, MESSAGE_KEYS, …   keys of known loggers, in order of priority
    find_shape(keys)              the used keys of records with these keys

A logger writes the same keys in the same order thousands of times. Facts that depend only on keys
are found once for each shape; the values are read in each record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVEL_KEYS = (
    *("level", "log_level", "severity", "levelname", "level_name", "log.level", "lvl", "loglevel"),
    *("logLevel", "LogLevel", "Level", "Severity", "severity_text", "severityText"),
    *("SeverityText", "@l"),
)
NUMBER_KEYS = ("severity_number", "severityNumber", "SeverityNumber")
"""Keys of OpenTelemetry's severity numbers, which are used if there is no level."""

MESSAGE_KEYS = (
    *("message", "msg", "@m", "Message", "formattedMessage", "RenderedMessage", "short_message"),
    *("event", "@mt", "MessageTemplate"),
)
TIME_KEYS = (
    *("timestamp", "time", "ts", "@timestamp", "@t", "Timestamp", "datetime", "timeMillis"),
)
ERROR_KEYS = (
    *("errorType", "errorMessage", "exception.type", "exception.stacktrace", "exception_name"),
    *("stack_trace", "error.stack_trace", "@x"),
)
"""Keys whose text marks an error, even without a level."""

ERROR_OBJECT_KEYS = ("err", "error", "exception", "thrown", "throwable")
"""Keys of objects that describe an error by one of `ERROR_PARTS`."""

ERROR_PARTS = frozenset({"stack", "stacktrace", "stackTrace", "type", "name", "message", "class"})
OWN_REQUEST_KEYS = (
    "function_request_id",
    "AWSRequestId",
    "awsRequestId",
    "aws_request_id",
    "functionRequestId",
    "FunctionRequestId",
)
"""Keys under which runtimes and Powertools write only the request id of the invocation. Under other
keys, an id may come from API Gateway, DynamoDB or a client."""

REQUEST_KEYS = (*OWN_REQUEST_KEYS, "requestId", "request_id", "RequestId", "requestID")
NESTING_KEYS = ("span", "spans", "mdc", "contextMap")
"""Keys of objects in which loggers nest the request id: spans of Rust's tracing, contexts of
Logback and Log4j."""

TRACE_KEYS = (
    *("trace_id", "xray_trace_id", "traceId", "traceID", "TraceId", "trace.id", "otelTraceID"),
    *("@tr", "xrayTraceId", "xRayTraceId", "XRayTraceId"),
)
SPAN_KEYS = ("span_id", "spanId", "spanID", "SpanId", "span.id", "otelSpanID", "@sp")
FLAG_KEYS = ("trace_flags", "traceFlags", "TraceFlags")
MOST_SHAPES = 256
"""Most shapes that are cached, because a logger that writes ids into keys has a new shape per
record."""

# Keys that only other keys explain: parts of an error, a span beside a trace, our own keys.
_INVOLVED = frozenset(
    {
        "type",
        "faas.invocation_id",
        "log",
        "@t",
        "errorType",
        "errorMessage",
        *NUMBER_KEYS,
        *SPAN_KEYS,
        *FLAG_KEYS,
        *NESTING_KEYS,
    }
)


_ERRORS = frozenset({*ERROR_KEYS, *ERROR_OBJECT_KEYS})


class KeysByKind(NamedTuple):
    """The keys of each kind a record has, in the order in which they count."""

    levels: tuple[str, ...]
    numbers: tuple[str, ...]
    messages: tuple[str, ...]
    times: tuple[str, ...]
    requests: tuple[str, ...]
    nesting: tuple[str, ...]
    traces: tuple[str, ...]
    spans: tuple[str, ...]
    flags: tuple[str, ...]
    errors: tuple[str, ...]


_KINDS = (
    *(LEVEL_KEYS, NUMBER_KEYS, MESSAGE_KEYS, TIME_KEYS, REQUEST_KEYS, NESTING_KEYS),
    *(TRACE_KEYS, SPAN_KEYS, FLAG_KEYS, (*ERROR_KEYS, *ERROR_OBJECT_KEYS)),
)


def keys_by_kind(known: dict[tuple[str, ...], KeysByKind], keys: tuple[str, ...]) -> KeysByKind:
    """Sort keys by their kinds; cache that while there is room."""
    present = set(keys)
    found = KeysByKind(*(tuple(key for key in kind if key in present) for kind in _KINDS))
    if len(known) < MOST_SHAPES:
        known[keys] = found
    return found


class Shape(NamedTuple):
    """The first key of each kind a record has; "" where it has none."""

    level: str
    time: str
    request: str
    trace: str


Shapes = dict[tuple[str, ...], Shape | None]
"""Shapes by keys in their order; None for records that the slow path must read."""


def find_shape(keys: Sequence[str]) -> Shape | None:
    """Find the shape of records with these keys; None if the keys alone do not determine it."""
    present = set(keys)
    if "message" not in present or not present.isdisjoint(_INVOLVED):
        return None
    if present.isdisjoint(LEVEL_KEYS) and not present.isdisjoint(_ERRORS):
        return None
    kinds = (LEVEL_KEYS, TIME_KEYS, REQUEST_KEYS, TRACE_KEYS)
    found = [[key for key in kind if key in present] for kind in kinds]
    requests = found[kinds.index(REQUEST_KEYS)]
    if len(requests) > 1 and requests[0] not in OWN_REQUEST_KEYS:
        return None  # the values decide which of several ids is that of the invocation
    if len(found[kinds.index(TIME_KEYS)]) > 1:
        return None  # the values decide which of several times is that of the record
    return Shape(*(keys[0] if keys else "" for keys in found))


def learn_shape(shapes: Shapes, keys: tuple[str, ...]) -> Shape | None:
    """Find a shape that is not cached yet; cache it while there is room."""
    found = find_shape(keys)
    if len(shapes) < MOST_SHAPES:
        shapes[keys] = found
    return found
