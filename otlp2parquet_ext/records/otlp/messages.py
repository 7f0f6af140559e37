"""The generated message classes of OTLP, imported when the first request needs them.

A request has the same shape in each signal: resources, in them scopes, in them records. Metrics
have one level more: a metric's records are its data points.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.message import Message

MAX_DEPTH = 100
"""Most levels of messages inside a request that the protobuf library parses; a test checks it."""


class Signal(StrEnum):
    """The signal of a request; the values are the last part of OTLP/HTTP's paths."""

    LOGS = "logs"
    TRACES = "traces"
    METRICS = "metrics"


_NAMES = {Signal.LOGS: "Logs", Signal.TRACES: "Trace", Signal.METRICS: "Metrics"}
LEVELS = {  # by signal: the fields of resources, their scopes, their records
    Signal.LOGS: ("resource_logs", "scope_logs", "log_records"),
    Signal.TRACES: ("resource_spans", "scope_spans", "spans"),
    Signal.METRICS: ("resource_metrics", "scope_metrics", "metrics"),
}

RECORDS = frozenset({"log_records", "spans", "metrics", "data_points"})
"""Fields whose elements are refused one by one: a bad element does not affect the others."""


@cache
def request_class(signal: Signal) -> type[Message]:
    """Return `Export…ServiceRequest` of a signal."""
    return _class(signal, "Request")


@cache
def response_class(signal: Signal) -> type[Message]:
    """Return `Export…ServiceResponse` of a signal."""
    return _class(signal, "Response")


def _class(signal: Signal, kind: str) -> type[Message]:
    name = _NAMES[signal]
    module = f"opentelemetry.proto.collector.{name.lower()}.v1.{name.lower()}_service_pb2"
    found: type[Message] = getattr(import_module(module), f"Export{name}Service{kind}")
    return found


def scopes(signal: Signal, request: Any) -> list[tuple[str, Any, Any, Any]]:
    """List the scopes of a request.

    Returns:
        For each scope: its path, its resource's message, its own message, and its records (or
        metrics).
    """
    resources, in_resource, in_scope = LEVELS[signal]
    return [
        (
            f"{resources}[{i}].{in_resource}[{j}].{in_scope}",
            resource,
            scope,
            getattr(scope, in_scope),
        )
        for i, resource in enumerate(getattr(request, resources))
        for j, scope in enumerate(getattr(resource, in_resource))
    ]


def points(metric: Any) -> tuple[str, Any]:
    """Return the kind of a metric (`gauge`, …; "" if it has no data) and its data points."""
    kind = metric.WhichOneof("data")
    return (kind, getattr(metric, kind).data_points) if kind else ("", ())
