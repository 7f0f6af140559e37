"""Limits and freezes processes: by cgroups if possible, else by signals.

One `Isolation` belongs to one environment; function and extensions share it, as in Lambda. Its
`facts` list what was possible here, and why the rest was not.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.local.cgroups import Controller, Group, make_group
from otlp2parquet_ext.tools.local.outcome import IsolationFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otlp2parquet_ext.tools.local.plan import Plan

_MIB = 1 << 20
_FREEZE_POLLS = 500
_FREEZE_POLL_S = 0.001


class Isolation:
    """The cgroups of one environment, or their replacements."""

    def __init__(self, plan: Plan, name: str) -> None:
        self._vcpus = plan.vcpus
        limit_bytes = plan.memory_mb * _MIB
        self._notes: list[str] = []
        self._pids: set[int] = set()
        self._cpu = self._make(
            "cpu", name, wanted=plan.limited, use=lambda it: it.limit_cpu(self._vcpus)
        )
        self._memory = self._make(
            "memory", name, wanted=plan.limited, use=lambda it: it.limit_memory(limit_bytes)
        )
        self._freezer = self._make(
            "freezer", name, wanted=plan.freeze, use=lambda it: it.set_frozen(frozen=False)
        )
        self._freezing = plan.freeze
        self._frozen = False
        self.facts = IsolationFacts(
            freezer=self._label(self._freezer, "signals") if plan.freeze else "off",
            cpu=self._label(self._cpu, "none") if plan.limited else "off",
            memory=self._label(self._memory, "none") if plan.limited else "off",
            notes=tuple(self._notes),
        )

    def boost(self, *, on: bool) -> None:
        """Lift the CPU limit, or set it again."""
        if self._cpu:
            self._cpu.limit_cpu(None if on else self._vcpus)

    @contextmanager
    def doors(self) -> Iterator[Callable[[], None]]:
        """Yield functions that a new process calls between fork and exec to get the limits.

        A later move is not equivalent: it takes tens of milliseconds, and memory that the process
        allocates before is not counted.
        """
        doors = [group.door() for group in self._groups()]

        def enter() -> None:
            for door in doors:
                os.write(door, b"0")

        try:
            yield enter
        finally:
            for door in doors:
                os.close(door)

    def admitted(self, pid: int) -> None:
        """Add a new process, which may be stopped or killed by a signal later."""
        self._pids.add(pid)

    def forget(self, pid: int) -> None:
        """Remove a reaped process, because another process may get its id."""
        self._pids.discard(pid)

    async def freeze(self) -> None:
        """Freeze all processes, and return when they are frozen; no effect with `freeze=False`."""
        if not self._freezing or self._frozen:
            return
        self._frozen = True
        if not self._freezer:
            self._signal(signal.SIGSTOP)
            return
        self._freezer.set_frozen(frozen=True)
        for _ in range(_FREEZE_POLLS):
            if self._freezer.is_frozen():
                return
            await asyncio.sleep(_FREEZE_POLL_S)

    def thaw(self) -> None:
        """Thaw all processes; no effect if they run."""
        if not self._frozen:
            return
        self._frozen = False
        if self._freezer:
            self._freezer.set_frozen(frozen=False)
        else:
            self._signal(signal.SIGCONT)

    def peak_memory_bytes(self) -> int | None:
        """Return the highest memory use of all processes together; None without a cgroup."""
        return self._memory.peak_memory_bytes() if self._memory else None

    def oom_kills(self) -> int:
        """Return the number of processes that were killed because memory was short."""
        return self._memory.oom_kills() if self._memory else 0

    def kill_all(self) -> None:
        """Send SIGKILL to all remaining processes, grandchildren included."""
        self.thaw()
        self._signal(signal.SIGKILL)
        for pid in {pid for group in self._groups() for pid in group.pids()}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill the remaining processes and remove the cgroups."""
        self.kill_all()
        for group in self._groups():
            group.remove()

    def _make(
        self, controller: Controller, name: str, *, wanted: bool, use: Callable[[Group], None]
    ) -> Group | None:
        """Make a group and apply `use`; None, with a note, if that is not possible."""
        if not wanted:
            return None
        group = make_group(controller, name)
        if group is None:
            self._notes.append(f"no {controller} cgroup: not mounted here, or not ours to write")
            return None
        try:
            use(group)
        except OSError as error:  # for example, more CPU than our own group has
            group.remove()
            self._notes.append(f"no {controller} cgroup: {error.strerror}")
            return None
        return group

    def _groups(self) -> list[Group]:
        groups = (self._cpu, self._memory, self._freezer)
        return list({group.path: group for group in groups if group}.values())

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, number)

    @staticmethod
    def _label(group: Group | None, otherwise: str) -> str:
        return group.label if group else otherwise
