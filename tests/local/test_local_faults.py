"""Every fault switch has its effect, and the counts still add up."""

from __future__ import annotations

import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from local_bench import noted, plan_with_probe, platform, received, types

from otlp2parquet_ext.tools.local import Faults, Kill, KillPoint, Outcome, run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def broken(folder: Path, handler: str = "echo", *, faults: Faults, **options: Any) -> Outcome:
    """Run a plan with faults."""
    return run(plan_with_probe(folder, handler, faults=faults, **options))


def test_all_telemetry_can_come_after_shutdown(tmp_path: Path) -> None:
    """The worst case for an extension that closes its receiver first."""
    outcome = broken(
        tmp_path,
        faults=Faults(telemetry_after_shutdown_ms=100),
        invocations=3,
        probe={"LINGER_S": 0.5},
    )
    assert outcome.deliveries
    assert all(delivery.after_shutdown for delivery in outcome.deliveries)
    told_ms = noted(tmp_path, "events")[-1]["at_ms"]
    assert outcome.deliveries[0].sent_ms >= told_ms + 95
    assert types(received(tmp_path))["platform.report"] == 3
    assert outcome.undelivered == ()


def test_telemetry_too_late_for_the_extension_is_counted_as_undelivered(tmp_path: Path) -> None:
    """Events without a subscriber stay in the counts."""
    outcome = broken(
        tmp_path, faults=Faults(telemetry_after_shutdown_ms=500), probe={"LINGER_S": 0}
    )
    assert received(tmp_path) == []
    wanted = [event for event in outcome.events if event.topic() in ("platform", "function")]
    assert len(outcome.undelivered) == len(wanted)


def test_half_of_it_can_race_shutdown(tmp_path: Path) -> None:
    """Half is acknowledged just before SHUTDOWN, the other half is sent with it."""
    outcome = broken(
        tmp_path, faults=Faults(race_shutdown=True), invocations=3, probe={"LINGER_S": 0.3}
    )
    first, second = outcome.deliveries
    told_ms = noted(tmp_path, "events")[-1]["at_ms"]
    assert (first.after_shutdown, second.after_shutdown) == (False, True)
    assert second.sent_ms == pytest.approx(told_ms, abs=50)
    assert abs(first.records - second.records) <= 1
    assert len(outcome.acknowledged) == len(received(tmp_path)) == first.records + second.records


def test_everything_can_be_delivered_before_shutdown(tmp_path: Path) -> None:
    """As the emulator does it."""
    faults = Faults(flush_before_shutdown=True, emulator_reasons=True)
    outcome = broken(tmp_path, faults=faults)
    assert not any(delivery.after_shutdown for delivery in outcome.deliveries)
    assert types(received(tmp_path))["platform.report"] == 1
    assert noted(tmp_path, "events")[-1]["event"]["shutdownReason"] == "SandboxTerminated"


def test_deliveries_can_come_twice(tmp_path: Path) -> None:
    """As if the acknowledgement had been lost: the same body again."""
    outcome = broken(tmp_path, faults=Faults(redeliver_every=1), invocations=2)
    copies = [it for it in outcome.deliveries if it.redelivery]
    originals = [it for it in outcome.deliveries if not it.redelivery]
    assert [it.body for it in copies] == [it.body for it in originals]
    assert len(received(tmp_path)) == 2 * len(outcome.acknowledged)


def test_deliveries_can_come_many_times(tmp_path: Path) -> None:
    """As by a platform that believes an extension deaf."""
    outcome = broken(tmp_path, faults=Faults(redeliver_every=2, redeliver_times=3), invocations=2)
    copies = Counter(it.body for it in outcome.deliveries if it.redelivery)
    originals = [it for it in outcome.deliveries if not it.redelivery]
    assert copies
    assert copies == Counter({it.body: 3 for it in originals[1::2]})


def test_a_refused_delivery_is_sent_again(tmp_path: Path) -> None:
    """After any status except 2xx the same body is sent again."""
    outcome = broken(tmp_path, faults=Faults(), probe={"FAIL_FIRST": 2, "LINGER_S": 0.5})
    first, second, third, *_ = outcome.deliveries
    assert [(it.status, it.attempt) for it in (first, second, third)] == [
        (500, 1),
        (500, 2),
        (200, 3),
    ]
    assert first.body == second.body == third.body
    assert outcome.acknowledged == received(tmp_path)


@pytest.mark.parametrize(
    ("status", "error_type"),
    [
        (202, "Telemetry.NotSupported"),
        (400, "ValidationError"),
        (403, "Telemetry.SubscriptionClosed"),
    ],
)
def test_a_subscription_can_be_refused(tmp_path: Path, status: int, error_type: str) -> None:
    """Local emulators answer 202, and the function must not notice."""
    outcome = broken(tmp_path, faults=Faults(refuse_subscription=status))
    ((answered, text),) = noted(tmp_path, "subscription")
    assert answered == status
    assert error_type in text
    assert outcome.succeeded
    assert outcome.deliveries == ()


def test_an_accepted_subscription_can_stay_silent(tmp_path: Path) -> None:
    """200 and nothing ever: never wait for an event without a deadline."""
    outcome = broken(tmp_path, faults=Faults(silent_subscription=True))
    assert noted(tmp_path, "subscription")[0][0] == 200
    assert outcome.deliveries == ()
    assert outcome.undelivered


def test_a_slow_subscriber_loses_records_and_is_told_how_many(tmp_path: Path) -> None:
    """Kept, dropped and the notice add up to what the function wrote."""
    outcome = broken(
        tmp_path,
        "talk",
        faults=Faults(capacity_bytes=20_000, delivery_pause_ms=100),
        payloads=[{"lines": 2000}],
        probe={"TYPES": "function,platform", "LINGER_S": 1},
    )
    assert outcome.dropped_records > 0
    notices = [it["record"] for it in received(tmp_path) if it["type"] == "platform.logsDropped"]
    assert sum(notice["droppedRecords"] for notice in notices) == outcome.dropped_records
    assert sum(notice["droppedBytes"] for notice in notices) == outcome.dropped_bytes
    wanted = [event for event in outcome.events if event.topic() in ("platform", "function")]
    assert len(wanted) == len(received(tmp_path)) + outcome.dropped_records


def test_a_kill_between_invocations_costs_no_invocation(tmp_path: Path) -> None:
    """The environment is reset inside the next one, with new processes."""
    kill = Kill(point=KillPoint.BETWEEN, at=1)
    outcome = broken(tmp_path, faults=Faults(kill=kill), invocations=2)
    assert [it.status for it in outcome.invocations] == ["success", "success"]
    assert [(run.generation, run.exit_code) for run in outcome.extensions] == [(0, -9), (1, 0)]
    assert [record["phase"] for record in platform(outcome, "initStart")] == ["init", "invoke"]
    assert len(noted(tmp_path, "register")) == 2


@pytest.mark.parametrize("point", [KillPoint.INVOKE, KillPoint.RESPONSE])
def test_a_kill_during_an_invocation_fails_it(tmp_path: Path, point: KillPoint) -> None:
    """Before or after the function's answer: Extension.Crash, and the next one works."""
    outcome = broken(tmp_path, faults=Faults(kill=Kill(point=point, at=1)), invocations=2)
    first, second = outcome.invocations
    assert (first.status, first.error_type) == ("crash", "Extension.Crash")
    assert second.status == "success"
    done = platform(outcome, "runtimeDone")
    assert len(done) == (2 if point is KillPoint.RESPONSE else 1)


def test_a_kill_after_a_delivery_leaves_that_delivery_acknowledged(tmp_path: Path) -> None:
    """After its 200 the extension is responsible for the delivery."""
    kill = Kill(point=KillPoint.DELIVERY, at=1)
    outcome = broken(
        tmp_path, "sleep", faults=Faults(kill=kill), payloads=[{"seconds": 1}], invocations=2
    )
    assert outcome.extensions[0].exit_code == -9
    assert outcome.acknowledged == received(tmp_path)
    assert outcome.resets == 1


@pytest.mark.timing
def test_a_kill_during_shutdown_ends_the_run(tmp_path: Path) -> None:
    """SHUTDOWN was sent, and the process ends before the end of its answer."""
    kill = Kill(point=KillPoint.SHUTDOWN, at=50)
    outcome = broken(tmp_path, faults=Faults(kill=kill), probe={"LINGER_S": 1})
    assert noted(tmp_path, "events")[-1]["event"]["eventType"] == "SHUTDOWN"
    assert outcome.extensions[0].exit_code == -9
    assert outcome.shutdown_ms is not None
    assert outcome.shutdown_ms < 500


def test_a_kill_can_be_a_polite_one(tmp_path: Path) -> None:
    """SIGTERM comes during the freeze and acts after the thaw. The next invocation starts again."""
    kill = Kill(point=KillPoint.BETWEEN, at=1, number=signal.SIGTERM)
    outcome = broken(tmp_path, faults=Faults(kill=kill), invocations=2)
    first, second = outcome.extensions
    assert (first.exit_code, first.killed) == (-signal.SIGTERM, False)
    assert (second.generation, second.exit_code) == (1, 0)
    assert outcome.succeeded


def test_extensions_can_be_killed_at_any_time(tmp_path: Path) -> None:
    """A time for each generation, counted from its start; those after them live."""
    outcome = broken(
        tmp_path,
        "sleep",
        faults=Faults(kill_after_ms=(600, 500)),
        payloads=[{"seconds": 0.1}],
        invocations=12,
    )
    assert [run.exit_code for run in outcome.extensions] == [-9, -9, 0]
    assert [run.killed for run in outcome.extensions] == [True, True, False]
    assert outcome.invocations[-1].status == "success"


def test_next_can_break_for_good(tmp_path: Path) -> None:
    """500 means that the environment is broken; the next generation's is whole again."""
    outcome = broken(tmp_path, faults=Faults(broken_next_from=2), invocations=2)
    first, second = outcome.invocations
    assert (first.status, second.status) == ("crash", "success")
    assert [run.generation for run in outcome.extensions] == [0, 1]


def test_next_can_be_late_or_never(tmp_path: Path) -> None:
    """If it is late, the function ends first.

    If it never comes, the extension gets only SHUTDOWN.
    """
    late, never = tmp_path / "late", tmp_path / "never"
    outcome = broken(late, faults=Faults(slow_next_ms=150))
    assert outcome.invocations[0].duration_ms >= 0
    assert types(received(late))["platform.report"] == 1
    outcome = broken(never, faults=Faults(never_next=True), invocations=2)
    assert [event["event"]["eventType"] for event in noted(never, "events")] == ["SHUTDOWN"]
    assert outcome.succeeded


def test_runtime_done_can_be_missing(tmp_path: Path) -> None:
    """It is not guaranteed on Lambda either."""
    outcome = broken(tmp_path, faults=Faults(no_runtime_done=True))
    assert platform(outcome, "runtimeDone") == []
    assert outcome.succeeded
