"""An invocation's request, and the answers to the two `next` calls made from it."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.local import events

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.tools.local.events import Record
    from otlp2parquet_ext.tools.local.plan import Plan


@dataclass(frozen=True)
class NextResponse:
    """The answer to a `next` call."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class InvocationRequest:
    """One invocation.

    Attributes:
        number: number in the whole run, from 1.
        request_id, trace_header, span_id: fresh; the header is "" without tracing.
        payload: payload for the function.
        arrived_s, arrived_unix_s: monotonic and Unix time of arrival, from which the timeout
        counts.
        timeout_s: its timeout.
        deadline_ms: Unix ms of its timeout.
        function_arn: ARN as invoked.
    """

    number: int
    request_id: str
    trace_header: str
    span_id: str
    payload: bytes
    arrived_s: float
    arrived_unix_s: float
    timeout_s: float
    deadline_ms: int
    function_arn: str

    @property
    def tracing(self) -> Record | None:
        """The tracing part of its records."""
        return events.tracing_context(self.trace_header, self.span_id)

    def unix_s(self, monotonic_s: float) -> float:
        """Return a monotonic time of this invocation as Unix seconds."""
        return self.arrived_unix_s + monotonic_s - self.arrived_s


def new_request(plan: Plan, number: int, function_arn: str) -> InvocationRequest:
    """Make the request of invocation `number`, now."""
    now_s = time.time()
    timeout_s = plan.faults.timeouts_s.get(number, plan.timeout_s)
    root = f"1-{int(now_s):08x}-{secrets.token_hex(12)}"
    return InvocationRequest(
        number=number,
        request_id=str(uuid.uuid4()),
        trace_header=f"Root={root};Parent={secrets.token_hex(8)};Sampled=1" if plan.tracing else "",
        span_id=secrets.token_hex(8),
        payload=plan.events[(number - 1) % len(plan.events)],
        arrived_s=time.monotonic(),
        arrived_unix_s=now_s,
        timeout_s=timeout_s,
        deadline_ms=round((now_s + timeout_s) * 1000),
        function_arn=function_arn,
    )


def runtime_answer(request: InvocationRequest) -> NextResponse:
    """Return the answer to `/invocation/next`, without empty headers."""
    headers = {
        "Content-Type": "application/json",
        "Lambda-Runtime-Aws-Request-Id": request.request_id,
        "Lambda-Runtime-Deadline-Ms": str(request.deadline_ms),
        "Lambda-Runtime-Invoked-Function-Arn": request.function_arn,
        "Lambda-Runtime-Trace-Id": request.trace_header,
    }
    return NextResponse(request.payload, {name: value for name, value in headers.items() if value})


def extension_answer(request: InvocationRequest) -> NextResponse:
    """Return the answer to `/event/next`: the INVOKE event."""
    event: Record = {
        "eventType": "INVOKE",
        "deadlineMs": request.deadline_ms,
        "requestId": request.request_id,
        "invokedFunctionArn": request.function_arn,
    }
    if request.trace_header:
        event["tracing"] = {"type": "X-Amzn-Trace-Id", "value": request.trace_header}
    headers = {
        "Content-Type": "application/json",
        "Lambda-Extension-Event-Identifier": str(uuid.uuid4()),
    }
    return NextResponse(json.dumps(event).encode(), headers)
