"""Starts, reads and ends one process: the function's runtime, or an extension.

    start() ──▶ Program: pipes are read as bytes arrive; `pump()` reads them *now* exit ──▶ the last
    bytes are read, then `on_exit` is called once

Each process leads its own group, so that its children can be stopped and killed with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeAlias

    from otlp2parquet_ext.tools.local.isolation import Isolation

    Sink: TypeAlias = Callable[[bytes], None]

_CHUNK_BYTES = 65_536
# Most chunks that one turn of the loop reads from a pipe, because APIs must be answered, too.
_CHUNKS_PER_TURN = 16
FRAMES_VARIABLE = "_LAMBDA_TELEMETRY_LOG_FD"


@dataclass(frozen=True)
class Usage:
    """Usage of a process from /proc: current and highest resident bytes, CPU milliseconds."""

    rss_bytes: int
    peak_rss_bytes: int
    cpu_ms: float


class Pipe:
    """The reading end of a pipe; passes bytes to `sink` as they arrive, and b"" at the end."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        asyncio.get_running_loop().add_reader(self._reader, self.pump)

    def pump(self) -> None:
        """Read the available bytes; close at the end of the stream."""
        for _ in range(_CHUNKS_PER_TURN):
            if self._reader < 0:
                return
            try:
                data = os.read(self._reader, _CHUNK_BYTES)
            except BlockingIOError:
                return
            if not data:
                self.close()
                return
            self._sink(data)

    def close_writer(self) -> None:
        """Close our copy of the writing end after the child got its own."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def close(self) -> None:
        """Stop reading."""
        self.close_writer()
        if self._reader >= 0:
            asyncio.get_running_loop().remove_reader(self._reader)
            os.close(self._reader)
            self._reader = -1
            self._sink(b"")


class Program:
    """One started process."""

    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        pipes: Sequence[Pipe],
        isolation: Isolation,
        on_exit: Callable[[], None],
    ) -> None:
        self.pid = popen.pid
        self.started_s = time.monotonic()
        self.exit_code: int | None = None
        self.killed = False
        self.peak: Usage | None = None
        self._pipes = pipes
        self._isolation = isolation
        self._on_exit = on_exit
        self._exited = asyncio.Event()
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._reap, args=(popen, loop), daemon=True).start()

    def pump(self) -> None:
        """Read the available bytes of its pipes."""
        for pipe in self._pipes:
            pipe.pump()

    def usage(self) -> Usage | None:
        """Return memory and CPU so far; None without /proc or after the process's end."""
        usage = _usage(self.pid) if self.exit_code is None else None
        self.peak = usage or self.peak
        return usage

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and its children; no effect after its end."""
        if self.exit_code is None:
            self.usage()
            self.killed = self.killed or number is signal.SIGKILL
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    async def wait(self, limit_s: float) -> bool:
        """Return whether it has ended within the limit."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._exited.wait()
        return self._exited.is_set()

    def close(self) -> None:
        """Stop reading its pipes, because a grandchild may hold them open for ever."""
        for pipe in self._pipes:
            pipe.pump()
            pipe.close()

    def _reap(self, popen: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop) -> None:
        code = popen.wait()
        with contextlib.suppress(RuntimeError):  # the loop is closed, so the result is not needed
            loop.call_soon_threadsafe(self._ended, code)

    def _ended(self, code: int) -> None:
        self.pump()
        # Children that survive the process keep its group alive; without them, the group's id may
        # be reused.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._isolation.forget(self.pid)
        self.exit_code = code
        self._exited.set()
        self._on_exit()


def start(
    command: Sequence[str],
    *,
    variables: Mapping[str, str],
    folder: Path,
    sinks: Sequence[Sink],
    frames: Sink | None,
    isolation: Isolation,
    on_exit: Callable[[], None],
) -> Program:
    """Start a program under the environment's limits.

    Args:
        command: program and arguments.
        variables: all its environment variables.
        folder: its working directory.
        sinks: two, for stdout and stderr.
        frames: sink of log frames; None gives it no such file descriptor.
        isolation: limits and freezer.
        on_exit: called once, on the loop, after its last bytes were read.

    Raises:
        OSError: the file is missing, not executable, or in an unknown format.
    """
    pipes = [Pipe(sink) for sink in (*sinks, *((frames,) if frames else ()))]
    passed: tuple[int, ...] = ()
    everything = dict(variables)
    if frames:
        passed = (pipes[2].writer,)
        everything[FRAMES_VARIABLE] = str(pipes[2].writer)
    try:
        with isolation.doors() as enter, warnings.catch_warnings():
            # `enter` only writes to open files, which is safe between fork and exec, even with
            # threads.
            warnings.simplefilter("ignore", DeprecationWarning)
            popen = subprocess.Popen(
                command,
                env=everything,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=pipes[0].writer,
                stderr=pipes[1].writer,
                pass_fds=passed,
                start_new_session=True,
                preexec_fn=enter,  # noqa: PLW1509 (see above)
            )
    except (OSError, subprocess.SubprocessError):
        for pipe in pipes:
            pipe.close()
        raise
    isolation.admitted(popen.pid)
    for pipe in pipes:
        pipe.close_writer()
    return Program(popen, pipes, isolation, on_exit)


def _usage(pid: int) -> Usage | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
        # The CPU clock of another process; clock_getcpuclockid(3) computes its number like this.
        cpu_s = time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return None
    sizes = {
        name: int(rest.split()[0]) * 1024
        for name, _, rest in (line.partition(":") for line in status.splitlines())
        if name in ("VmRSS", "VmHWM")
    }
    if len(sizes) < 2:
        return None
    return Usage(sizes["VmRSS"], sizes["VmHWM"], cpu_s * 1000)
