"""The events that `/event/next` returns, as values.

    answer body --parse_event()--> Invoke | Shutdown | Unknown

The parser is tolerant: bodies come as text/plain, reasons in any case, optional fields are missing,
and new event types appear without notice. An INVOKE without a request id is treated as unknown.

Source: AWS Lambda Developer Guide, "Extensions API", Next.
"""

from __future__ import annotations

import msgspec

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.records.telemetry.values import Invoke


class Shutdown(msgspec.Struct, frozen=True):
    """The environment ends.

    Attributes:
        reason: `spindown`, `timeout`, `failure`, or any other reason of Lambda, in lower case.
        deadline_ms: Unix milliseconds at which SIGKILL follows; 0 when Lambda sent none.
    """

    reason: str
    deadline_ms: int


class Unknown(msgspec.Struct, frozen=True):
    """An event of an unknown type: it is logged and ignored, and the loop continues."""

    text: str


Event = Invoke | Shutdown | Unknown


class _Tracing(msgspec.Struct):
    value: str = ""


class _Event(msgspec.Struct, rename="camel"):
    event_type: str = ""
    deadline_ms: int = 0
    request_id: str = ""
    invoked_function_arn: str = ""
    tracing: _Tracing | None = None
    shutdown_reason: str = ""


def parse_event(body: bytes, now_us: int, *, first: bool) -> Event:
    """Read one event.

    Args:
        body: the answer's body.
        now_us: Unix microseconds at which it came.
        first: no INVOKE has come before.
    """
    try:
        event = msgspec.json.decode(body, type=_Event, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Unknown(quote(body))
    if event.event_type == "SHUTDOWN":
        return Shutdown(event.shutdown_reason.lower(), event.deadline_ms)
    if event.event_type != "INVOKE" or not event.request_id:
        return Unknown(quote(body))
    return Invoke(
        request_id=event.request_id,
        received_us=now_us,
        deadline_ms=event.deadline_ms,
        invoked_function_arn=event.invoked_function_arn,
        trace_header=event.tracing.value if event.tracing else "",
        first=first,
    )
