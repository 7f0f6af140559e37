"""Which invocation a line belongs to: windows fed by INVOKE, confirmed by `platform.start`."""

from __future__ import annotations

import json
from typing import Any

from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.mapping.trace import NO_TRACE, Trace
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext, Invoke

BASE_US = 1_773_480_413_000_000  # 2026-03-14T09:26:53Z
CONTEXT = EnvironmentContext(instance_id="i-1", function_name="orders", function_version="17")
ROOT = "1-69b52bcd-0f1e2d3c4b5a69788796a5b4"
TRACE_ID = "69b52bcd0f1e2d3c4b5a69788796a5b4"
ARN = "arn:aws:lambda:eu-west-1:012345678912:function:orders:live"


def ms(number: int) -> int:
    """Give Unix microseconds, so many milliseconds after the base."""
    return BASE_US + number * 1000


def event(kind: str, number: int, record: object) -> dict[str, object]:
    """Make an event, so many milliseconds (< 1000) after the base."""
    return {"time": f"2026-03-14T09:26:53.{number:03}Z", "type": kind, "record": record}


def start(request_id: str, number: int, **more: object) -> dict[str, object]:
    """Make a `platform.start`."""
    return event("platform.start", number, {"requestId": request_id, "version": "17", **more})


def line(number: int, text: str = "m") -> dict[str, object]:
    """Make a printed line."""
    return event("function", number, text)


def tracing(span: str = "4f1e2d3c4b5a6978", root: str = ROOT) -> dict[str, str]:
    """Make a `tracing` object."""
    return {"spanId": span, "type": "X-Amzn-Trace-Id", "value": f"Root={root};Sampled=1"}


def invoke(request_id: str, number: int, **more: Any) -> Invoke:
    """Make an INVOKE that came so many milliseconds after the base."""
    return Invoke(request_id=request_id, received_us=ms(number), **more)


def rows(
    *deliveries: list[dict[str, object]],
    invocations: Invocations | None = None,
    context: EnvironmentContext = CONTEXT,
) -> list[dict[str, Any]]:
    """Map deliveries and give the rows."""
    bodies = [Delivery(json.dumps(events).encode(), ms(5000)) for events in deliveries]
    known = Invocations() if invocations is None else invocations
    made: list[dict[str, Any]] = log_table(bodies, context, known).table.to_pylist()
    return made


def ids(*deliveries: list[dict[str, object]], **more: Any) -> list[str | None]:
    """Map deliveries and give the request ids."""
    return [row["FaasInvocationId"] for row in rows(*deliveries, **more)]


def test_a_line_belongs_to_the_window_it_happened_in() -> None:
    """The time of its delivery, and events in between, do not matter."""
    events = [line(50), start("a", 100), line(150), start("b", 200), line(250), line(160)]
    assert ids(events) == [None, "a", "a", "b", "b", "a"]


def test_a_start_may_come_after_lines_of_its_own_invocation() -> None:
    """Neither the order in a batch nor that of deliveries is causal."""
    assert ids([line(150), start("a", 100)]) == ["a", "a"]
    assert ids([line(150)], [start("a", 100)]) == ["a", "a"]


def test_a_window_stays_open_after_runtime_done_and_report() -> None:
    """Background work and late lines still belong to the invocation."""
    done = event("platform.runtimeDone", 200, {"requestId": "a", "status": "success"})
    report = event("platform.report", 201, {"requestId": "a"})
    assert ids([start("a", 100), done, report, line(300)]) == ["a"] * 4


def test_in_an_equal_millisecond_the_order_of_the_array_decides() -> None:
    """The clock cannot tell, the array can."""
    events = [start("a", 100), line(200), start("b", 200), line(200)]
    assert ids(events) == ["a", "a", "b", "b"]


def test_windows_last_from_batch_to_batch() -> None:
    """A line in a later batch still belongs to its own window."""
    known = Invocations()
    assert ids([start("a", 100), start("b", 200)], invocations=known) == ["a", "b"]
    assert ids([line(150), line(250)], invocations=known) == ["a", "b"]


def test_platform_events_without_a_request_never_get_one() -> None:
    """They are about the environment, though they happen during an invocation."""
    kinds = ["initStart", "initReport", "extension", "logsDropped", "restoreReport", "news"]
    events = [event(f"platform.{kind}", 150, {"phase": "invoke"}) for kind in kinds]
    own = [event("otlp2parquet_ext.dropped", 150, {"records": 3})]
    assert ids([start("a", 100), *events, *own]) == ["a"] + [None] * 7


def test_an_id_in_the_record_wins_over_the_window() -> None:
    """The function's own id is more reliable."""
    record = {"message": "m", "requestId": "a"}
    assert ids([start("a", 100), start("b", 200), event("function", 250, record)])[2] == "a"


def test_the_first_known_spelling_of_the_request_is_taken_and_the_others_stay() -> None:
    """AWS alone has three spellings."""
    record = {"message": "m", "aws_request_id": "z", "function_request_id": "y", "AWSRequestId": ""}
    (row,) = rows([event("function", 100, record)])
    assert row["FaasInvocationId"] == "y"
    assert json.loads(row["LogAttributes"]) == {
        "type": "function",
        "faas.invocation_id": "y",
        "aws_request_id": "z",
        "AWSRequestId": "",
    }


def test_managed_instances_have_no_windows() -> None:
    """Invocations overlap, so only an id in the record identifies one."""
    managed = EnvironmentContext(instance_id="i", managed=True)
    record = {"message": "m", "requestId": "a"}
    events = [start("a", 100, tracing=tracing()), line(150), event("function", 160, record)]
    found = rows(events, context=managed)
    assert [row["FaasInvocationId"] for row in found] == ["a", None, "a"]
    assert [row["TraceId"] for row in found] == [TRACE_ID, None, TRACE_ID]


def test_an_invoke_opens_a_window_without_any_start() -> None:
    """A subscription without `platform` events still gets invocations."""
    known = Invocations()
    known.invoked(invoke("a", 100))
    assert ids([line(99), line(100), line(300)], invocations=known) == [None, "a", "a"]


def test_a_start_moves_the_opening_of_an_invoke_earlier_never_later() -> None:
    """We hear of an INVOKE a little after it began."""
    known = Invocations()
    known.invoked(invoke("a", 100))
    known.invoked(invoke("b", 200))
    assert ids([start("b", 190), start("a", 110), line(195), line(105)], invocations=known) == [
        "b",
        "a",
        "b",
        "a",
    ]


def test_a_start_nobody_invoked_opens_no_window() -> None:
    """Any process in the sandbox can post a `platform.start`; only Lambda sends INVOKE."""
    known = Invocations()
    known.invoked(invoke("a", 100))
    assert ids([start("forged", 150), line(160)], invocations=known) == ["forged", "a"]


def test_a_start_cannot_reach_back_into_an_earlier_invocation() -> None:
    """A forged time may not steal the lines of others."""
    known = Invocations()
    known.invoked(invoke("a", 100))
    known.invoked(invoke("b", 200))
    assert ids([start("b", 50), line(150), line(250)], invocations=known) == ["b", "a", "b"]


def test_a_start_that_is_heard_before_its_invoke_still_counts() -> None:
    """The segment with the start may be flushed before the one with the INVOKE."""
    known = Invocations()
    known.invoked(invoke("a", 100))
    rows([start("b", 190, tracing=tracing())], invocations=known)
    known.invoked(invoke("b", 200))
    (found,) = rows([line(195)], invocations=known)
    assert (found["FaasInvocationId"], found["TraceId"]) == ("b", TRACE_ID)


def test_hearing_of_an_invoke_twice_is_no_news() -> None:
    """Segments left by an earlier process are replayed."""
    known = Invocations()
    for _ in range(2):
        known.invoked(invoke("a", 100))
        known.started("a", ms(90))
        known.invoked(invoke("b", 200))
    assert [known.at(ms(t)) for t in (89, 90, 199)] == [None, known.by_id("a"), known.by_id("a")]
    assert known.at(ms(200)) == known.by_id("b")


def test_invokes_may_be_heard_in_any_order() -> None:
    """Replay feeds old facts after new ones."""
    known = Invocations()
    for request_id, number in (("c", 300), ("a", 100), ("b", 200)):
        known.invoked(invoke(request_id, number))
    found = [known.at(ms(number)) for number in (100, 250, 350)]
    assert [window.request_id for window in found if window] == ["a", "b", "c"]


def test_a_retried_event_comes_again_under_its_old_id() -> None:
    """Lambda retries asynchronous invocations with the same request id."""
    known = Invocations()
    for request_id, number in (("a", 100), ("b", 200), ("a", 300)):
        known.invoked(invoke(request_id, number))
    events = [start("a", 90), start("b", 190), start("a", 290), line(95), line(195), line(295)]
    assert ids(events, invocations=known)[3:] == ["a", "b", "a"]


def test_an_invoke_adopts_the_window_its_start_opened() -> None:
    """Starts are used until the first INVOKE is known."""
    known = Invocations()
    known.started("a", ms(90), Trace(TRACE_ID, "4f1e2d3c4b5a6978", 1))
    known.invoked(invoke("a", 100, invoked_function_arn=ARN))
    found = known.at(ms(95))
    assert found is not None
    assert found == known.by_id("a")
    assert found.opened_us == ms(90)
    assert found.invoke is not None
    assert found.trace == Trace(TRACE_ID, "4f1e2d3c4b5a6978", 1)


def test_old_windows_are_forgotten() -> None:
    """An environment lives for hours; what is remembered is bounded."""
    known = Invocations(capacity=3)
    for number in range(10):
        known.invoked(invoke(f"r{number}", number))
        known.started(f"forged{number}", ms(number))
    assert known.at(ms(6)) is None
    assert known.by_id("r6") is None
    assert known.by_id("r7") is not None
    managed = Invocations(capacity=3)
    for number in range(10):
        managed.started(f"r{number}", ms(number), opens_window=False)
    assert managed.by_id("r6") is None
    assert managed.by_id("r9") is not None


def test_lines_inherit_the_trace_of_their_invocation() -> None:
    """None of the published extensions puts trace ids on log rows."""
    found = rows([start("a", 100, tracing=tracing()), line(150)])[1]
    assert (found["TraceId"], found["SpanId"], found["TraceFlags"]) == (
        TRACE_ID,
        "4f1e2d3c4b5a6978",
        1,
    )


def test_without_a_start_the_trace_is_that_of_the_invoke() -> None:
    """Its span is the header's Parent."""
    known = Invocations()
    known.invoked(invoke("a", 100, trace_header=f"Root={ROOT};Parent=1122334455667788;Sampled=0"))
    (found,) = rows([line(150)], invocations=known)
    assert (found["TraceId"], found["SpanId"], found["TraceFlags"]) == (
        TRACE_ID,
        "1122334455667788",
        0,
    )


def test_a_start_of_another_trace_does_not_displace_that_of_the_invoke() -> None:
    """INVOKE is authoritative; a start only adds the span."""
    known = Invocations()
    known.invoked(invoke("a", 100, trace_header=f"Root={ROOT};Parent=1122334455667788;Sampled=1"))
    other = start("a", 99, tracing=tracing(root="1-11111111-111111111111111111111111"))
    assert rows([other, line(150)], invocations=known)[1]["TraceId"] == TRACE_ID
    same = start("a", 99, tracing=tracing())
    assert rows([same, line(150)], invocations=known)[1]["SpanId"] == "4f1e2d3c4b5a6978"


def test_a_line_of_the_same_trace_keeps_the_span_of_its_invocation() -> None:
    """Loggers write the X-Ray trace id and no span."""
    record = {"message": "m", "xray_trace_id": ROOT}
    found = rows([start("a", 100, tracing=tracing()), event("function", 150, record)])[1]
    assert (found["SpanId"], found["TraceFlags"]) == ("4f1e2d3c4b5a6978", 1)
    assert "xray_trace_id" not in found["LogAttributes"]


def test_a_line_of_another_trace_does_not_borrow_a_span() -> None:
    """A span id means nothing outside its own trace."""
    record = {"message": "m", "trace_id": "1" * 32}
    found = rows([start("a", 100, tracing=tracing()), event("function", 150, record)])[1]
    assert (found["TraceId"], found["SpanId"], found["TraceFlags"]) == ("1" * 32, None, 0)


def test_events_of_an_invocation_tell_how_it_was_invoked() -> None:
    """The alias is a fact of the invocation, not of the environment."""
    known = Invocations()
    known.invoked(invoke("a", 100, invoked_function_arn=ARN, first=True))
    report = event("platform.report", 200, {"requestId": "a", "status": "success"})
    found = rows([start("a", 99), line(150), report], invocations=known)
    texts = [json.loads(row["LogAttributes"]) for row in found]
    assert [text.get("aws.lambda.invoked_arn") for text in texts] == [ARN, None, ARN]
    assert [text.get("faas.coldstart") for text in texts] == [None, None, True]
    resource = json.loads(found[0]["ResourceAttributes"])
    assert resource["cloud.resource_id"] == ARN.replace("live", "17")


def test_a_warm_invocation_is_no_cold_start() -> None:
    """Absent, not false: `faas.coldstart` is on the report of the first invocation only."""
    known = Invocations()
    known.invoked(invoke("a", 100))
    (found,) = rows([event("platform.report", 200, {"requestId": "a"})], invocations=known)
    assert "faas.coldstart" not in found["LogAttributes"]


def test_an_end_without_version_borrows_the_last_one_seen() -> None:
    """`platform.runtimeDone` carries no version; its text wants one."""
    anonymous = EnvironmentContext(instance_id="i")
    done = event("platform.runtimeDone", 200, {"requestId": "a", "status": "success"})
    assert rows([done], context=anonymous)[0]["Body"] is None
    known = Invocations()
    init = event("platform.initStart", 10, {"functionVersion": "9"})
    assert rows([init, done], context=anonymous, invocations=known)[1]["Body"] == (
        "END RequestId: a Version: 9"
    )
    assert rows([done], context=anonymous, invocations=known)[0]["Body"] == (
        "END RequestId: a Version: 9"
    )


def test_the_log_stream_is_known_from_the_initialisation_on() -> None:
    """Only it gives `faas.instance`; a UUID in its place does not."""
    known = Invocations()
    stream = "2026/03/14/[17]5f0c8e1f2a3b4c5d9e8f7a6b5c4d3e2f"
    events = [
        event("platform.initStart", 10, {"instanceId": stream}),
        event("platform.restoreStart", 20, {"instanceId": "0d0e6c7a-61c7-4a53-8a0d-4b7d6c1f9aa2"}),
    ]
    for delivery in (events, [line(30)]):
        found = rows(delivery, invocations=known)[-1]
        assert json.loads(found["ResourceAttributes"])["faas.instance"] == stream


def test_a_trace_without_root_is_no_trace() -> None:
    """Parent and Sampled mean nothing alone."""
    known = Invocations()
    known.invoked(invoke("a", 100, trace_header="Parent=1122334455667788;Sampled=1"))
    found = known.by_id("a")
    assert found is not None
    assert found.trace == NO_TRACE
