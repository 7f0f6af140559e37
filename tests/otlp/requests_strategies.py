"""Hypothesis strategies: OTLP requests of all shapes, made from the messages' own descriptors.

requests(signal)   every record of it can be stored; nothing else is held back
"""

from __future__ import annotations

import base64
from typing import Any

from google.protobuf.json_format import MessageToDict
from hypothesis import strategies as st

from otlp2parquet_ext.records.otlp.messages import Signal, request_class

_MOST_ELEMENTS = 3
_DEEPEST = 4  # arrays in arrays, objects in objects
_IDS = {"traceId", "spanId", "parentSpanId"}

texts = st.text(max_size=6) | st.sampled_from(["a\x00b", '"', "\\", "é😀", "\u2028\x7f\x9f"])
keys = st.text(max_size=4) | st.sampled_from(
    ["service.name", "service.namespace", "service.instance.id", "faas.name", "faas.invocation_id"]
)
times = (
    st.just(0)
    | st.integers(1_700_000_000_000_000_000, 1_900_000_000_000_000_000)
    | st.integers(0, 2**64 - 1)
)
_INTEGERS = {1: (31, 31), 2: (63, 63), 3: (0, 32), 4: (0, 64)}


def _ids(length: int) -> st.SearchStrategy[bytes]:
    whole = st.binary(min_size=length, max_size=length)
    return whole | st.just(b"") | st.binary(max_size=20) | st.just(bytes(length))


# Values with more rules than the field's type, by the field's full name or its last part.
_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "trace.v1.Span.trace_id": st.binary(min_size=16, max_size=16).filter(any),
    "trace.v1.Span.span_id": st.binary(min_size=8, max_size=8).filter(any),
    "trace_id": _ids(16),
    "span_id": _ids(8),
    "parent_span_id": _ids(8),
    "time_unix_nano": times,
    "start_time_unix_nano": times,
    "end_time_unix_nano": times,
    "observed_time_unix_nano": times,
    "count": st.integers(0, 2**63 - 1),
    "zero_count": st.integers(0, 2**63 - 1),
    "bucket_counts": st.integers(0, 9) | st.integers(0, 2**63 - 1),
    "key": keys,
}
# Fields that a record must have to be stored.
_REQUIRED = {"trace.v1.Span.trace_id", "trace.v1.Span.span_id"}
# The way to the records, and the value of an attribute: rarely worth leaving out.
_USUAL = {"resource_logs", "resource_spans", "resource_metrics", "scope_logs", "scope_spans"}
_USUAL |= {"scope_metrics", "log_records", "spans", "metrics", "data_points", "key", "value"}
_REQUIRED_GROUPS = {("Metric", "data"), ("NumberDataPoint", "value")}


def _scalar(field: Any) -> st.SearchStrategy[Any]:
    short = field.full_name.removeprefix("opentelemetry.proto.")
    found = _FIELDS.get(short, _FIELDS.get(field.name))
    if found is not None:
        return found
    if field.enum_type:
        known = st.sampled_from([value.number for value in field.enum_type.values])
        return known | st.integers(-(2**31), 2**31 - 1)
    if field.cpp_type in _INTEGERS:
        below, above = _INTEGERS[field.cpp_type]
        return st.integers(-(2**below) if below else 0, 2**above - 1)
    if field.type == field.TYPE_BYTES:
        return st.binary(max_size=5)
    if field.cpp_type == field.CPPTYPE_BOOL:
        return st.booleans()
    return texts if field.cpp_type == field.CPPTYPE_STRING else st.floats()


@st.composite
def _fill(draw: st.DrawFn, message: Any, depth: int) -> None:
    groups = {
        group.name: draw(st.sampled_from([one.name for one in group.fields]))
        for group in message.DESCRIPTOR.oneofs
    }
    for field in message.DESCRIPTOR.fields:
        group = field.containing_oneof
        if group and groups[group.name] != field.name:
            continue
        short = field.full_name.removeprefix("opentelemetry.proto.")
        needed = group and (message.DESCRIPTOR.name, group.name) in _REQUIRED_GROUPS
        needed = needed or short in _REQUIRED or draw(st.booleans())
        if not needed and (field.name not in _USUAL or draw(st.booleans())):
            continue
        if field.message_type:
            _fill_messages(draw, getattr(message, field.name), field, depth)
        elif field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(_scalar(field), max_size=4)))
        else:
            setattr(message, field.name, draw(_scalar(field)))


def _fill_messages(draw: st.DrawFn, child: Any, field: Any, depth: int) -> None:
    nested = field.full_name.startswith("opentelemetry.proto.common.v1.")
    deeper = depth + 1 if nested else 0
    if deeper > _DEEPEST:
        return
    if not field.is_repeated:
        child.SetInParent()
        draw(_fill(child, deeper))
        return
    for _ in range(draw(st.integers(0, _MOST_ELEMENTS))):
        draw(_fill(child.add(), deeper))


@st.composite
def requests(draw: st.DrawFn, signal: Signal) -> Any:
    """Draw an `Export…ServiceRequest`."""
    request = request_class(signal)()
    draw(_fill(request, 0))
    return request


def as_json(request: Any, *, names: bool) -> Any:
    """Give a request in OTLP/JSON as protobuf's own writer has it, but with ids in hex.

    Args:
        request: a request message.
        names: enums by name.
    """
    made = MessageToDict(request, use_integers_for_enums=not names)
    _hex_ids(made)
    return made


def _hex_ids(value: object) -> None:
    if isinstance(value, dict):
        for key, one in value.items():
            if key in _IDS:
                value[key] = base64.b64decode(one).hex().upper()
            else:
                _hex_ids(one)
    elif isinstance(value, list):
        for one in value:
            _hex_ids(one)
