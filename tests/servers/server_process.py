"""A server of the tests in a process of its own: started on a port, and ended afterwards."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reserved_port import ReservedPort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

START_S = 60
TRIES = 5
IN_USE = re.compile(rb"address (already )?in use|port .* in use|EADDRINUSE", re.IGNORECASE)
"""The error text of a server whose port is taken."""


class PortInUseError(Exception):
    """The server ended because its port is another's."""


@contextmanager
def serving(
    command: Callable[[int], Sequence[str]],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[int]:
    """Run a server until the block ends; it listens when the block begins.

    A server whose port is taken anyway is started again on another, `TRIES` times at most.

    Args:
        command: gives its program and arguments for a port of this machine.
        log: file for its output, which is also in the error when it does not start.
        env: variables besides PATH and HOME.
        cwd: where it runs.

    Yields:
        the port.
    """
    variables = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    variables |= env or {}
    log.parent.mkdir(parents=True, exist_ok=True)
    port, process = _started(command, log, variables, cwd)
    try:
        yield port.number
    finally:
        _end(process)


def _started(
    command: Callable[[int], Sequence[str]],
    log: Path,
    env: Mapping[str, str],
    cwd: Path | None,
) -> tuple[ReservedPort, subprocess.Popen[bytes]]:
    """Start a server; return its port and its process."""
    for _ in range(TRIES):
        port = ReservedPort()
        with log.open("wb") as file:
            process = subprocess.Popen(
                command(port.number),
                env=env,
                cwd=cwd,
                stdout=file,
                stderr=file,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            _await(process, port.number, log)
        except PortInUseError:
            continue
        except BaseException:
            _end(process)
            raise
        return port, process
    raise AssertionError(f"{process.args!r}: {TRIES} ports were in use: {_end_of(log)}")


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until a server listens.

    No other program can: the kernel gives a reserved port to none.

    Raises:
        PortInUseError: it ended for want of its port.
    """
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    if process.poll() is not None and IN_USE.search(log.read_bytes()):
        raise PortInUseError
    _end(process)
    raise AssertionError(f"{process.args!r} does not listen: {_end_of(log)}")


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-2_000:]
