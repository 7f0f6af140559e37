"""The wall clock is set while something is tried again: the time it has stays the same."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from scripted_http import answer, running
from wall_clock import Wall

from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.lake.http.aws import AwsClient
from otlp2parquet_ext.lake.http.client import Client
from otlp2parquet_ext.lake.http.credentials import Credentials
from otlp2parquet_ext.lake.iceberg.catalogs.bearer import BearerClient, FixedToken
from otlp2parquet_ext.lake.iceberg.commit.append import LeanTable
from otlp2parquet_ext.lake.iceberg.model.errors import ConflictError
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.records.tables.logs import COLUMNS

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from scripted_http import Server

    from otlp2parquet_ext.lake.iceberg.commit.catalog import Version

HOUR_S = 3_600.0


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    """A clock that is right until it is set."""
    return Wall(monkeypatch)


class Keys:
    """Credentials."""

    def current(self, deadline_ms: int) -> Credentials:
        """Return them."""
        assert deadline_ms
        return Credentials("key", "secret", None)

    def refused(self) -> bool:
        """Return that there are no others."""
        return False


def busy_once(wall: Wall, ahead_s: float) -> Callable[[Server, socket.socket], None]:
    """Set the clock with the first answer, a 503; answer the next request."""

    def play(server: Server, wire: socket.socket) -> None:
        while server.receive(wire):
            first = len(server.requests) == 1
            if first:
                wall.ahead_s = ahead_s
            wire.sendall(answer(b"", 503) if first else answer(b"{}"))

    return play


@pytest.mark.parametrize("kind", ["aws", "bearer"])
@pytest.mark.parametrize("ahead_s", [HOUR_S, -HOUR_S])
def test_a_request_is_sent_again_though_the_clock_was_set(
    kind: str, ahead_s: float, wall: Wall
) -> None:
    """An hour ahead would make the second attempt too late, by the clock; it is not."""
    with running(busy_once(wall, ahead_s)) as server:
        sender = (
            AwsClient(Client(), Keys(), region="eu-west-1", service="glue")
            if kind == "aws"
            else BearerClient(Client(), FixedToken("token"))
        )
        deadline_ms = round(time.time() * 1_000) + 20_000
        found = sender.request("GET", server.url, deadline_ms=deadline_ms)
        assert (found.status, len(server.requests)) == (200, 2)


class Asked(Exception):  # noqa: N818 - a sign
    """The catalog got one more request."""


class Contended:
    """A catalog that sets the clock, and returns the deadline of the next request."""

    def __init__(self, wall: Wall) -> None:
        self._wall = wall
        self.left_s: list[float] = []

    def load(self, deadline_ms: int, *, fresh: bool = False) -> Version | None:
        """See `Catalog.load`."""
        del fresh
        self.left_s.append(deadline_ms / 1_000 - time.time())
        raise Asked


def test_a_commit_gives_each_attempt_what_is_left_of_its_time(
    wall: Wall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lost against another writer, then the clock is set: the next attempt has the same end."""
    catalog = Contended(wall)
    table = LeanTable(
        catalog,  # type: ignore[arg-type] # nothing else of it is used
        LocalStorage(tmp_path),
        COLUMNS,
        location=str(tmp_path),
        label="otel.logs",
    )
    really = LeanTable._attempt
    attempts = 0

    def contended(self: LeanTable, commit: object) -> bool:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            wall.ahead_s = HOUR_S
            return False
        return really(self, commit)  # type: ignore[arg-type]

    monkeypatch.setattr(LeanTable, "_attempt", contended)
    with pytest.raises(Asked):
        table.commit([], round(time.time() * 1_000) + 20_000)
    (left_s,) = catalog.left_s
    assert 0 < left_s <= 20.5


def test_a_clock_that_is_set_back_prolongs_nothing(
    wall: Wall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against other writers a commit is tried again until its deadline, not an hour longer."""
    table = LeanTable(
        Contended(wall),  # type: ignore[arg-type] # it is never asked
        LocalStorage(tmp_path),
        COLUMNS,
        location=str(tmp_path),
        label="otel.logs",
    )
    attempts = 0

    def contended(self: LeanTable, commit: object) -> bool:
        nonlocal attempts
        assert self is table
        assert commit
        attempts += 1
        assert attempts < 1_000
        wall.ahead_s = -HOUR_S
        return False

    monkeypatch.setattr(LeanTable, "_attempt", contended)
    with pytest.raises(ConflictError):
        table.commit([], round(time.time() * 1_000) + 100)


def test_a_deadline_is_named_by_the_clock_as_it_is(wall: Wall) -> None:
    """Calls that take Unix ms compare with the clock that was set."""
    deadline = SteadyDeadline(time.time() * 1_000 + 5_000)
    for wall.ahead_s in (HOUR_S, -HOUR_S):
        assert deadline.left_ms() <= 5_000
        assert abs(deadline.unix_ms() - time.time() * 1_000 - deadline.left_ms()) < 1_000
