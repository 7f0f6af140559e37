"""Writes `manifest.json`, the list of contents with their licences, and the licences' texts."""

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from layer.distribution import Package
from layer.plan import CHECKOUT, Target
from layer.wheels import Wheel

LICENCE_FILE: Final = re.compile(r"(licen[cs]e|copying|notice|authors)[^/]*$", re.IGNORECASE)
LICENCE_NAME: Final = re.compile(r"^License:\s*(\S.*)$", re.MULTILINE)
COMMON: Final = re.compile(r"/usr/share/common-licenses/([A-Za-z0-9.+-]*[A-Za-z0-9])")


def of_debian(distribution: Path, packages: Iterable[Package], folder: Path) -> None:
    """Copy the distribution's copyright files, and the full texts that they name."""
    texts = set()
    for package in packages:
        text = copyright_of(distribution, package)
        keep_once(text, folder / f"{package.name}.txt")
        texts.update(COMMON.findall(text))
    for name in sorted(texts):
        source = distribution / "usr/share/common-licenses" / name
        if source.exists():
            keep_once(source.read_text(), folder / f"common-{name}.txt")


def keep_once(text: str, file: Path) -> None:
    """Write a licence; if another package has the same text, only name that package."""
    for other in sorted(file.parent.iterdir()):
        if other.stat().st_size == len(text.encode()) and other.read_text() == text:
            text = f"The text is that of {other.name}.\n"
    file.write_text(text)


def copyright_of(distribution: Path, package: Package) -> str:
    """Return a package's copyright file; some packages link to the folder of another."""
    file = distribution / "usr/share/doc" / package.name / "copyright"
    return file.read_text(errors="replace")


def of_wheels(site: Path, folder: Path) -> None:
    """Move the licences out of the wheels' metadata."""
    for info in sorted(site.glob("*.dist-info")):
        found = [p for p in sorted(info.rglob("*")) if p.is_file() and is_licence(p, info)]
        for path in found:
            inner = "-".join(path.relative_to(info).parts).removeprefix("licenses-")
            shutil.copyfile(path, folder / f"{info.name.split('-')[0]}-{inner}")


def is_licence(path: Path, info: Path) -> bool:
    """Tell whether a file of a wheel's metadata is a licence text."""
    return "licenses" in path.relative_to(info).parts or bool(LICENCE_FILE.search(path.name))


def thin(site: Path) -> None:
    """Reduce the wheels' metadata to the fields that programs read: name, version, entry points."""
    for info in sorted(site.glob("*.dist-info")):
        metadata = info / "METADATA"
        headers = metadata.read_text().partition("\n\n")[0]
        kept = [line for line in headers.split("\n") if re.match(r"(Metadata-)?Version|Name", line)]
        entry_points = info / "entry_points.txt"
        extra = entry_points.read_text() if entry_points.exists() else None
        shutil.rmtree(info)
        info.mkdir()
        metadata.write_text("\n".join(kept) + "\n")
        if extra:
            entry_points.write_text(extra)


def describe(
    target: Target, version: str, packages: list[Package], wheels: list[Wheel], distribution: Path
) -> str:
    """Return the manifest; equal inputs give equal text."""
    entries = [
        {
            "name": one.name,
            "version": one.version,
            "sha256": one.sha256,
            "from": f"Debian {target.suite}, {one.architecture}",
            "licence": ", ".join(debian_licences(copyright_of(distribution, one))),
        }
        for one in packages
    ]
    entries += [
        {
            "name": one.name,
            "version": one.version,
            "sha256": one.sha256,
            "from": f"PyPI, {one.file.name}",
            "licence": one.licence,
        }
        for one in wheels
    ]
    whole = {
        "layer": f"otlp2parquet-ext {version}",
        "licence": "Apache-2.0",
        "architecture": target.arch.name,
        "python": target.python,
        "packages": entries,
    }
    return json.dumps(whole, indent=1) + "\n"


def debian_licences(text: str) -> list[str]:
    """Return the names of licences in a copyright file, without their texts."""
    names = {name.strip() for name in LICENCE_NAME.findall(text)}
    return sorted(names) or ["see the licence file"]


def own_licence(folder: Path) -> None:
    """Copy our own licence."""
    shutil.copyfile(CHECKOUT / "LICENSE", folder / "otlp2parquet_ext.txt")
