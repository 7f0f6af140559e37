"""Empty roots with the layer in them, as Lambda unpacks it into /opt."""

import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).parents[2]
PROGRAMS: Final = CHECKOUT / "tests/layer/programs"
ENTER: Final = Path(__file__).with_name("enter.py")
DIST: Final = Path(os.environ.get("OTLP2PARQUET_DIST", CHECKOUT / "dist"))
START: Final = "/opt/otlp2parquet/start"
EXTENSION: Final = "/opt/extensions/otlp2parquet"
PYTHON: Final = "/opt/otlp2parquet/python3"
EMULATOR: Final = "qemu-aarch64-static"
LAMBDA_UID: Final = 993
MEGABYTE: Final = 1_048_576
MACHINES: Final = {"x86_64": "x86_64", "aarch64": "arm64"}
HOST: Final = MACHINES[platform.machine()]


def zip_file(arch: str) -> Path:
    """Return the built zip of an architecture."""
    return DIST / f"otlp2parquet-ext-{arch}.zip"


@dataclass(frozen=True)
class Ended:
    """A program that ran in a root."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Root:
    """A folder with /opt from the zip, and empty /tmp, /proc and /dev/null."""

    arch: str
    path: Path

    @property
    def emulated(self) -> bool:
        """Say whether this machine needs an emulator for it."""
        return self.arch != HOST

    def at_opt(self, *command: str) -> tuple[str, ...]:
        """Return the prefix that runs a command in a root whose /opt is the layer's."""
        enter = 'mount --bind "$1" /opt && shift && exec "$@"'
        opt = str(self.path / "opt")
        return ("unshare", "--mount", "sh", "-c", enter, "enter", opt, *command)

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        files: Mapping[str, bytes] | None = None,
        uid: int = 0,
        read_only: bool = False,
        cwd: str = "/",
        tmp_bytes: int = 256 * MEGABYTE,
    ) -> Ended:
        """Run a program in the root and wait for it.

        Args:
            argv: its path in the root, and arguments.
            env: its whole environment.
            files: written below /tmp before, by their absolute paths.
            uid: what it runs as; only where nothing is emulated.
            read_only: all but /tmp.
            cwd: its working directory.
            tmp_bytes: what /tmp holds.
        """
        what = {
            "root": str(self.path),
            "emulator": shutil.which(EMULATOR) if self.emulated else "",
            "argv": list(argv),
            "env": dict(env or {}),
            "files": {name: content.hex() for name, content in (files or {}).items()},
            "uid": uid,
            "read_only": read_only,
            "cwd": cwd,
            "tmp_bytes": tmp_bytes,
            "shared": [],
            "inherit": False,
        }
        done = subprocess.run(
            self.entering(what), capture_output=True, text=True, check=False, timeout=110
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def entering(self, what: Mapping[str, object]) -> list[str]:
        """Return the command that becomes a program inside the root; see `enter.py`."""
        return [*self.namespaces(), sys.executable, str(ENTER), json.dumps(what)]

    def extension(
        self,
        shared: Path,
        *,
        uid: int = 0,
        read_only: bool = False,
        env: Mapping[str, str] | None = None,
        tmp_bytes: int = 256 * MEGABYTE,
    ) -> list[str]:
        """Return the command that runs the layer's extension in the root.

        It has the environment it is started with and `env`, and one folder of this machine under
        its own path: where its lake and spool lie, for the test to read.
        """
        what: dict[str, object] = {
            "root": str(self.path),
            "emulator": shutil.which(EMULATOR) if self.emulated else "",
            "argv": [EXTENSION],
            "env": dict(env or {}),
            "files": {},
            "uid": uid,
            "read_only": read_only,
            "cwd": "/",
            "tmp_bytes": tmp_bytes,
            "shared": [str(shared)],
            "inherit": True,
        }
        return self.entering(what)

    def namespaces(self) -> list[str]:
        """Return the command that gives a process namespaces of its own.

        The emulator is registered in a user namespace: nothing changes for the machine.
        """
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        if self.emulated:
            command += ["--user", "--map-root-user"]
        return command

    def python(self, code: str, **how: object) -> Ended:
        """Run Python code through the launcher, as the extension is run."""
        return self.run([START, "-c", code], **how)  # type: ignore[arg-type]

    def program(self, name: str, **how: object) -> Ended:
        """Run a file of `programs/` through the launcher."""
        files = {f"/tmp/{name}": (PROGRAMS / name).read_bytes()}
        return self.run([START, f"/tmp/{name}"], files=files, **how)  # type: ignore[arg-type]


def with_layer(
    root: Root, command: Sequence[str], **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of this machine in a root whose /opt is the layer."""
    return subprocess.run(
        root.at_opt(*command),
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
        env=os.environ | variables,
        timeout=400,
    )


def unpack(arch: str, path: Path) -> Root:
    """Unpack a zip as Lambda does: files, and their modes."""
    for folder in ("opt", "tmp", "proc", "dev"):
        (path / folder).mkdir(parents=True)
    (path / "dev/null").touch()
    with zipfile.ZipFile(zip_file(arch)) as source:
        for entry in source.infolist():
            Path(source.extract(entry, path / "opt")).chmod(entry.external_attr >> 16 & 0o7777)
    for inside in (path, *path.rglob("*")):
        if inside.is_dir():
            inside.chmod(0o755)
    return Root(arch, path)


@dataclass
class Roots:
    """Makes each root once."""

    below: Path
    made: dict[str, Root] = field(default_factory=dict)

    def of(self, arch: str) -> Root:
        """Return the root of an architecture."""
        if arch not in self.made:
            self.made[arch] = unpack(arch, self.below / arch)
        return self.made[arch]


def why_not(arch: str) -> str:
    """Return what keeps tests of an architecture from running here; nothing keeps them: empty."""
    if not zip_file(arch).exists():
        return f"{zip_file(arch).name} is not built: layer/prepare && make layer"
    if os.geteuid() != 0:
        return "changing the root needs root"
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], check=False).returncode:
        return "this machine gives no namespaces"
    return "" if arch == HOST else why_not_emulated()


def why_not_emulated() -> str:
    """Return what keeps programs of another architecture from running here."""
    if shutil.which(EMULATOR) is None:
        return f"{EMULATOR} is not installed: as root, layer/prepare"
    private = ["unshare", "--user", "--map-root-user", "--mount"]
    mount = ["mount", "-t", "binfmt_misc", "none", "/proc/sys/fs/binfmt_misc"]
    if subprocess.run([*private, *mount], check=False, capture_output=True).returncode:
        return "emulating needs Linux 6.7, where binfmt_misc belongs to a user namespace"
    return ""
