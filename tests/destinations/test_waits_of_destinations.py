"""The wall clock is set during a wait for a destination, and the wait does not change."""

from __future__ import annotations

import threading
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from telemetry_sinks import Collector, Reply, running
from wall_clock import Wall

from otlp2parquet_ext.common.hold_limits import steady_ms
from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.functions.ingest import store as ingest_store
from otlp2parquet_ext.functions.ingest.store import COMMIT_LIMIT_MS, Store
from otlp2parquet_ext.lake.checking.runner import FAILED, OK, SKIPPED, Trial, tried
from otlp2parquet_ext.lake.destinations import forwarder
from otlp2parquet_ext.lake.destinations.choose import choose
from otlp2parquet_ext.lake.destinations.destination import (
    Batch,
    BusyError,
    Destination,
    DestinationError,
    Receipt,
    Source,
)
from otlp2parquet_ext.lake.destinations.verdicts import Verdict, read_otlp
from otlp2parquet_ext.lake.http.response import Response
from otlp2parquet_ext.records.telemetry.values import EnvironmentContext

if TYPE_CHECKING:
    from collections.abc import Iterator

JUMPS_S = [600.0, -600.0, -5.0]
"""Minutes ahead, minutes behind, seconds behind."""


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    """A clock that is right until it is set."""
    return Wall(monkeypatch)


class Steady:
    """The monotonic clock, as far as a room reads it, which a test moves on."""

    def __init__(self, patch: pytest.MonkeyPatch, room: object) -> None:
        self.ms = 1_000
        patch.setattr(room, "steady_ms", lambda: self.ms)


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A strict receiver."""
    with running(Collector()) as server:
        assert isinstance(server, Collector)
        yield server


def a_request(name: str, *texts: str) -> Batch:
    """Return a batch of OTLP requests, a line each."""
    payloads = []
    for text in texts or ("x",):
        request = ExportLogsServiceRequest()
        records = request.resource_logs.add().scope_logs.add().log_records
        records.add().body.string_value = text
        payloads.append((request.SerializeToString(), 1))
    source = Source(EnvironmentContext(instance_id="i-1"), (), {"logs": payloads})
    return Batch(name.rjust(32, "0"), {}, source, mapped=lambda: iter(()))


def sender(url: str) -> Destination:
    """Return what forwards to a collector."""
    environ = {"OTLP2PARQUET_DESTINATION": f"otlp+{url}", "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}
    return choose(load(environ)[0], environ)


@pytest.mark.parametrize("ahead_s", JUMPS_S)
def test_a_server_is_left_alone_for_as_long_as_it_asked(
    ahead_s: float, collector: Collector, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute is a minute, however the clock is set after the answer."""
    steady = Steady(monkeypatch, forwarder)
    destination = sender(collector.url)
    collector.replies.append(Reply(503, headers={"Retry-After": "60"}))
    with pytest.raises(DestinationError, match="HTTP 503"):
        destination.store(a_request("a"))
    wall.ahead_s = ahead_s
    steady.ms += 59_000
    with pytest.raises(DestinationError, match="asked for a pause of 1000 ms more"):
        destination.store(a_request("a"))
    steady.ms += 1_000
    destination.store(a_request("a"))
    assert len(collector.taken) == 1


@pytest.mark.parametrize("ahead_s", JUMPS_S)
def test_a_date_to_wait_for_is_by_the_clock_of_its_server(ahead_s: float, wall: Wall) -> None:
    """Both dates of an answer are the server's: ours may be wrong by minutes."""
    wall.ahead_s = ahead_s
    sent_s = round(time.time() - ahead_s)
    headers = {"date": formatdate(sent_s, usegmt=True)}
    headers["retry-after"] = formatdate(sent_s + 60, usegmt=True)
    found = read_otlp(Response(503, headers, b""), round(time.time() * 1_000))
    assert (found.verdict, found.wait_ms) == (Verdict.LATER, 60_000)


@pytest.mark.parametrize("ahead_s", JUMPS_S)
def test_a_batch_is_sent_to_its_end_though_the_clock_was_set(
    ahead_s: float, collector: Collector, wall: Wall
) -> None:
    """The first request sets the clock, and the second one still has its ten seconds."""

    def set_clock(body: bytes) -> None:
        assert body
        wall.ahead_s = ahead_s

    collector.refuses = set_clock
    sender(collector.url).store(a_request("a", "one", "two"))
    assert len(collector.taken) == 2


def test_a_late_answer_to_an_abandoned_try_moves_no_other_batch(collector: Collector) -> None:
    """The thread of an abandoned try may still run while another batch is sent.

    Its piece must not count as one of that batch, whose own piece would never be sent then.
    """
    destination, late = sender(collector.url), threading.Event()

    def refuses(body: bytes) -> Reply | None:
        if b"stuck" in body:
            late.wait(20)
        if b"second" in body and not late.is_set():
            late.set()
            stuck.join(20)
            return Reply(503)
        return Reply(503) if b"never" in body else None

    def abandoned() -> None:
        with pytest.raises(DestinationError, match="503"):
            destination.store(a_request("a", "stuck", "never"))

    collector.refuses = refuses
    stuck = threading.Thread(target=abandoned)
    stuck.start()
    while not collector.requests:
        time.sleep(0.005)  # the time limit of a test bounds it
    batch = a_request("b", "first", "second")
    with pytest.raises(DestinationError, match="503"):
        destination.store(batch)
    destination.store(batch)
    bodies = [record.body.string_value for record in collector.log_records]
    assert sorted(bodies) == ["first", "second", "stuck"]


class Busy:
    """A destination in which others commit all the time; each request sets the clock."""

    def __init__(self, wall: Wall, ahead_s: float) -> None:
        self._wall = wall
        self._ahead_s = ahead_s
        self.left_ms: list[float] = []

    def store(self, batch: Batch, *, commit_follows: bool = False) -> Receipt:
        """Take a batch; it is safe with its commit only."""
        del batch
        self._wall.ahead_s = self._ahead_s
        return Receipt(1, 1, safe=not commit_follows)

    def commit(self, deadline_ms: int) -> int:
        """Lose."""
        self.left_ms.append(deadline_ms - time.time() * 1_000)
        raise BusyError("others")

    def describe(self) -> None:
        """Leave a descriptor."""


@pytest.mark.parametrize("ahead_s", JUMPS_S)
def test_an_ingest_function_leaves_commits_alone_for_as_long_as_it_should(
    ahead_s: float, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit gets its five seconds, and the next one is not tried before two have passed."""
    steady, busy = Steady(monkeypatch, ingest_store), Busy(wall, ahead_s)
    environ = {"OTLP2PARQUET_DESTINATION": "file:///nowhere"}
    store = Store(load(environ)[0], environ)
    store._destination = busy  # type: ignore[assignment] # nothing else of it is used

    def keep() -> None:
        store.keep(Batch("a" * 32, {}), round(time.time() * 1_000) + 20_000)

    keep()
    assert len(busy.left_ms) == 1
    assert 0 < busy.left_ms[0] <= COMMIT_LIMIT_MS
    steady.ms += 999
    keep()
    assert len(busy.left_ms) == 1
    steady.ms += 1_001
    keep()
    assert len(busy.left_ms) == 2


@pytest.mark.parametrize("ahead_s", JUMPS_S)
def test_a_check_goes_on_though_the_clock_was_set(ahead_s: float, wall: Wall) -> None:
    """All of its trials have two minutes, although the first one sets the clock."""

    def set_clock() -> str:
        wall.ahead_s = ahead_s
        return "fine"

    until_ms = steady_ms() + 60_000
    found = tried([Trial("one", set_clock), Trial("two", lambda: "fine")], {}, until_ms)
    assert [one.state for one in found] == [OK, OK]
    (late,) = tried([Trial("one", lambda: "fine")], {}, steady_ms())
    assert late.state == SKIPPED


@pytest.mark.parametrize("ahead_s", JUMPS_S)
def test_a_trial_that_failed_is_no_frozen_one_because_the_clock_was_set(
    ahead_s: float, wall: Wall
) -> None:
    """A trial that was frozen is tried again; one during which the clock was set is not."""
    tries = 0

    def broken() -> str:
        nonlocal tries
        tries += 1
        wall.ahead_s = ahead_s
        raise ValueError("broken")

    (found,) = tried([Trial("one", broken)], {}, steady_ms() + 60_000)
    assert (found.state, tries) == (FAILED, 1)
