"""Maps ended activities to rows of the traces table: one span each, with its parts as children.

    initStart + initRuntimeDone + initReport            `init orders`      INTERNAL
    start + runtimeDone + report                        `orders`           SERVER
    restoreStart + restoreRuntimeDone + restoreReport   `restore orders`   INTERNAL

Ids that Lambda does not send are hashes of the activity's identity, so mapping its events again
gives the same span.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from otlp2parquet_ext.records.mapping.columns import table
from otlp2parquet_ext.records.mapping.facts import STEPS, FactKind
from otlp2parquet_ext.records.mapping.trace import parse_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from otlp2parquet_ext.records.mapping.facts import Fact, SpanEntry
    from otlp2parquet_ext.records.mapping.open_activities import Activity
    from otlp2parquet_ext.records.telemetry.values import Invoke

_EVENT_TYPES = {step: event_type for event_type, step in STEPS.items()}
_TRACE_BYTES, _SPAN_BYTES = 16, 8
_encode = msgspec.json.Encoder().encode
_SAME: dict[str, object] = {
    "TraceState": None,
    "StatusMessage": None,
    "EventsTimestamp": [],
    "EventsName": [],
    "EventsAttributes": [],
    "LinksTraceId": [],
    "LinksSpanId": [],
    "LinksTraceState": [],
    "LinksAttributes": [],
    "DroppedEventsCount": 0,
    "DroppedLinksCount": 0,
}


class Span(NamedTuple):
    """One span, without the values that all spans share; ids are lower-case hex."""

    start_us: int
    end_us: int
    trace_id: str
    span_id: str
    parent_id: str | None
    flags: int
    name: str
    kind: str
    status: str
    attributes: dict[str, object]
    request_id: str | None


class SpanContext(NamedTuple):
    """Facts about an activity that do not come from its events.

    Attributes:
        function_name: the name in the names of spans.
        account_id: "" if not known.
        instance_id: id of the environment; after a restore it may still be the snapshot's.
        invoke: the INVOKE of this invocation, if any.
    """

    function_name: str
    account_id: str = ""
    instance_id: str = ""
    invoke: Invoke | None = None


def span_table(spans: Sequence[Span], same: dict[str, object]) -> pa.Table:
    """Return n >= 1 spans as a table with the schema of `traces`, in their order."""
    varying: dict[str, Sequence[object]] = {
        "Timestamp": [span.start_us for span in spans],
        "TraceId": [span.trace_id for span in spans],
        "SpanId": [span.span_id for span in spans],
        "ParentSpanId": [span.parent_id for span in spans],
        "SpanName": [span.name for span in spans],
        "SpanKind": [f"SPAN_KIND_{span.kind}" for span in spans],
        "SpanAttributes": [_encode(span.attributes).decode() for span in spans],
        "Duration": [max(0, span.end_us - span.start_us) * 1_000 for span in spans],
        "StatusCode": [f"STATUS_CODE_{span.status}" for span in spans],
        "TraceFlags": [span.flags for span in spans],
        "FaasInvocationId": [span.request_id for span in spans],
    }
    return table("traces", varying, {**same, **_SAME})


def spans(activity: Activity, context: SpanContext) -> Iterator[Span]:
    """Yield the span of an activity, then those of its parts.

    Source: AWS Lambda developer guide, "Converting Lambda Telemetry API Event objects to
    OpenTelemetry Spans"; OpenTelemetry semantic conventions, "FaaS spans".
    """
    whole = _whole(activity, context)
    yield whole
    for fact in activity.facts:
        for entry in fact.spans:
            yield _part(whole, fact, entry)


def _whole(activity: Activity, context: SpanContext) -> Span:
    start_us, end_us = _times(activity)
    is_invocation = activity.kind is FactKind.INVOKE
    trace_id, span_id, parent_id, flags = _context(activity, context, start_us)
    name = context.function_name
    return Span(
        start_us,
        end_us,
        trace_id,
        span_id,
        parent_id,
        flags,
        name if is_invocation else f"{activity.kind} {name}",
        "SERVER" if is_invocation else "INTERNAL",
        _status(activity),
        _attributes(activity, context),
        activity.facts[0].request_id or None,
    )


def _part(whole: Span, fact: Fact, entry: SpanEntry) -> Span:
    event_type = _EVENT_TYPES[fact.kind, fact.step]
    own_id = _id(_SPAN_BYTES, whole.span_id, event_type, entry.name, entry.start_us)
    return whole._replace(
        start_us=entry.start_us,
        end_us=entry.start_us + entry.duration_us,
        span_id=own_id,
        parent_id=whole.span_id,
        name=entry.name,
        attributes={},
    )


def _times(activity: Activity) -> tuple[int, int]:
    """Return start and end; an unknown one is as close to the other as the known times allow."""
    facts = activity.facts
    last = facts[-1]
    if activity.start is not None:
        start_us = activity.start.time_us
    else:
        start_us = max(0, min(fact.time_us - (fact.duration_us or 0) for fact in facts))
    is_cut_off = last is activity.start and activity.closed_us
    return start_us, activity.closed_us if is_cut_off else last.time_us


def _status(activity: Activity) -> str:
    if activity.failure:
        return "ERROR"
    is_known = activity.kind is FactKind.INVOKE and (activity.report or activity.done)
    return "OK" if is_known else "UNSET"


def _context(
    activity: Activity, context: SpanContext, start_us: int
) -> tuple[str, str, str | None, int]:
    """Return trace id, span id, parent and flags: Lambda's own, else derived ones.

    INVOKE is authoritative: events with another trace id are ignored.
    """
    seed = activity.key
    if activity.kind is not FactKind.INVOKE:
        seed += f" {context.instance_id} {activity.facts[0].instance} {start_us}"
    own_id = _id(_SPAN_BYTES, seed, start_us)
    traced = [fact for fact in activity.facts if fact.trace.trace_id]
    trace, told_id = (traced[0].trace, traced[0].span_id) if traced else (None, None)
    authority = parse_header(context.invoke.trace_header) if context.invoke else None
    if authority and authority.trace_id and (not trace or trace.trace_id != authority.trace_id):
        trace, told_id = authority, None
    if trace is None or trace.trace_id is None:
        return _id(_TRACE_BYTES, seed), own_id, None, 0
    return trace.trace_id, told_id or own_id, trace.span_id, trace.flags


def _attributes(activity: Activity, context: SpanContext) -> dict[str, object]:
    found: dict[str, object] = {}
    if activity.kind is FactKind.INVOKE:
        found["faas.invocation_id"] = activity.facts[0].request_id
        cold = _is_cold(activity, context)
        if cold is not None:
            found["faas.coldstart"] = cold
        if context.account_id:
            found["cloud.account.id"] = context.account_id
        if context.invoke is not None and context.invoke.invoked_function_arn:
            found["aws.lambda.invoked_arn"] = context.invoke.invoked_function_arn
        tenants = [fact.tenant_id for fact in activity.facts if fact.tenant_id]
        if tenants:
            found["tenantId"] = tenants[0]
    elif activity.facts[0].phase in {"", "init"}:
        found["faas.coldstart"] = True
    if activity.failure:
        found["error.type"] = activity.failure
    return found


def _is_cold(activity: Activity, context: SpanContext) -> bool | None:
    report = activity.report
    if report is None and context.invoke is None:
        return None
    is_first = context.invoke is not None and context.invoke.first
    return is_first or (report is not None and report.cold_start)


def _id(size: int, *parts: object) -> str:
    text = " ".join(map(str, parts))
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()
