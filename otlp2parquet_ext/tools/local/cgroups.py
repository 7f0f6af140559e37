"""Finds and makes control groups: v1 hierarchies if they are mounted, v2 if it is delegated.

A `Group` is one folder. This module knows the file names of both versions; `isolation` decides how
to use them. On a machine without cgroups, functions return None and do not raise.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Version = Literal[1, 2]
Controller = Literal["cpu", "memory", "freezer"]

# Lambda's scheduler period; a share of a CPU is a quota of it. The kernel's minimum quota is 1 ms.
_PERIOD_US = 20_000
_MINIMUM_QUOTA_US = 1_000
_REMOVE_ATTEMPTS = 200
_REMOVE_PAUSE_S = 0.005


@dataclass(frozen=True)
class Group:
    """One cgroup folder of ours."""

    path: Path
    version: Version

    @property
    def label(self) -> str:
        """`cgroup v1` or `cgroup v2`."""
        return f"cgroup v{self.version}"

    def door(self) -> int:
        """Open the file into which a process writes 0 to enter; the caller closes it."""
        return os.open(self.path / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)

    def pids(self) -> list[int]:
        """Return the processes here."""
        with contextlib.suppress(OSError):
            return [int(line) for line in (self.path / "cgroup.procs").read_text().split()]
        return []

    def limit_cpu(self, vcpus: float | None) -> None:
        """Set the share of CPU; None means no limit."""
        quota = None if vcpus is None else max(_MINIMUM_QUOTA_US, round(vcpus * _PERIOD_US))
        if self.version == 1:
            self._write("cpu.cfs_period_us", str(_PERIOD_US))
            self._write("cpu.cfs_quota_us", str(quota or -1))
        else:
            self._write("cpu.max", f"{quota or 'max'} {_PERIOD_US}")

    def limit_memory(self, limit_bytes: int) -> None:
        """Set the memory limit, with swap if the kernel counts it."""
        if self.version == 1:
            self._write("memory.limit_in_bytes", str(limit_bytes))
            with contextlib.suppress(OSError):
                self._write("memory.memsw.limit_in_bytes", str(limit_bytes))
        else:
            self._write("memory.max", str(limit_bytes))
            with contextlib.suppress(OSError):
                self._write("memory.swap.max", "0")

    def peak_memory_bytes(self) -> int | None:
        """Return the highest memory use with page cache; None if v2 does not report it."""
        name = "memory.max_usage_in_bytes" if self.version == 1 else "memory.peak"
        with contextlib.suppress(OSError, ValueError):
            return int((self.path / name).read_text())
        return None

    def oom_kills(self) -> int:
        """Return the number of processes that the kernel killed because memory was short."""
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        with contextlib.suppress(OSError, ValueError):
            for line in (self.path / name).read_text().splitlines():
                key, _, count = line.partition(" ")
                if key == "oom_kill":
                    return int(count)
        return 0

    def set_frozen(self, *, frozen: bool) -> None:
        """Ask the kernel to freeze or thaw; `is_frozen` reports the result."""
        if self.version == 1:
            self._write("freezer.state", "FROZEN" if frozen else "THAWED")
        else:
            self._write("cgroup.freeze", str(int(frozen)))

    def is_frozen(self) -> bool:
        """Whether every process in the group is frozen."""
        if self.version == 1:
            return (self.path / "freezer.state").read_text().strip() == "FROZEN"
        return "frozen 1" in (self.path / "cgroup.events").read_text()

    def remove(self) -> bool:
        """Remove the folder, with retries while its last process leaves it; False if that fails."""
        for _ in range(_REMOVE_ATTEMPTS):
            try:
                self.path.rmdir()
            except FileNotFoundError:
                return True
            except OSError:
                time.sleep(_REMOVE_PAUSE_S)
            else:
                return True
        return False

    def _write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)


def make_group(controller: Controller, name: str) -> Group | None:
    """Make a group for one controller; None if the kernel or our rights do not allow it."""
    for parent, version in _parents(controller):
        if version == 2 and not _enabled(parent, controller):
            continue
        group = Group(parent / name, version)
        with contextlib.suppress(OSError):
            group.path.mkdir(exist_ok=True)
            if os.access(group.path / "cgroup.procs", os.W_OK):
                return group
    return None


def _parents(controller: Controller) -> Iterator[tuple[Path, Version]]:
    """Yield possible parents of a group: our own group, then the root of the mount."""
    for mount, kind, options in _mounts():
        if kind == "cgroup" and controller in options:
            yield from ((path, 1) for path in _candidates(mount, _own_path(controller)))
    for mount, kind, _ in _mounts():
        if kind == "cgroup2":
            yield from ((path, 2) for path in _candidates(mount, _own_path("")))


def _candidates(mount: Path, own: str) -> list[Path]:
    below = mount / own.lstrip("/")
    return [path for path in dict.fromkeys((below, mount)) if path.is_dir()]


def _enabled(parent: Path, controller: Controller) -> bool:
    """Whether children of a v2 group get the controller; switch it on if allowed."""
    if controller == "freezer":  # in every v2 group except the root
        return True
    control = parent / "cgroup.subtree_control"
    try:
        if controller in control.read_text().split():
            return True
        control.write_text(f"+{controller}")
    except OSError:
        return False
    return True


def _mounts() -> Iterator[tuple[Path, str, list[str]]]:
    with contextlib.suppress(OSError):
        for line in Path("/proc/mounts").read_text().splitlines():
            _, mount, kind, options, *_ = line.split()
            if kind.startswith("cgroup"):
                yield Path(mount), kind, options.split(",")


def _own_path(controller: str) -> str:
    """Return the kernel's path of our own group, of a v1 controller or, for "", of v2."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controller in controllers.split(","):
                return path
    return "/"
