"""Bodies of all shapes that take much more memory than they are long; hypothesis draws sizes.

Each has at most the bytes an OTLP endpoint reads by default. They are written field by field: the
protobuf library would take the memory that the reader must not.
"""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from otlp2parquet_ext.records.otlp.wire import delimited

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT_BYTES = 4_194_304
IDS = delimited(1, b"a" * 16) + delimited(2, b"b" * 8)
VALUE = b"\x31" + bytes(8)  # as_int of a point


class Shape(NamedTuple):
    """A body; `records` is their number, None if it may be unreadable."""

    signal: str
    body: bytes
    records: int | None
    json: bool = False
    encoding: str = "identity"


def attribute(key: bytes, text: bytes) -> bytes:
    """Write a KeyValue."""
    return delimited(1, key) + delimited(2, delimited(1, text))


def request(records: bytes, resource: bytes = b"", scope: bytes = b"") -> bytes:
    """Write a request of one resource and one scope around records."""
    inside = (delimited(1, scope) if scope else b"") + records
    return delimited(1, (delimited(1, resource) if resource else b"") + delimited(2, inside))


def times(one: bytes, count: int, room_bytes: int = LIMIT_BYTES) -> tuple[bytes, int]:
    """Repeat what fits."""
    count = min(count, (room_bytes - 1_000) // len(one))
    return one * count, count


def filled(size_bytes: int, *, json: bool) -> Shape:
    """Lines of 300 characters, as many as make `size_bytes`, the last one with what is left."""
    if json:
        line = b'{"body":{"stringValue":"%b"}}'
        head, between, tail = (
            b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[', b",", b"]}]}]}",
        )  # fmt: skip
        count = (size_bytes - len(head + tail)) // (len(line) + 299) - 1
        body = head + between.join([line % (b"x" * 300)] * count) + tail
        return Shape("logs", body.ljust(size_bytes), count, json=True)
    record = delimited(2, delimited(5, delimited(1, b"x" * 300)))
    count = (size_bytes - 400) // len(record)
    rest = size_bytes - len(request(record * count, delimited(1, attribute(b"k", b""))))
    body = request(record * count, delimited(1, attribute(b"k", b"x" * (rest - 8))))
    return Shape("logs", body, count)


def wide_resource(width: int, count: int) -> Shape:
    """One long resource attribute that all records share."""
    records, count = times(delimited(2, b""), count, LIMIT_BYTES - width)
    return Shape("logs", request(records, delimited(1, attribute(b"k", b"x" * width))), count)


def wide_scope(width: int, count: int) -> Shape:
    """The same of the scope, around spans."""
    spans, count = times(delimited(2, IDS), count, LIMIT_BYTES - width)
    return Shape("traces", request(spans, scope=delimited(3, attribute(b"k", b"x" * width))), count)


def wide_service(width: int, count: int) -> Shape:
    """A long name of a service, and of an invocation."""
    resource = delimited(1, attribute(b"service.name", b"s" * (width // 2)))
    resource += delimited(1, attribute(b"faas.invocation_id", b"i" * (width // 2)))
    records, count = times(delimited(2, b""), count, LIMIT_BYTES - width)
    return Shape("logs", request(records, resource), count)


def several_wide_resources(width: int, count: int) -> Shape:
    """Long resources that take turns."""
    width //= 8
    each = max(1, count // 16)
    one, two = (
        request(delimited(2, b"") * each, delimited(1, attribute(b"k", letter * width)))
        for letter in (b"x", b"y")
    )
    body, turns = times(one + two, 8)
    return Shape("logs", body, turns * 2 * each)


def many_resources(width: int, count: int) -> Shape:
    """Services of a record each."""
    del width
    body = b"".join(
        request(delimited(2, b""), delimited(1, attribute(b"service.name", b"s%d" % number)))
        for number in range(min(count, 50_000))
    )
    return Shape("logs", body, min(count, 50_000))


def many_scopes(width: int, count: int) -> Shape:
    """Scopes of a record each, below one long resource."""
    scopes, count = times(delimited(2, delimited(2, b"")), count, LIMIT_BYTES - width)
    body = delimited(1, delimited(1, delimited(1, attribute(b"k", b"x" * width))) + scopes)
    return Shape("logs", body, count)


def many_attributes(width: int, count: int) -> Shape:
    """Attributes of two bytes each, in some records."""
    record = delimited(2, delimited(6, b"") * max(1, width // 4))
    records, count = times(record, max(1, count // 1_000))
    return Shape("logs", request(records), count)


def long_bodies(width: int, count: int) -> Shape:
    """Text that JSON writes with six bytes for one."""
    text = delimited(5, delimited(1, b"x" * width))
    record = delimited(2, text + delimited(6, attribute(b"k", b"\x01" * (width // 6))))
    records, count = times(record, max(1, count // 1_000))
    return Shape("logs", request(records), count)


def deep_values(width: int, count: int) -> Shape:
    """Arrays in arrays, as many as are read."""
    value = delimited(1, b"x" * (width // 100))
    for _ in range(40):
        value = delimited(5, delimited(1, value))
    records, count = times(delimited(2, delimited(5, value)), max(1, count // 100))
    return Shape("logs", request(records), count)


def events_and_links(width: int, count: int) -> Shape:
    """Spans with empty events and links."""
    span = delimited(2, IDS + (delimited(11, b"") + delimited(13, b"")) * max(1, width // 10))
    spans, count = times(span, max(1, count // 1_000))
    return Shape("traces", request(spans), count)


def points(width: int, count: int) -> Shape:
    """Points of a metric with a long description."""
    some, count = times(delimited(1, VALUE), count, LIMIT_BYTES - width)
    metric = delimited(1, b"m") + delimited(2, b"d" * width) + delimited(5, some)
    return Shape("metrics", request(delimited(2, metric)), count)


def buckets(width: int, count: int) -> Shape:
    """Histograms whose buckets are a byte each."""
    point = delimited(1, delimited(8, delimited(2, b"\x01" * width)))
    some, count = times(point, max(1, count // 1_000))
    metric = delimited(1, b"m") + delimited(10, some)
    return Shape("metrics", request(delimited(2, metric)), count)


def exemplars(width: int, count: int) -> Shape:
    """Points with empty exemplars."""
    point = delimited(1, VALUE + delimited(5, b"") * max(1, width // 8))
    some, count = times(point, max(1, count // 1_000))
    return Shape("metrics", request(delimited(2, delimited(1, b"m") + delimited(5, some))), count)


def in_json(width: int, count: int) -> Shape:
    """Empty records, and a long resource."""
    count = min(count, (LIMIT_BYTES - width - 1_000) // 3)
    resource = {"attributes": [{"key": "k", "value": {"stringValue": "x" * width}}]}
    head = f'{{"resourceLogs":[{{"resource":{json.dumps(resource)},"scopeLogs":[{{"logRecords":['
    body = head + ",".join(["{}"] * count) + "]}]}]}"
    return Shape("logs", body.encode(), count, json=True)


def values_in_json(width: int, count: int) -> Shape:
    """Objects in one record."""
    values = ",".join(['{"stringValue":""}'] * min(count, LIMIT_BYTES // 20, width))
    body = f'{{"body":{{"arrayValue":{{"values":[{values}]}}}}}}'
    body = f'{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{body}]}}]}}]}}'
    return Shape("logs", body.encode(), 1, json=True)


def telemetry(width: int, count: int) -> Shape:
    """A start that names a long request id, then lines of its invocation."""
    time = '"time":"2026-03-14T09:26:53.540Z"'
    start = f'{{{time},"type":"platform.start","record":{{"requestId":"{"r" * width}"}}}}'
    line = f'{{{time},"type":"function","record":"hi"}}'
    lines = [line] * min(count, 9_999, (LIMIT_BYTES - width - 1_000) // (len(line) + 1))
    return Shape("telemetry", f"[{','.join([start, *lines])}]".encode(), len(lines) + 1, json=True)


def many_lines(count: int, width: int) -> Shape:
    """Numbered lines of a function in deliveries of half a megabyte, each a line of the body."""
    time = '"time":"2026-03-14T09:26:53.540Z"'
    lines = [f'{{{time},"type":"function","record":"{n} {"x" * width}"}}' for n in range(count)]
    each = max(1, 524_288 // (width + 75))
    deliveries = (f"[{','.join(lines[at : at + each])}]" for at in range(0, count, each))
    return Shape("telemetry", "\n".join(deliveries).encode(), count, json=True)


def many_invocations(size_bytes: int) -> Shape:
    """Start, end and report of ever more invocations, in deliveries of 150, each a line."""
    time = '"time":"2026-03-14T09:26:53.540Z"'
    metrics = '"durationMs":1,"billedDurationMs":1,"memorySizeMB":128,"maxMemoryUsedMB":60'
    deliveries, length, count = list[str](), 0, 0
    while length < size_bytes:
        events = []
        for number in range(count, count + 150):
            record = f'"record":{{"requestId":"{number:08}-0000-4000-8000-000000000000"'
            events += [
                f'{{{time},"type":"platform.start",{record}}}}}',
                f'{{{time},"type":"platform.runtimeDone",{record},"status":"success"}}}}',
                f'{{{time},"type":"platform.report",{record},"metrics":{{{metrics}}}}}}}',
            ]
        deliveries.append(f"[{','.join(events)}]")
        length, count = length + len(deliveries[-1]), count + 150
    return Shape("telemetry", "\n".join(deliveries).encode(), 3 * count, json=True)


SHAPES: tuple[Callable[[int, int], Shape], ...] = (
    wide_resource, wide_scope, wide_service, several_wide_resources, many_resources, many_scopes,
    many_attributes, long_bodies, deep_values, events_and_links, points, buckets, exemplars,
    in_json, values_in_json, telemetry,
)  # fmt: skip

sizes = st.sampled_from([10, 1_000, 30_000, 200_000, 1_000_000, 3_000_000])


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """Draw a body; some are compressed, and longer when they are inflated."""
    shape = draw(st.sampled_from(SHAPES))(draw(sizes), draw(sizes))
    if shape.signal != "telemetry" and draw(st.booleans()):
        return shape._replace(body=gzip.compress(shape.body, 1), encoding="gzip")
    return shape
