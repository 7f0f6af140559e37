"""The measured processes: the layer's extension, the baseline, bare interpreters."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from reserved_port import ReservedPort

from performance_parts.envelopes import limited
from performance_parts.lambda_api import LambdaApi
from performance_parts.stage import CHECKOUT, EXTENSION, START

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from performance_parts.envelopes import Envelope

BASELINE: Final = CHECKOUT / "benchmarks" / "baseline" / "forward.mjs"
LIMIT_S: Final = 120.0
POLL_S: Final = 0.004
LOOK_S, QUIET_LOOKS, SETTLED_MS = 0.1, 3, 2.0
"""A process rests if it uses at most `SETTLED_MS` of CPU between two samples, several times in a
row."""


class Memory(NamedTuple):
    """Resident memory in MB: total and anonymous."""

    all_mb: float
    anonymous_mb: float

    @property
    def figures(self) -> dict[str, float]:
        """Return the figures for results."""
        file_mb = self.all_mb - self.anonymous_mb
        return {"all_mb": self.all_mb, "anonymous_mb": self.anonymous_mb, "file_mb": file_mb}


@dataclass(frozen=True)
class Subject:
    """A program to measure.

    Attributes:
        command: the program and its arguments.
        environ: its variables.
        port: reserved port of its receiver; None if it receives no telemetry.
    """

    command: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)
    port: ReservedPort | None = None


def python() -> Subject:
    """Return the layer's own idle interpreter."""
    return Subject((START, "-c", "pass"))


def node() -> Subject:
    """Return a bare idle Node."""
    return Subject((shutil.which("node") or "node", "-e", "0"))


def layer(folder: Path, **environ: str) -> Subject:
    """Return the layer's extension.

    Args:
        folder: folder of its lake and spool.
        environ: further variables.
    """
    port = ReservedPort()
    variables = {
        "OTLP2PARQUET_DESTINATION": f"sqlite://{folder}/catalog.db?warehouse={folder}/lake",
        "OTLP2PARQUET_SPOOL_DIR": str(folder / "tmp"),
        "RECEIVER_PORT": str(port),
    }
    return Subject((EXTENSION,), {**_FUNCTION, **variables, **environ}, port)


def baseline(sink_url: str) -> Subject:
    """Return the extension that only forwards."""
    port = ReservedPort()
    variables = {"FORWARD_TO": sink_url, "RECEIVER_PORT": str(port)}
    command = (shutil.which("node") or "node", str(BASELINE))
    return Subject(command, {**_FUNCTION, **variables}, port)


_FUNCTION: Final = {
    "AWS_LAMBDA_FUNCTION_NAME": "checkout-service-live",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_REGION": "eu-central-1",
}


class Running:
    """A started subject."""

    def __init__(self, process: subprocess.Popen[bytes], started_s: float) -> None:
        self.process = process
        self.started_s = started_s

    def wall_ms(self) -> float:
        """Return the time since its spawn."""
        return (time.perf_counter() - self.started_s) * 1_000

    def cpu_ms(self) -> float:
        """Return its CPU time so far; the clock's number is that of clock_getcpuclockid(3)."""
        return time.clock_gettime((~self.process.pid << 3) | 2) * 1_000

    def memory(self) -> Memory:
        """Return its current resident memory."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        pairs = (line.split()[:2] for line in text.splitlines()[1:])
        sizes = {name.rstrip(":"): int(kb) / 1_024 for name, kb in pairs}
        return Memory(sizes["Rss"], sizes["Anonymous"])

    def settle(self, limit_s: float = LIMIT_S) -> None:
        """Wait until it rests: no thread is runnable, and it used hardly any CPU.

        A thread that is throttled or waits for a core is runnable.
        """
        until_s, quiet = time.monotonic() + limit_s, 0
        used_ms = self.cpu_ms()
        while quiet < QUIET_LOOKS and time.monotonic() < until_s:
            time.sleep(LOOK_S)
            now_ms = self.cpu_ms()
            quiet = 0 if self._wants_to_run() or now_ms - used_ms > SETTLED_MS else quiet + 1
            used_ms = now_ms

    def _wants_to_run(self) -> bool:
        tasks = Path(f"/proc/{self.process.pid}/task")
        try:
            stats = [path.read_text() for path in tasks.glob("*/stat")]
        except (FileNotFoundError, ProcessLookupError):  # a thread has ended meanwhile
            return True
        return any(text.rpartition(")")[2].split()[0] in "RD" for text in stats)

    def end(self, limit_s: float = LIMIT_S) -> float:
        """Wait for its end; return its CPU ms, user and system.

        Raises:
            RuntimeError: it did not end in time, or failed.
        """
        until_s = time.monotonic() + limit_s
        while time.monotonic() < until_s:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self.process.returncode = os.waitstatus_to_exitcode(status)
                if status:
                    raise RuntimeError(f"{self.process.args!r} ended with {status}")
                return (usage.ru_utime + usage.ru_stime) * 1_000
            time.sleep(0.0005)
        raise RuntimeError(f"{self.process.args!r} has not ended")


@contextmanager
def started(
    subject: Subject,
    envelope: Envelope | None = None,
    *,
    core: int | None = None,
    stderr: int | None = subprocess.DEVNULL,
    stdin: int = subprocess.DEVNULL,
    stdout: int | None = subprocess.DEVNULL,
    **environ: str,
) -> Iterator[Running]:
    """Start a subject under the limits of an envelope; kill it at the end.

    Args:
        subject: the program to start.
        envelope: its limits; None means no limit.
        core: the only core that it may use; None means any.
        stderr, stdin, stdout: as for Popen.
        environ: further variables.
    """
    everything = {"PATH": os.environ["PATH"], **subject.environ, **environ}
    with limited(envelope) as enter:

        def before() -> None:
            enter()
            if core is not None:
                os.sched_setaffinity(0, {core})

        started_s = time.perf_counter()
        process = subprocess.Popen(
            subject.command,
            env=everything,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd="/",
            preexec_fn=before,  # noqa: PLW1509 - writes to open files only
        )
        running = Running(process, started_s)
        try:
            yield running
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()


@contextmanager
def extension(
    subject: Subject,
    envelope: Envelope | None = None,
    *,
    core: int | None = None,
    stderr: int | None = subprocess.DEVNULL,
) -> Iterator[tuple[Running, LambdaApi]]:
    """Start an extension with its own Lambda, and wait for its first `next`."""
    api = LambdaApi(lambda: None)
    try:
        with started(
            subject, envelope, core=core, stderr=stderr, AWS_LAMBDA_RUNTIME_API=api.address
        ) as running:
            api.wait_for_next()
            yield running, api
    finally:
        api.close()


class Watch:
    """Samples a process's memory every few milliseconds, and keeps the highest.

    Attributes:
        samples: (seconds since the watch began, memory).
    """

    def __init__(self, running: Running) -> None:
        self._running = running
        self._over = threading.Event()
        self.samples: list[tuple[float, Memory]] = []
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._began_s = time.perf_counter()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    @property
    def peak(self) -> Memory:
        """The highest of each figure."""
        all_mb = max(memory.all_mb for _, memory in self.samples)
        return Memory(all_mb, max(memory.anonymous_mb for _, memory in self.samples))

    def _look(self) -> None:
        while not self._over.wait(POLL_S):
            try:
                memory = self._running.memory()
            except (OSError, KeyError):
                return
            self.samples.append((time.perf_counter() - self._began_s, memory))


def call(command: Sequence[str], limit_s: float = LIMIT_S, **environ: str) -> str:
    """Run a program to its end; return its output.

    Raises:
        RuntimeError: it failed; the message has the end of its output.
    """
    variables = {"PATH": os.environ["PATH"], **environ}
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=limit_s, env=variables
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr[-1_000:]}")
    return done.stdout
