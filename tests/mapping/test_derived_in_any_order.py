"""Events in any batches, any order, twice or never: the same spans and points, within bounds."""

from __future__ import annotations

from typing import Any

import msgspec
from derivations import BASE_US, Environment, Rows, event, invocation, time_text
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples

from otlp2parquet_ext.records.mapping.facts import STEPS
from otlp2parquet_ext.records.mapping.open_activities import (
    BEHIND,
    CAPACITY,
    REMEMBERED,
    OpenActivities,
)

INIT = [
    event("initStart", 1, phase="init", initializationType="on-demand"),
    event("initRuntimeDone", 90, phase="init", status="success"),
    event("initReport", 95, phase="init", status="success", metrics={"durationMs": 94.0}),
]
SPANS = [{"name": "responseLatency", "start": "2026-03-14T09:26:53.200Z", "durationMs": 5.5}]
FAILS = [
    event("start", 300, requestId="failed"),
    event("runtimeDone", 310, requestId="failed", status="error", errorType="Runtime.ExitError"),
    event("report", 312, requestId="failed", status="error", metrics={"durationMs": 12.0}),
]
EVENTS = [*INIT, *invocation("a", 100, spans=SPANS), *invocation("b", 200), *FAILS]
EVENTS += invocation("c", 400)[:1]  # and nothing ever after
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["success", "error", "timeout", "r", "init", "2261-12-31T23:59:59Z"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "start", "durationMs", "maxMemoryUsedMB", "value", "spanId"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
KEYS = ["requestId", "status", "errorType", "metrics", "spans", "tracing", "phase", "tenantId"]
RECORDS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8) | VALUES


def comparable(rows: Rows) -> dict[str, list[str]]:
    """Give rows without their order.

    A failure that two events report counts at the time of the one that came first.
    """
    errors = [row for row in rows.get("metrics_sum", []) if row["MetricName"] == "faas.errors"]
    for row in errors:
        row["Timestamp"] = row["Attributes"] = "as heard first"
    return {name: sorted(map(str, found)) for name, found in rows.items()}


def derived(batches: list[list[dict[str, object]]], *, managed: bool = False) -> Rows:
    """Map batches one after the other, then end the environment."""
    environment = Environment(managed=managed)
    for batch in batches:
        environment.store(batch)
    environment.close()
    return environment.rows


@examples(0.4)
@given(data=st.data())
def test_batches_and_order_do_not_matter(data: st.DataObject) -> None:
    """Lambda promises no order, and we seal batches for reasons of our own."""
    managed = data.draw(st.booleans())
    once = [e for e in EVENTS if not (managed and e["type"] == "platform.runtimeDone")]
    again = data.draw(st.lists(st.sampled_from(once), max_size=6))
    events = data.draw(st.permutations([*once, *again]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=5)))
    edges = zip([0, *cuts], [*cuts, len(events)], strict=True)
    batches = [events[begin:end] for begin, end in edges]
    in_order = derived([once], managed=managed)
    assert comparable(derived(batches, managed=managed)) == comparable(in_order)


@examples(0.15)
@given(batches=st.lists(st.lists(st.sampled_from(EVENTS), max_size=8), max_size=4))
def test_mapping_a_batch_again_gives_the_same_tables(batches: list[list[Any]]) -> None:
    """A batch that could not be stored is mapped again; file names follow from content."""
    environment = Environment()
    for batch in batches:
        before = environment.known
        kept = msgspec.json.encode(before)
        first, second = environment.mapped(batch), environment.mapped(batch)
        assert first == second
        assert msgspec.json.encode(before) == kept
        environment.store(batch)


@examples(0.15)
@given(events=st.lists(st.sampled_from(EVENTS), max_size=12), managed=st.booleans())
def test_what_is_known_can_be_written_down_and_read_again(
    *, events: list[Any], managed: bool
) -> None:
    """The state is a value, so it can be stored as bytes and outlive the process."""
    environment = Environment(managed=managed)
    environment.store(events)
    known = environment.known
    assert msgspec.json.decode(msgspec.json.encode(known), type=OpenActivities) == known


@examples(0.5)
@given(
    kinds=st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=6),
    records=st.lists(RECORDS, min_size=6, max_size=6),
    managed=st.booleans(),
)
def test_no_record_is_so_odd_that_it_raises(
    *, kinds: list[str], records: list[object], managed: bool
) -> None:
    """Any process in the sandbox can post anything; a batch must not fail for it."""
    pairs = zip(kinds, records, strict=False)
    events = [{"type": kind, "time": time_text(1), "record": record} for kind, record in pairs]
    environment = Environment(managed=managed)
    environment.store(events)
    environment.close("timeout")


def test_what_is_told_again_after_its_end_counts_no_more() -> None:
    """A redelivered body comes in a later batch."""
    environment = Environment()
    events = [*INIT, *invocation("a", 100)]
    for _ in range(3):
        environment.store(events)
    assert len(environment.rows["traces"]) == 2
    assert len(environment.rows["metrics_histogram"]) == 3


def test_derived_ids_are_the_same_in_every_mapping_and_differ_between_activities() -> None:
    """Random ids would make two spans of one; equal ids one of two."""
    first, second = derived([EVENTS])["traces"], derived([EVENTS])["traces"]
    assert [row["SpanId"] for row in first] == [row["SpanId"] for row in second]
    assert len({row["SpanId"] for row in first}) == len(first) == 7
    assert len({row["TraceId"] for row in first}) == 5  # parts are in the trace of their whole


def test_restores_of_one_snapshot_are_traces_of_their_own() -> None:
    """The instance id is the snapshot's; two environments may even wake up together."""
    ids = set()
    for stream in ("a", "b"):
        environment = Environment()
        environment.store([event("restoreStart", 1, instanceId=stream)])
        environment.close()
        ids |= {(row["TraceId"], row["SpanId"]) for row in environment.rows["traces"]}
    assert len(ids) == 2


def test_an_invocation_long_behind_newer_ones_is_not_waited_for() -> None:
    """Its report is lost, as `platform.logsDropped` of the platform shows."""
    environment = Environment()
    environment.store(invocation("lost", 0)[:2])
    for number in range(BEHIND):
        assert "lost" in {row["FaasInvocationId"] for row in open_rows(environment)}
        environment.store(invocation(f"r{number}", 10 * number))
    assert [row["FaasInvocationId"] for row in environment.rows["traces"]][-1] == "lost"
    assert environment.known.open == {}
    environment.store(invocation("lost", 0)[2:])
    assert environment.known.open == {}


def test_on_managed_instances_a_long_invocation_is_waited_for() -> None:
    """Thousands of short ones may pass beside it."""
    environment = Environment(managed=True)
    start, _, report = invocation("long", 0)
    environment.store([start])
    for number in range(BEHIND + 5):
        environment.store(invocation(f"r{number}", 10 * number))
    assert "long" not in {row["FaasInvocationId"] for row in environment.rows["traces"]}
    environment.store([report])
    assert environment.rows["traces"][-1]["FaasInvocationId"] == "long"


def test_what_is_known_is_bounded() -> None:
    """Any process in the sandbox can post starts without end."""
    environment = Environment(managed=True)
    for batch in range(3):
        environment.store([event("start", batch, requestId=f"{batch}-{n}") for n in range(900)])
    assert len(environment.known.open) == CAPACITY
    assert len(environment.known.past) == REMEMBERED
    assert len(environment.rows["traces"]) == 2700 - CAPACITY
    environment.store([event("start", 5, requestId="x" * 10_000)])
    assert len(environment.known.open) == CAPACITY


def test_closing_an_environment_in_which_nothing_is_open_gives_nothing() -> None:
    """The usual end: the last report came before it."""
    environment = Environment()
    environment.store(invocation("a", 100))
    before = dict(environment.rows)
    environment.close("timeout", at_ms=1_000)
    assert environment.rows == before
    assert environment.known.open == {}


def open_rows(environment: Environment) -> list[dict[str, Any]]:
    """Give what closing now would close."""
    left = environment.known.open.values()
    return [{"FaasInvocationId": activity.facts[0].request_id} for activity in left]


def test_a_time_that_cannot_be_read_is_that_of_the_delivery() -> None:
    """Never 1970."""
    environment = Environment()
    environment.store([{**event("start", 1, requestId="a"), "time": "soon"}])
    (activity,) = environment.known.open.values()
    assert activity.facts[0].time_us > BASE_US
