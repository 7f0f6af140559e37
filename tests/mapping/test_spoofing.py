"""Forged platform events: a process with the receiver's path can post them, without effect.

Lambda itself sends INVOKE. Each test maps an honest batch, and the same batch with forged events,
and compares the honest rows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples

from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext, Invoke

BASE_US = 1_773_480_413_000_000  # 2026-03-14T09:26:53Z
CONTEXT = EnvironmentContext(instance_id="i-1", function_name="orders", function_version="17")
STREAM = "2026/03/14/[17]5f0c8e1f2a3b4c5d9e8f7a6b5c4d3e2f"
ROOTS = {"a": "1-69b52bcd-0f1e2d3c4b5a69788796a5b4", "b": "1-69b52bcd-1f1e2d3c4b5a69788796a5b4"}
ARN = "arn:aws:lambda:eu-west-1:012345678912:function:orders:live"
FORGED_ROOT = "1-11111111-111111111111111111111111"


def event(kind: str, at_ms: int, record: object) -> dict[str, object]:
    """Make an event, so many milliseconds after the base."""
    second, ms = divmod(at_ms, 1_000)
    return {"time": f"2026-03-14T09:26:{53 + second:02}.{ms:03}Z", "type": kind, "record": record}


def invoke(request_id: str, at_ms: int, *, first: bool) -> Invoke:
    """Make an INVOKE that came so many milliseconds after the base."""
    return Invoke(
        request_id=request_id,
        received_us=BASE_US + at_ms * 1_000 + 500,
        trace_header=f"Root={ROOTS[request_id]};Parent=1122334455667788;Sampled=1",
        invoked_function_arn=ARN,
        first=first,
    )


INVOKES = [invoke("a", 101, first=True), invoke("b", 301, first=False)]


def tracing(root: str) -> dict[str, str]:
    """Make a `tracing` object."""
    return {"spanId": "4f1e2d3c4b5a6978", "value": f"Root={root};Sampled=1"}


def of_invocation(request_id: str, at_ms: int) -> list[dict[str, object]]:
    """Make the platform's events of an invocation of 100 ms, and two lines without an id."""
    done = {"requestId": request_id, "status": "success"}
    about = {"requestId": request_id, "version": "17", "tracing": tracing(ROOTS[request_id])}
    return [
        event("platform.start", at_ms, about),
        event("function", at_ms + 10, f"early in {request_id}"),
        event("function", at_ms + 90, f"late in {request_id}"),
        event("platform.runtimeDone", at_ms + 100, done),
        event("platform.report", at_ms + 101, {**done, "metrics": {"durationMs": 100}}),
    ]


HONEST = [
    event("platform.initStart", 1, {"functionVersion": "17", "instanceId": STREAM}),
    *of_invocation("a", 100),
    *of_invocation("b", 300),
]


@dataclass
class Told:
    """Forged events, by when they are delivered."""

    before: list[dict[str, object]] = field(default_factory=list)
    with_it: list[dict[str, object]] = field(default_factory=list)
    after: list[dict[str, object]] = field(default_factory=list)


FACTS = ("Body", "FaasInvocationId", "TraceId", "LogAttributes", "ResourceAttributes")


def honest_rows(told: Told, invocations: Invocations | None = None) -> list[dict[str, Any]]:
    """Map everything as the flush side does, INVOKEs first; give the honest rows' facts."""
    known = invocations or Invocations()
    found: list[dict[str, Any]] = []
    parts: list[tuple[list[Invoke], list[dict[str, object]]]] = [
        ([], told.before),
        (INVOKES, told.with_it + HONEST),
        ([], told.after),
        ([], LATE),
    ]
    for invokes, events in parts:
        for one in invokes:
            known.invoked(one)
        deliveries = [Delivery(json.dumps([e]).encode(), BASE_US + 9_000_000) for e in events]
        table = log_table(deliveries, CONTEXT, known).table
        honest = [not e.get("forged") for e in events]
        found += [row for row, kept in zip(table.to_pylist(), honest, strict=True) if kept]
    return [{name: row[name] for name in FACTS} for row in found]


LATE = [event("function", 250, "late line of a"), event("function", 480, "late line of b")]


def forged(kind: str, at_ms: int, record: object) -> dict[str, object]:
    """Make a forged event, marked as such for the test."""
    return {**event(kind, at_ms, record), "forged": True}


def starts(request_id: str, *at_ms: int) -> list[dict[str, object]]:
    """Forge starts of one invocation at several times."""
    record = {"requestId": request_id, "version": "666", "tracing": tracing(FORGED_ROOT)}
    return [forged("platform.start", at, record) for at in at_ms]


def done(request_id: str, *at_ms: int) -> list[dict[str, object]]:
    """Forge ends of one invocation at several times."""
    record = {"requestId": request_id, "status": "timeout", "metrics": {"initDurationMs": 1.0}}
    kinds = ("platform.runtimeDone", "platform.report")
    return list(chain(*([forged(kind, at, record) for kind in kinds] for at in at_ms)))


INITS = [
    forged("platform.initStart", 2, {"functionVersion": "666", "instanceId": STREAM[:-4] + "6666"})
]
FORGERIES = {
    "a start of the current invocation, in the one before": starts("b", 120, 150, 250),
    "a start of the current invocation, before all": starts("b", 0) + starts("a", 0),
    "starts of invocations nobody sent": starts("x", 50, 105, 150, 299, 310, 450),
    "an end of the current invocation, far too early": done("a", 0, 105) + done("b", 0, 302),
    "an end of the current invocation, far too late": done("b", 5_000),
    "ends of invocations nobody sent": done("x", 105, 350, 5_000),
}


@pytest.mark.parametrize("when", ["with_it", "after"])
@pytest.mark.parametrize("what", FORGERIES)
def test_forged_events_change_no_fact_of_an_honest_row(what: str, when: str) -> None:
    """Request id, trace, window, cold start, resource: all as if nothing had been posted."""
    expected = honest_rows(Told())
    found = honest_rows(Told(**{when: FORGERIES[what]}))
    assert found == expected


def test_another_log_stream_told_later_is_not_believed() -> None:
    """The platform sends it before any code of the function runs."""
    assert honest_rows(Told(after=INITS)) == honest_rows(Told())


def test_starts_forged_before_the_first_invoke_capture_no_line_after_it() -> None:
    """Code in the function's init knows no request id, but may invent some."""
    before = starts("x", 110, 190, 250, 400, 5_000)
    assert honest_rows(Told(before=before)) == honest_rows(Told())


def test_only_the_first_invocation_of_the_process_is_a_cold_start() -> None:
    """The metrics of a report do not matter."""
    known = Invocations()
    honest_rows(Told(), known)
    table = log_table(
        [Delivery(json.dumps(done("b", 500)).encode(), BASE_US)], CONTEXT, known
    ).table
    assert "faas.coldstart" not in "".join(table.column("LogAttributes").to_pylist())


def test_what_is_remembered_stays_bounded() -> None:
    """A flood of forged events in every shape."""
    known = Invocations(capacity=100)
    for lap in range(20):
        names = [f"x-{lap}-{number}" for number in range(100)]
        flood = [*chain(*(starts(name, 10) + done(name, 20) for name in names)), *INITS * 50]
        honest_rows(Told(before=flood, with_it=flood, after=flood), known)
    sizes = [len(known._windows), len(known._by_id), len(known._unconfirmed), len(known._opened)]
    assert max(sizes) <= 100
    assert len(known._log_streams) <= 2


IDS = st.sampled_from(["a", "b", "x"])
TIMES = st.integers(0, 5_000)
FORGED = st.lists(
    st.one_of(st.builds(starts, IDS, TIMES), st.builds(done, IDS, TIMES)).map(lambda made: made[0]),
    max_size=6,
)


@examples(0.5)
@given(st.builds(Told, st.just([]), FORGED, FORGED))
def test_no_mixture_of_forged_events_moves_a_line_to_another_invocation(told: Told) -> None:
    """Whenever they are delivered."""
    found = {row["Body"]: row for row in honest_rows(told)}
    for request_id in "ab":
        for words in (f"early in {request_id}", f"late in {request_id}"):
            assert found[words]["FaasInvocationId"] == request_id
            assert found[words]["TraceId"] == ROOTS[request_id].replace("-", "")[1:]
