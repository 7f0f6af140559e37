"""Pins the versions of Debian's packages: `debian.json` lists those of the last accepted build.

    fetched packages + pins --changes--> a line for each difference --check--> the build stops

apt checks signatures, so every package comes from Debian, but a mirror decides its version. The
builder must review and accept a changed version before a layer contains it.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, cast

from layer.distribution import Package
from layer.plan import HERE, Target

FILE: Final = HERE / "debian.json"
FLAG: Final = "--accept-debian"


class Pin(NamedTuple):
    """An accepted package."""

    version: str
    sha256: str


def key_of(target: Target) -> str:
    """Return the key of a target's pins."""
    return f"{target.python} {target.arch.debian}"


def pinned(target: Target, file: Path = FILE) -> dict[str, Pin]:
    """Return the pins of one target; none if it was never accepted."""
    known = json.loads(file.read_text()) if file.exists() else {}
    entries = cast("Mapping[str, Sequence[str]]", known.get(key_of(target), {}))
    return {name: Pin(version, sha256) for name, (version, sha256) in entries.items()}


def changes(packages: Iterable[Package], pins: Mapping[str, Pin]) -> list[str]:
    """Return a line for each package that differs from its pin."""
    found = {package.name: Pin(package.version, package.sha256) for package in packages}
    lines = []
    for name in sorted(found.keys() | pins.keys()):
        now, before = found.get(name), pins.get(name)
        if now == before:
            continue
        if now is None or before is None:
            said = f"{now.version}, which is not pinned" if now else "pinned, and no longer fetched"
        elif now.version == before.version:
            said = f"{now.version} with other content: {before.sha256} became {now.sha256}"
        else:
            said = f"{before.version} became {now.version}"
        lines.append(f"{name}: {said}")
    return lines


def check(target: Target, packages: Sequence[Package], *, accept: bool, file: Path = FILE) -> None:
    """Stop the build unless every package matches its pin or the builder accepts the changes.

    Args:
        target: target of the packages.
        packages: fetched packages.
        accept: write the changes into the file instead.
        file: file of the pins.

    Raises:
        SystemExit: the message names each changed package; nothing is built.
    """
    changed = changes(packages, pinned(target, file))
    if not changed:
        return
    said = f"Debian's packages for {key_of(target)} are not the pinned ones:\n  "
    said += "\n  ".join(changed)
    if not accept:
        raise SystemExit(
            f"{said}\nnothing is built. Read what changed, then build with {FLAG}, which writes "
            f"{file.name}; or give an archive that still has the pinned ones with --mirror"
        )
    print(f"{said}\naccepted: {file.name} is written", file=sys.stderr, flush=True)
    known = json.loads(file.read_text()) if file.exists() else {}
    known[key_of(target)] = {one.name: [one.version, one.sha256] for one in packages}
    file.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
