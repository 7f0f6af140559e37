"""Every field of OTLP's messages matters: changing it changes a row, and the documentation has it.

Walks the descriptors of the installed opentelemetry-proto: a field it gains fails here until it
has a place.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.resource import Resource
from otlp2parquet_ext.records.otlp.messages import Signal, request_class
from otlp2parquet_ext.records.otlp.requests import read_request
from otlp2parquet_ext.records.otlp.tables import otlp_tables
from otlp2parquet_ext.records.tables.registry import TABLES

DOCUMENT = (Path(__file__).parents[2] / "docs" / "otlp-fields.md").read_text()
IGNORED = {"KeyValue.key_strindex", "AnyValue.string_value_strindex"}
METRICS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
# (signal, kind of metric): what a request is filled with.
REQUESTS = [(Signal.LOGS, ""), (Signal.TRACES, ""), *((Signal.METRICS, kind) for kind in METRICS)]

Place = tuple[tuple[str, ...], Any]  # the names that lead to a message, and a field of it


def short(field: Any) -> str:
    """Name a field as the document does."""
    return f"{field.containing_type.name}.{field.name}"


def sample(field: Any, *, other: bool) -> Any:
    """Give one of two values of a scalar field."""
    if field.type == field.TYPE_BYTES:
        return bytes([2 if other else 1]) * (16 if field.name == "trace_id" else 8)
    if field.cpp_type == field.CPPTYPE_STRING:
        return "other" if other else field.name
    if field.cpp_type == field.CPPTYPE_BOOL:
        return other
    if "time_unix_nano" in field.name:
        return (20_000 if other else 10_000) + (50_000 if "end" in field.name else 0)
    return 2 if other else 1


def fill(message: Any, kind: str) -> None:
    """Set every field: lists have one element, of each group one field is set."""
    for field in message.DESCRIPTOR.fields:
        group = field.containing_oneof
        if group and len(group.fields) > 1:
            chosen = kind if group.name == "data" else group.fields[0].name
            if field.name != chosen:
                continue
        if field.message_type:
            child = getattr(message, field.name)
            fill(child.add() if field.is_repeated else child, kind)
        elif field.is_repeated:
            getattr(message, field.name).append(sample(field, other=False))
        else:
            setattr(message, field.name, sample(field, other=False))


def full(signal: Signal, kind: str) -> Any:
    """Give a request with everything in it."""
    request = request_class(signal)()
    fill(request, kind)
    return request


def places(message: Any, kind: str, path: tuple[str, ...] = ()) -> list[Place]:
    """Give every field below a filled message, with the path to its message."""
    found: list[Place] = []
    for field in message.DESCRIPTOR.fields:
        group = field.containing_oneof
        if group and group.name == "data" and field.name != kind:
            continue
        found.append((path, field))
        if field.message_type:
            child = getattr(message, field.name)
            inner = list(child)[:1] if field.is_repeated else [child]
            found += [one for each in inner for one in places(each, kind, (*path, field.name))]
    return found


def change(request: Any, path: tuple[str, ...], field: Any) -> None:
    """Give one field another value; take out a message that is there, put in one that is not."""
    message = request
    for name in path:
        child = getattr(message, name)
        message = child if hasattr(child, "DESCRIPTOR") else child[0]
    if not field.message_type:
        value = sample(field, other=True)
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
    elif field.is_repeated and not getattr(message, field.name):
        getattr(message, field.name).add()
    elif field.is_repeated or message.HasField(field.name):
        message.ClearField(field.name)
    else:
        getattr(message, field.name).SetInParent()


def rows(signal: Signal, request: Any) -> dict[str, list[dict[str, Any]]]:
    """Give the rows of a request; none of those it must refuse."""
    accepted = read_request(signal, request.SerializeToString(), json=False)
    if not accepted.payload:
        return {}
    environment = Resource("s", None, "i", "{}")
    tables = otlp_tables(signal, [(accepted.payload, 1)], environment, Invocations())
    return {name: table.to_pylist() for name, table in tables.items()}


@cache
def all_fields() -> dict[str, Any]:
    """Give every field that a request of any signal can have."""
    found: dict[str, Any] = {}
    waiting = [request_class(signal).DESCRIPTOR for signal in Signal]
    seen = set()
    while waiting:
        message: Any = waiting.pop()
        if message.full_name not in seen:
            seen.add(message.full_name)
            found |= {short(field): field for field in message.fields}
            waiting += [field.message_type for field in message.fields if field.message_type]
    return found


@pytest.mark.parametrize(("signal", "kind"), REQUESTS)
def test_changing_any_field_changes_a_row(signal: Signal, kind: str) -> None:
    """A field without an effect on a row is lost, even if the page lists it."""
    before = rows(signal, full(signal, kind))
    assert before
    for path, field in places(full(signal, kind), kind):
        request = full(signal, kind)
        change(request, path, field)
        changed = rows(signal, request) != before
        where = ".".join([*path, field.name])
        assert changed or short(field) in IGNORED, where


def test_the_walk_above_reaches_every_field() -> None:
    """Otherwise it would prove less."""
    reached = {
        short(field) for signal, kind in REQUESTS for _, field in places(full(signal, kind), kind)
    }
    assert reached == all_fields().keys()


def test_the_documentation_has_every_field_once_and_no_other() -> None:
    """A field of a newer protocol needs a place before it needs a reader."""
    lines = [line.split("|")[1] for line in DOCUMENT.splitlines() if line.startswith("| `")]
    documented = [name for line in lines for name in re.findall(r"`(\w+\.\w+)`", line)]
    assert sorted(documented) == sorted(all_fields())


def test_the_documentation_names_columns_that_exist() -> None:
    """It names all of them, except columns that no request sends."""
    columns = {column.name for table in TABLES.values() for column in table}
    lines = [line.split("|")[2] for line in DOCUMENT.splitlines() if line.startswith("| `")]
    named = {name for line in lines for name in re.findall(r"`([A-Z]\w+)`", line)}
    assert named - {"Resource", "InstrumentationScope"} == columns - {"FaasInvocationId"}
