"""The Python packages: wheels for the layer's interpreter and architecture, pinned by hash.

pip fetches and checks them; `requirements.txt` has every hash and no address. A package that has
no wheel for the interpreter yet may be taken from an older one's (layer.toml says which and why):
its Python files serve any version, its C extensions are left out.
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
# glibc versions wheels are built against, newest first; the bundled glibc is newer than any.
MANYLINUX: Final = ("_2_34", "_2_28", "_2_24", "_2_17", "2014", "_2_12", "2010", "_2_5", "1")


@dataclasses.dataclass(frozen=True)
class Wheel:
    """One wheel as it was fetched."""

    name: str
    version: str
    sha256: str
    licence: str
    file: Path


def fetch(target: Target, build: Path, unwanted: Iterable[str]) -> list[Wheel]:
    """Download the wheels of one target, or find them downloaded before.

    Args:
        target: whose interpreter and architecture they must fit.
        build: downloads are kept in a folder below it, named by the requirements' content.
        unwanted: packages that are pinned, but not for the layer.

    Raises:
        SystemExit: a wheel is missing, or a hash is not the pinned one.
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
    """Split a requirements file into one entry for each package, its hashes included."""
    entries = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    return {entry.split("==")[0].lower(): entry for entry in entries if "==" in entry}


def download(lines: list[str], python: str, machine: str, folder: Path) -> None:
    """Let pip fetch wheels for another Python and machine than the ones it runs on."""
    wanted = folder / f"requirements-{python}.txt"
    wanted.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    command += ["--implementation", "cp", "--python-version", python, "--dest", str(folder)]
    for version in MANYLINUX:
        command += ["--platform", f"manylinux{version}_{machine}"]
    tools.run([*command, "--requirement", wanted])


def describe(file: Path) -> Wheel:
    """Read what a wheel says it is."""
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
    """Return the licence a wheel names: the SPDX expression, or what older metadata has."""
    classifiers = [c for c in said.get_all("Classifier", []) if c.startswith("License ::")]
    named = [c.rpartition(" :: ")[2] for c in classifiers]
    free_text = (said["License"] or "").strip().partition("\n")[0]
    return said["License-Expression"] or ", ".join(named) or free_text or "see the licence files"


def unpack(wheels: list[Wheel], target: Target, folder: Path) -> None:
    """Unpack them into one folder, without programs and C extensions of another interpreter.

    Raises:
        SystemExit: a wheel wants other files outside that folder.
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
