"""The plan of the build as values: reads and checks `layer.toml`.

A `Target` is one zip for one architecture and one interpreter. Paths in the layer are relative to
`/opt`, where Lambda unpacks it; paths of the build are below `build/layer/`.
"""

import dataclasses
import platform
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

HERE: Final = Path(__file__).parent
CHECKOUT: Final = HERE.parent
HOME: Final = "otlp2parquet"  # our private folder below /opt
MEGABYTE: Final = 1_048_576  # as Lambda counts
MACHINES: Final = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


@dataclasses.dataclass(frozen=True)
class Arch:
    """One architecture, with its different names."""

    name: str  # Lambda's: x86_64, arm64
    debian: str
    triplet: str
    loader: str

    @property
    def machine(self) -> str:
        """The name that the kernel and wheels use: x86_64, aarch64."""
        return self.triplet.partition("-")[0]


@dataclasses.dataclass(frozen=True)
class Older:
    """A package taken from the wheel of an older interpreter."""

    package: str
    python: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Target:
    """One zip to build."""

    arch: Arch
    python: str  # "3.15"
    suite: str
    packages: tuple[str, ...]
    licences: str
    older: tuple[Older, ...]
    date: str

    @property
    def tag(self) -> str:
        """The version in file names of C extensions: 315."""
        return self.python.replace(".", "")

    @property
    def lib(self) -> str:
        """Path of the standard library, relative to the layer's home."""
        return f"lib/python{self.python}"

    @property
    def zip_name(self) -> str:
        """Name of the zip file in dist/."""
        return f"otlp2parquet-ext-{self.arch.name}.zip"


@dataclasses.dataclass(frozen=True)
class Budget:
    """Most bytes of a zip, packed and unpacked."""

    zip: int
    unpacked: int


def load(path: Path = HERE / "layer.toml") -> Mapping[str, object]:
    """Read the plan from its file."""
    return tomllib.loads(path.read_text())


def table(of: object, *keys: str) -> Mapping[str, object]:
    """Return the table at `keys`; KeyError names the first missing key."""
    for key in keys:
        of = cast("Mapping[str, object]", of)[key]
    return cast("Mapping[str, object]", of)


def strings(of: object) -> tuple[str, ...]:
    """Return a list of strings as a tuple."""
    return tuple(cast("list[str]", of))


def budget(plan: Mapping[str, object]) -> Budget:
    """Return the limits in bytes."""
    limits = cast("Mapping[str, int]", table(plan, "budget"))
    return Budget(zip=limits["zip"] * MEGABYTE, unpacked=limits["unpacked"] * MEGABYTE)


def target(plan: Mapping[str, object], arch: str, python: str | None = None) -> Target:
    """Return the plan for one zip.

    Args:
        plan: the result of `load`.
        arch: x86_64 or arm64.
        python: "3.15", or None for the plan's choice.

    Raises:
        SystemExit: the plan has no such architecture or interpreter.
    """
    python = python or cast("str", plan["python"])
    for kind, name in (("arch", arch), ("interpreter", python)):
        if name not in table(plan, kind):
            raise SystemExit(f"{kind} {name!r}: expected one of {', '.join(table(plan, kind))}")
    chosen = table(plan, "interpreter", python)
    names = cast("Mapping[str, str]", table(plan, "arch", arch))
    older = cast("Mapping[str, Mapping[str, str]]", chosen.get("older", {}))
    return Target(
        arch=Arch(name=arch, **names),
        python=python,
        suite=cast("str", chosen["suite"]),
        packages=strings(chosen["packages"]) + strings(table(plan, "libraries")["packages"]),
        licences=cast("str", table(plan, "libraries")["licences"]),
        older=tuple(Older(name, o["python"], o["reason"]) for name, o in older.items()),
        date=cast("str", plan["date"]),
    )


def host() -> str:
    """Return Lambda's name of this machine's architecture."""
    return MACHINES[platform.machine()]
