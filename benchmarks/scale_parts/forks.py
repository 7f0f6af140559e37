"""Manages forked children by name: kills them at random, restarts them, and ends all."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import sys
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_PDEATHSIG = 1  # Linux: prctl(2)


def fork() -> int:
    """Fork a child that ends with its parent, even if that is killed."""
    parent, pid = os.getpid(), os.fork()
    if pid == 0:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    return pid


class Processes:
    """Forked children by name, with their jobs, so that they can be started again."""

    def __init__(self) -> None:
        self._jobs: dict[str, Callable[[], None]] = {}
        self.running: dict[int, str] = {}
        self.kills = 0

    def start(self, name: str, job: Callable[[], None]) -> None:
        """Fork a child that runs `job` and ends."""
        self._jobs[name] = job
        sys.stdout.flush()
        pid = fork()
        if pid:
            self.running[pid] = name
            return
        status = 1
        try:
            job()
            status = 0
        except BaseException:  # noqa: BLE001 - the child ends here, whatever happens
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    def reap(self) -> None:
        """Reap ended children; restart those that we killed."""
        while self.running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            name = self.running.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            if code == -signal.SIGKILL:
                self.start(name, self._jobs[name])
            elif code:
                raise RuntimeError(f"{name} failed with {code}")

    def kill_one(self, prefixes: tuple[str, ...]) -> None:
        """Kill a random child whose name has one of the prefixes."""
        pids = [pid for pid, name in self.running.items() if name.startswith(prefixes)]
        if pids:
            os.kill(random.choice(pids), signal.SIGKILL)
            self.kills += 1

    def any(self, prefix: str) -> bool:
        """Tell whether a child with this prefix is running."""
        return any(name.startswith(prefix) for name in self.running.values())

    def end_all(self) -> None:
        """Kill all running children."""
        for pid in self.running:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.running.clear()
