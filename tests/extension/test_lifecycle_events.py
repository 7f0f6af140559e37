"""Events of `/event/next`, and the facts that a session remembers of them."""

from __future__ import annotations

import pytest

from otlp2parquet_ext.extension.lifecycle.events import Shutdown, Unknown, parse_event
from otlp2parquet_ext.extension.lifecycle.session import REMEMBERED_IDS, Session
from otlp2parquet_ext.records.telemetry.values import Invoke

INVOKE = b"""{"eventType":"INVOKE","deadlineMs":1760000003000,"requestId":"r-1",
"invokedFunctionArn":"arn:aws:lambda:eu-west-1:012345678912:function:orders:live",
"tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1-68e7a3c0-1f2e3d4c5b6a79880123abcd"}}"""


def test_an_invoke_becomes_the_facts_later_telemetry_is_judged_by() -> None:
    """Every field of the example in the reference arrives."""
    assert parse_event(INVOKE, 17, first=True) == Invoke(
        request_id="r-1",
        received_us=17,
        deadline_ms=1_760_000_003_000,
        invoked_function_arn="arn:aws:lambda:eu-west-1:012345678912:function:orders:live",
        trace_header="Root=1-68e7a3c0-1f2e3d4c5b6a79880123abcd",
        first=True,
    )


def test_an_invoke_without_tracing_is_an_invoke() -> None:
    """Emulators send no tracing."""
    event = parse_event(b'{"eventType":"INVOKE","requestId":"r"}', 1, first=False)
    assert event == Invoke(request_id="r", received_us=1)


@pytest.mark.parametrize("reason", ["SPINDOWN", "spindown", "SandboxTerminated", "", "new one"])
def test_a_shutdown_is_a_shutdown_for_whatever_reason(reason: str) -> None:
    """The reason is spelled differently in documentation, production and emulators."""
    body = b'{"eventType":"SHUTDOWN","shutdownReason":"%s","deadlineMs":5}' % reason.encode()
    assert parse_event(body, 1, first=True) == Shutdown(reason.lower(), 5)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"eventType":"RESTORE"}',
        b'{"eventType":"INVOKE"}',
        b'{"deadlineMs":"x"}',
    ],
)
def test_anything_else_is_unknown_and_no_reason_to_stop(body: bytes) -> None:
    """AWS adds event types without notice."""
    assert isinstance(parse_event(body, 1, first=True), Unknown)


def invoke(number: int, at_ms: int) -> Invoke:
    """Make the INVOKE with this number."""
    return Invoke(request_id=f"r-{number}", received_us=at_ms * 1_000)


def test_an_invocation_is_done_before_it_is_reported() -> None:
    """`runtimeDone` follows the last line of an invocation.

    The report may come one invocation later.
    """
    session = Session()
    session.invoked(invoke(1, 0))
    assert not session.done("r-1")
    session.observe(done={"r-1"}, reported=())
    assert session.done("r-1")
    assert session.report_pending
    session.observe(done=(), reported={"r-1"})
    assert not session.report_pending


def test_nothing_is_owed_before_the_first_invocation() -> None:
    """After a SHUTDOWN straight after init no report can follow."""
    assert not Session().report_pending


def test_the_end_may_be_heard_before_the_beginning() -> None:
    """Telemetry and `next` use two connections. On a starved CPU they are read in any order."""
    session = Session()
    session.observe(done={"r-1"}, reported=())
    session.invoked(invoke(1, 0))
    assert session.done("r-1")


def test_the_typical_gap_is_a_median_so_one_pause_does_not_change_the_strategy() -> None:
    """Traffic with one pause is still frequent."""
    session = Session()
    assert session.typical_gap_ms is None
    for number, at_ms in enumerate([0, 100, 200, 60_000, 60_100, 60_200]):
        session.invoked(invoke(number, at_ms))
    assert session.typical_gap_ms == 100


def test_ends_of_other_invocations_do_not_displace_that_of_the_current_one() -> None:
    """A process that learned the path may post any number of ends.

    The hold would then last until the deadline.
    """
    session = Session()
    session.invoked(invoke(1, 0))
    session.observe(done={"r-1"}, reported={"r-1"})
    session.observe(
        done=[f"forged-{number}" for number in range(10_000)],
        reported=[f"forged-{number}" for number in range(10_000)],
    )
    assert session.done("r-1")
    assert not session.report_pending
    assert len(session._done) + len(session._reported) <= 2 * REMEMBERED_IDS


def test_a_retried_event_has_an_end_of_its_own() -> None:
    """Lambda retries under the same request id.

    The end of the first try is not the end of the second.
    """
    session = Session()
    session.invoked(invoke(1, 0))
    session.observe(done={"r-1"}, reported={"r-1"})
    session.invoked(invoke(1, 60_000))
    assert not session.done("r-1")
    assert session.report_pending


def test_forged_ends_do_not_stand_in_for_the_next_invocation() -> None:
    """Only Lambda knows the id of the next invocation before it begins."""
    session = Session()
    session.invoked(invoke(1, 0))
    session.observe(done={"r-1", "r-x"}, reported={"r-1", "r-x"})
    session.invoked(invoke(2, 100))
    assert not session.done("r-2")
    assert session.report_pending
