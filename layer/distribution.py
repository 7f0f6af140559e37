"""Fetches the distribution's binary packages, and checks them with the machine's own apt.

    machine's sources --suite changed--> private apt root --apt-get download--> *.deb --> folder

Nothing is installed: apt works in a separate root below build/, with the machine's proxies, mirrors
and keys. If the machine does not run Debian, `--mirror` and `--keyring` name an archive. apt checks
signatures; we store versions and hashes.
"""

import dataclasses
import hashlib
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from layer import tools
from layer.plan import Target
from layer.sources import Source, of_machine

APT_CONF = """\
APT::Architecture "{first}";
APT::Architectures {{ "amd64"; "arm64"; }};
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Dir::State "{root}/state";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Dir::Etc::sourcelist "{root}/sources.list";
Dir::Etc::sourceparts "/dev/null";
"""


@dataclasses.dataclass(frozen=True)
class Package:
    """One fetched .deb."""

    name: str
    version: str
    architecture: str
    sha256: str
    file: Path


def configure(root: Path, suite: str, sources: list[Source]) -> dict[str, str]:
    """Write a separate apt root for one suite; return the environment with which apt uses it."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "status").touch()
    lines = [f"deb [signed-by={source.keyring}] {source.uri} {suite} main\n" for source in sources]
    (root / "sources.list").write_text("".join(lines))
    (root / "apt.conf").write_text(APT_CONF.format(first="amd64", root=root))
    return {"APT_CONFIG": str(root / "apt.conf")}


def fetch(target: Target, build: Path, mirror: str | None, keyring: str | None) -> list[Package]:
    """Download the packages of one target, or find them downloaded before.

    Returns:
        The packages of the target and those with their licences, in order of file names.

    Raises:
        SystemExit: a package is missing in the suite, or its signature is invalid.
    """
    folder = build / f"debs-{target.suite}-{target.python}-{target.arch.debian}"
    names = [*target.packages, target.licences]
    if not (folder / "complete").exists():
        root = (build / f"apt-{target.suite}").resolve()
        env = configure(root, target.suite, of_machine(mirror, keyring))
        tools.run(["apt-get", "-q", "update", "--error-on=any"], env=env)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        download(names, target.arch.debian, folder, env)
        download(documented_in(folder), target.arch.debian, folder, env)
        (folder / "complete").touch()
    return [describe(file) for file in sorted(folder.glob("*.deb"))]


def download(names: Iterable[str], architecture: str, folder: Path, env: dict[str, str]) -> None:
    """Fetch packages into a folder with apt, which checks them."""
    wanted = [f"{name}:{architecture}" for name in names]
    if wanted:
        tools.run(["apt-get", "-q", "download", *wanted], env=env, cwd=folder)


def documented_in(folder: Path) -> list[str]:
    """Return the packages with licences of other packages, because GCC's libraries share one."""
    depends = [tools.run(["dpkg-deb", "--field", deb, "Depends"]) for deb in folder.glob("*.deb")]
    return sorted({name for text in depends for name in re.findall(r"\bgcc-\d+-base\b", text)})


def describe(deb: Path) -> Package:
    """Read the metadata of a .deb."""
    fields = ("Package", "Version", "Architecture")
    said = tools.run(["dpkg-deb", "--field", deb, *fields]).splitlines()
    values = dict(line.split(": ", 1) for line in said)
    return Package(
        name=values["Package"],
        version=values["Version"],
        architecture=values["Architecture"],
        sha256=hashlib.sha256(deb.read_bytes()).hexdigest(),
        file=deb,
    )


def unpack(packages: list[Package], folder: Path) -> None:
    """Unpack packages into one tree."""
    folder.mkdir(parents=True)
    for package in packages:
        tools.run(["dpkg-deb", "--extract", package.file, folder])
