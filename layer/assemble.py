"""Builds one zip from its parts, step by step, in a tree like /opt.

debs ─▶ interpreter ┐
wheels ─▶ packages  ├─▶ leave out ─▶ strip, bind ─▶ byte-code ─▶ manifest ─▶ zip
checkout ─▶ ours    ┘
"""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

from layer import archive, bytecode, distribution, elf, manifest, pins, tools, trim, wheels
from layer.plan import CHECKOUT, HERE, HOME, Target

NOT_IN_THE_LAYER: Final = ("tools", "__pycache__", "py.typed")
COMPILE: Final = (
    *("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Os", "-s", "-static", "-nostdlib"),
    *("-ffreestanding", "-fno-stack-protector", "-fno-pie", "-no-pie"),
    *("-fno-asynchronous-unwind-tables", "-fno-ident"),
    *("-Wl,--build-id=none", "-Wl,-z,noexecstack"),
)


class Assembly:
    """The assembly of one zip.

    Args:
        target: the zip to build.
        build: folder of cached downloads and of the tree.
        mirror, keyring: Debian archive and its keys, if not those of this machine.
        accept_debian: accept Debian packages that differ from the pinned ones, and pin them.
    """

    def __init__(
        self,
        target: Target,
        build: Path,
        mirror: str | None = None,
        keyring: str | None = None,
        *,
        accept_debian: bool = False,
    ) -> None:
        self.target = target
        self.build = build
        self.mirror, self.keyring = mirror, keyring
        self.accept_debian = accept_debian
        self.root = build / f"root-{target.python}-{target.arch.name}"
        self.home = self.root / HOME
        self.site = self.home / target.lib / "site-packages"
        self.rules = trim.rules_for(target)

    def make(self, host: Target) -> list[archive.Entry]:
        """Build the tree and return it as the entries of a zip.

        Args:
            host: the target of the same interpreter for this machine, which compiles the byte-code.
        """
        shutil.rmtree(self.root, ignore_errors=True)
        (self.home / "licences").mkdir(parents=True)
        packages, unpacked = self.fetch(self.target)
        fetched = wheels.fetch(self.target, self.build, self.unwanted())
        self.add_interpreter(unpacked)
        wheels.unpack(fetched, self.target, self.site)
        manifest.of_wheels(self.site, self.home / "licences")
        self.add_ours()
        trim.leave_out(self.rules, self.target, self.home)
        trim.add_shims(self.rules, self.site)
        self.bind(unpacked)
        manifest.thin(self.site)
        bytecode.compile_tree(self.home, bytecode.interpreter(self.fetch(host)[1], host))
        self.describe(packages, fetched, unpacked)
        self.set_modes()
        return archive.entries(self.root)

    def unwanted(self) -> set[str]:
        """Return the packages that are not fetched."""
        return {package for one in self.rules for package in one.packages}

    def fetch(self, target: Target) -> tuple[list[distribution.Package], Path]:
        """Return the distribution's packages of a target, and their unpacked tree."""
        packages = distribution.fetch(target, self.build, self.mirror, self.keyring)
        pins.check(target, packages, accept=self.accept_debian)
        tree = self.build / f"distribution-{target.python}-{target.arch.name}"
        if not tree.exists():
            partial = tree.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            distribution.unpack(packages, partial)
            partial.rename(tree)
        return packages, tree

    def add_interpreter(self, unpacked: Path) -> None:
        """Copy the interpreter and its standard library, and configure its search path."""
        shutil.copyfile(unpacked / f"usr/bin/python{self.target.python}", self.home / "python3")
        shutil.copytree(
            unpacked / f"usr/lib/python{self.target.python}",
            self.home / self.target.lib,
            symlinks=True,
        )
        for link in [path for path in self.home.rglob("*") if path.is_symlink()]:
            link.unlink()  # a link to configuration in /etc, which the layer does not have
        lib = f"/opt/{HOME}/{self.target.lib}"
        paths = f"{lib}\n{lib}/lib-dynload\n{lib}/site-packages\n"
        (self.home / "python3._pth").write_text(paths)

    def add_ours(self) -> None:
        """Copy the extension, compile its launcher, and add the files that OpenSSL reads."""
        (self.root / "extensions").mkdir()
        shutil.copyfile(CHECKOUT / "extension/otlp2parquet", self.root / "extensions/otlp2parquet")
        ignored = shutil.ignore_patterns(*NOT_IN_THE_LAYER)
        package = CHECKOUT / "otlp2parquet_ext"
        shutil.copytree(package, self.site / package.name, ignore=ignored)
        shutil.copyfile(HERE / "lazily.py", self.site / "lazily.py")
        compiler = f"{self.target.arch.triplet}-gcc"
        tools.run([compiler, *COMPILE, HERE / "start.c", "-o", self.home / "start"])
        (self.home / "etc").mkdir()
        shutil.copyfile(self.site / "certifi/cacert.pem", self.home / "etc/cert.pem")
        (self.home / "etc/openssl.cnf").write_text("# OpenSSL's defaults, not the function's\n")

    def bind(self, unpacked: Path) -> None:
        """Add the C libraries, strip all programs and libraries, and bind them to each other."""
        for stub in (stub for one in self.rules for stub in one.stubs):
            path, *symbols = stub.format(lib=self.target.lib).split()
            elf.stand_in(self.home / path, symbols, self.target)
        elf.forget(elf.files(self.home), {name for one in self.rules for name in one.libraries})
        available = elf.libraries_of(unpacked, self.target)
        elf.complete(self.home, available, self.target)
        launcher, loader = self.home / "start", self.home / "lib" / self.target.arch.loader
        shared = [path for path in elf.files(self.home) if path not in (launcher, loader)]
        elf.strip(shared, self.target)
        elf.bind_program(self.home / "python3", self.target)
        elf.bind_libraries(path for path in shared if path.name != "python3")

    def describe(
        self, packages: list[distribution.Package], fetched: list[wheels.Wheel], unpacked: Path
    ) -> None:
        """Write the manifest and the licences."""
        manifest.of_debian(unpacked, packages, self.home / "licences")
        manifest.own_licence(self.home / "licences")
        text = manifest.describe(self.target, version(), packages, fetched, unpacked)
        (self.home / "manifest.json").write_text(text)

    def described(self) -> Mapping[str, object]:
        """Return the manifest that `make` wrote."""
        return cast("Mapping[str, object]", json.loads((self.home / "manifest.json").read_text()))

    def set_modes(self) -> None:
        """Make all files readable, and programs executable."""
        programs = {"extensions/otlp2parquet"}
        programs |= {f"{HOME}/{name}" for name in ("python3", "start")}
        programs.add(f"{HOME}/lib/{self.target.arch.loader}")
        for path in self.root.rglob("*"):
            runs = path.is_dir() or path.relative_to(self.root).as_posix() in programs
            path.chmod(0o755 if runs else 0o644)


def version() -> str:
    """Return the version of this checkout."""
    text = (CHECKOUT / "otlp2parquet_ext/__init__.py").read_text()
    found = re.search(r'__version__ = "(.*)"', text)
    assert found is not None
    return found.group(1)
