"""How columns are stored: what records share once, the rest in portions, in the order they came."""

from __future__ import annotations

from typing import Any

from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.resource import Resource
from otlp2parquet_ext.records.otlp.messages import Signal, request_class
from otlp2parquet_ext.records.otlp.tables import otlp_tables

LONG = "x" * 10_000


def payload(service: str, bodies: range) -> bytes:
    """Give a request with a large resource and one record per number."""
    request: Any = request_class(Signal.LOGS)()
    group = request.resource_logs.add()
    for key, value in (("service.name", service), ("long", LONG)):
        group.resource.attributes.add(key=key).value.string_value = value
    records = group.scope_logs.add().log_records
    for number in bodies:
        records.add().body.int_value = number
    body: bytes = request.SerializeToString()
    return body


def logs(payloads: list[bytes]) -> Any:
    """Give the logs table of requests."""
    environment = Resource("s", None, "i", "{}")
    return otlp_tables(Signal.LOGS, [(one, 1) for one in payloads], environment, Invocations()).get(
        "logs"
    )


def test_rows_keep_the_order_of_the_records() -> None:
    """Across requests, scopes and portions."""
    table = logs([payload("a", range(start, start + 700)) for start in range(0, 3500, 700)])
    assert table.column("Body").to_pylist() == [str(number) for number in range(3500)]
    table.validate(full=True)


def test_a_resource_is_stored_once_however_many_records_and_requests_share_it() -> None:
    """Ten thousand records of ten kilobytes of resource would be a hundred megabytes."""
    table = logs([payload("a", range(500)) for _ in range(20)])
    assert table.num_rows == 10_000
    attributes = table.column("ResourceAttributes")
    held = {chunk.buffers()[2].address: chunk.buffers()[2].size for chunk in attributes.chunks}
    assert sum(held.values()) <= 1024 * (len(LONG) + 100)


def test_resources_that_alternate_keep_to_their_records() -> None:
    """Two SDKs in one function, a record at a time."""
    names = ["a", "b", "b", "a"] * 100
    table = logs([payload(name, range(1)) for name in names])
    assert table.column("ServiceName").to_pylist() == names
    assert table.column("ServiceName").num_chunks == 1


def test_no_requests_give_no_tables() -> None:
    """A table without rows would be a file without rows."""
    assert logs([]) is None
