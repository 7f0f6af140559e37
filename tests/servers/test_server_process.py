"""Ports of test servers: reserved for one server, and replaced if they are taken."""

from __future__ import annotations

import http.client
import socket
import sys
from typing import TYPE_CHECKING

import pytest
from reserved_port import ReservedPort
from server_process import TRIES, serving

if TYPE_CHECKING:
    from pathlib import Path


def server_on(port: int) -> list[str]:
    """Return a server's command."""
    return [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]


def test_a_reserved_port_is_given_to_nobody_else() -> None:
    """This holds for any number of requests for a free port."""
    ports = [ReservedPort() for _ in range(500)]
    assert len({port.number for port in ports}) == 500
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", ports[0].number))


def test_a_program_listens_on_a_reserved_port_and_again_after_its_end() -> None:
    """The reservation does not listen, so the program is the one that answers."""
    port = ReservedPort()
    for _ in range(2):
        with socket.create_server(("127.0.0.1", port.number)) as listener:
            client = socket.create_connection(("127.0.0.1", port.number))
            accepted, _ = listener.accept()
            accepted.close()
            client.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port.number))


def test_a_port_is_given_back_with_its_object() -> None:
    """A suite of thousands of tests would use them up."""
    port = ReservedPort()
    number = port.number
    del port
    with socket.socket() as other:
        other.bind(("127.0.0.1", number))


def test_a_server_whose_port_is_taken_gets_another(tmp_path: Path) -> None:
    """A program asked for this very number, which a reservation cannot prevent."""
    asked: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:

        def command(port: int) -> list[str]:
            asked.append(port)
            return server_on(taken.getsockname()[1] if len(asked) < 3 else port)

        with serving(command, tmp_path / "log", cwd=tmp_path) as port:
            assert port == asked[-1]
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/")
            assert connection.getresponse().status == 200
            connection.close()
    assert len(asked) == len(set(asked)) == 3


def test_a_server_that_finds_every_port_taken_is_named_with_what_it_said(tmp_path: Path) -> None:
    """Five tries are enough, because one nearly always is."""
    asked: list[int] = []

    def command(port: int) -> list[str]:
        asked.append(port)
        return [sys.executable, "-c", "raise SystemExit('[Errno 98] Address already in use')"]

    with (
        pytest.raises(AssertionError, match=r"5 ports were in use: \[Errno 98\]"),
        serving(command, tmp_path / "log"),
    ):
        pass
    assert len(asked) == TRIES


def test_a_server_that_ends_for_another_reason_is_not_started_again(tmp_path: Path) -> None:
    """It would end again."""
    command = [sys.executable, "-c", "raise SystemExit('no configuration')"]
    with (
        pytest.raises(AssertionError, match="does not listen: no configuration"),
        serving(lambda _: command, tmp_path / "log"),
    ):
        pass
