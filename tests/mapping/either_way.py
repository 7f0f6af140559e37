"""Batches mapped with the fast paths, and without them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from otlp2parquet_ext.records.mapping.fast_path import FastPath
from otlp2parquet_ext.records.mapping.fast_path_platform import FastPathPlatform
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import LogTable, log_table
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext, Invoke

if TYPE_CHECKING:
    from collections.abc import Sequence

REQUEST = "8286a188-ba32-4475-8077-530cd35c09a9"
ROOT = "1-69b52bcd-0f1e2d3c4b5a69788796a5b4"
TRACE_ID = "0f1e2d3c4b5a69788796a5b469b52bcd"
INVOKE_US = 1_773_480_413_500_000
ARN = "arn:aws:lambda:eu-west-1:012345678912:function:orders"
HEADER = f"Root={ROOT};Parent=00f067aa0ba902b7;Sampled=1"
TIMES = [
    "2026-03-14T09:26:53.589Z",
    "2026-03-14T09:26:53.58Z",
    "2026-03-14T09:26:53.589123Z",
    "2026-03-14 09:26:53,589+0000",
    "2026-03-14 09:26:53,777+0000",
    "2026-03-14T10:26:53.589+01:00",
    "2026-03-14T09:26:53Z",
    "2026-03-14T09:26:51Z",
    "2026-03-14T09:26:53.5+9Z",
    "2026-03-14T09:26:53.५८९Z",
    "soon",
    "",
]
STARTED = {
    "time": "2026-03-14T09:26:53.400Z",
    "type": "platform.start",
    "record": {"requestId": REQUEST, "tracing": {"value": HEADER}},
}
INVOKES = [
    Invoke(
        request_id=REQUEST, received_us=INVOKE_US, invoked_function_arn=f"{ARN}:live", first=True
    ),
    Invoke(
        request_id=REQUEST, received_us=INVOKE_US, invoked_function_arn=ARN, trace_header=HEADER
    ),
    Invoke(request_id="another", received_us=INVOKE_US + 50_000),
]


def mapped(
    bodies: Sequence[bytes], invokes: Sequence[Invoke] = INVOKES[2:], **context: Any
) -> LogTable:
    """Map a batch with the fast paths."""
    invocations = Invocations()
    for invoke in [] if context else invokes:
        invocations.invoked(invoke)
    deliveries = [Delivery(body, INVOKE_US + count) for count, body in enumerate(bodies)]
    return log_table(deliveries, EnvironmentContext(instance_id="i", **context), invocations)


def by_the_long_way(bodies: Sequence[bytes], *given: Any, **context: Any) -> LogTable:
    """Map a batch as if no event were a usual one."""
    with pytest.MonkeyPatch.context() as patch:
        for way in (FastPath, FastPathPlatform):
            patch.setattr(way, "row", lambda _self, _event: None)
        patch.setattr(FastPathPlatform, "start", lambda _self, _event: None)
        return mapped(bodies, *given, **context)


def assert_equal_either_way(bodies: Sequence[bytes], *given: Any, **context: Any) -> None:
    """Compare every column of every row."""
    short, long = mapped(bodies, *given, **context), by_the_long_way(bodies, *given, **context)
    assert short.table.to_pylist() == long.table.to_pylist()
    assert short.malformed == long.malformed
