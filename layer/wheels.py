"""Fetches the Python packages: wheels for the layer's interpreter and architecture, pinned by hash.

pip fetches and checks them; `requirements.txt` has every hash and no address. If a package has no
wheel for the interpreter yet, the wheel of an older one may be used (layer.toml lists these, with
reasons). Its Python files work with any version, and its C extensions are left out.
"""

import dataclasses
import email.parser
import hashlib
import re
import shutil
import sys
import zipfile
from collections.abc import Iterable
from email.message import Message
from pathlib import Path
from typing import Final

from layer import tools
from layer.plan import HERE, Target

REQUIREMENTS: Final = HERE / "requirements.txt"
# glibc versions of wheels, newest first; the bundled glibc is newer than all of them.
MANYLINUX: Final = ("_2_34", "_2_28", "_2_24", "_2_17", "2014", "_2_12", "2010", "_2_5", "1")


@dataclasses.dataclass(frozen=True)
class Wheel:
    """One fetched wheel."""

    name: str
    version: str
    sha256: str
    licence: str
    file: Path


def fetch(target: Target, build: Path, unwanted: Iterable[str]) -> list[Wheel]:
    """Download the wheels of one target, or find them downloaded before.

    Args:
        target: target with the interpreter and architecture of the wheels.
        build: folder of downloads, which are cached by the requirements' content.
        unwanted: pinned packages that the layer leaves out.

    Raises:
        SystemExit: a wheel is missing, or a hash differs from the pinned one.
    """
    older = {entry.package: entry.python for entry in target.older}
    chosen: dict[str, list[str]] = {}
    for name, requirement in requirements(REQUIREMENTS.read_text()).items():
        if name not in set(unwanted):
            chosen.setdefault(older.get(name, target.python), []).append(requirement)
    digest = hashlib.sha256(repr(sorted(chosen.items())).encode()).hexdigest()[:12]
    folder = build / f"wheels-{target.python}-{target.arch.name}-{digest}"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for python, lines in chosen.items():
            download(lines, python, target.arch.machine, folder)
        (folder / "complete").touch()
    return [describe(file) for file in sorted(folder.glob("*.whl"))]


def requirements(text: str) -> dict[str, str]:
    """Split a requirements file into one entry for each package, with its hashes."""
    entries = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    return {entry.split("==")[0].lower(): entry for entry in entries if "==" in entry}


def download(lines: list[str], python: str, machine: str, folder: Path) -> None:
    """Fetch wheels with pip for a Python and a machine other than its own."""
    wanted = folder / f"requirements-{python}.txt"
    wanted.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    command += ["--implementation", "cp", "--python-version", python, "--dest", str(folder)]
    for version in MANYLINUX:
        command += ["--platform", f"manylinux{version}_{machine}"]
    tools.run([*command, "--requirement", wanted])


def describe(file: Path) -> Wheel:
    """Read the metadata of a wheel."""
    with zipfile.ZipFile(file) as wheel:
        name = next(n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
        said = email.parser.Parser().parsestr(wheel.read(name).decode(), headersonly=True)
    return Wheel(
        name=said["Name"],
        version=said["Version"],
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        licence=licence(said),
        file=file,
    )


def licence(said: Message) -> str:
    """Return the licence of a wheel: the SPDX expression, or the fields of older metadata."""
    classifiers = [c for c in said.get_all("Classifier", []) if c.startswith("License ::")]
    named = [c.rpartition(" :: ")[2] for c in classifiers]
    free_text = (said["License"] or "").strip().partition("\n")[0]
    return said["License-Expression"] or ", ".join(named) or free_text or "see the licence files"


def unpack(wheels: list[Wheel], target: Target, folder: Path) -> None:
    """Unpack wheels into one folder, without programs and C extensions of another interpreter.

    Raises:
        SystemExit: a wheel has other files outside that folder.
    """
    foreign = re.compile(rf"\.cpython-(?!{target.tag}-)\d+-[^/]*\.so$|^[^/]*\.data/scripts/")
    for wheel in wheels:
        with zipfile.ZipFile(wheel.file) as source:
            for entry in source.infolist():
                if foreign.search(entry.filename):
                    continue
                if entry.filename.split("/")[0].endswith(".data"):
                    raise SystemExit(f"{wheel.file.name}: no rule for {entry.filename}")
                source.extract(entry, folder)
