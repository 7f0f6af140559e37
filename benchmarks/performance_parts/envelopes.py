"""Limits memory and CPU as Lambda does: by groups that a process enters between fork and exec."""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otlp2parquet_ext.tools.local.cgroups import Controller, Group, make_group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MB_PER_VCPU: Final = 1_769


@dataclass(frozen=True)
class Envelope:
    """The limits of one environment."""

    memory_mb: int

    @property
    def vcpus(self) -> float:
        """The share of a CPU for the memory size."""
        return self.memory_mb / MB_PER_VCPU

    @property
    def name(self) -> str:
        """Its name in tables."""
        return f"{self.memory_mb} MB"


ENVELOPES: Final = (Envelope(1_769), Envelope(512), Envelope(128))


@contextmanager
def limited(envelope: Envelope | None) -> Iterator[Callable[[], None]]:
    """Make an envelope; yield the function that a new process calls before its exec.

    Args:
        envelope: None sets no limit. If the machine allows no groups, there is no limit either, and
            `facts` reports that.
    """
    groups: dict[str, Group] = {}
    with ExitStack() as stack:
        for group in _groups(envelope) if envelope else ():
            groups[str(group.path)] = group
        doors = [group.door() for group in groups.values()]
        for door in doors:
            stack.callback(os.close, door)

        def enter() -> None:
            for door in doors:
                os.write(door, b"0")

        try:
            yield enter
        finally:
            for group in groups.values():
                for pid in group.pids():
                    os.kill(pid, 9)
                group.remove()


def facts() -> dict[str, str]:
    """Return the limits that this machine supports."""
    found: dict[str, str] = {}
    controllers: tuple[Controller, ...] = ("cpu", "memory")
    for controller in controllers:
        group = make_group(controller, _name())
        found[controller] = group.label if group else "none: unlimited"
        if group:
            group.remove()
    return found


def _groups(envelope: Envelope) -> Iterator[Group]:
    name = _name()
    if (cpu := make_group("cpu", name)) is not None:
        cpu.limit_cpu(envelope.vcpus)
        yield cpu
    if (memory := make_group("memory", name)) is not None:
        memory.limit_memory(envelope.memory_mb << 20)
        yield memory


def _name() -> str:
    return f"otlp2parquet_bench_{os.getpid()}_{secrets.token_hex(3)}"
