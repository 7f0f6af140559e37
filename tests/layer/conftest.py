"""Fixtures: roots made of the built zips; tests say why they cannot run where they cannot."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest
from built_tools import needed
from layer_roots import EMULATOR, MACHINES, Root, Roots, zip_file

ARCHES = ("x86_64", "arm64")
HOST = MACHINES[platform.machine()]


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


@pytest.fixture(scope="session")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Roots:
    """Give roots, each unpacked once."""
    return Roots(tmp_path_factory.mktemp("roots"))


@pytest.fixture(params=ARCHES)
def arch(request: pytest.FixtureRequest) -> str:
    """Give each architecture in turn, if its zip is there to be read."""
    name = str(request.param)
    if not zip_file(name).exists():
        pytest.skip(f"{zip_file(name).name} is not built: layer/prepare && make layer")
    return name


@pytest.fixture(params=ARCHES)
def each_root(request: pytest.FixtureRequest, roots: Roots) -> Root:
    """Give a root of each architecture in turn, where it can run."""
    if reason := why_not(str(request.param)):
        pytest.skip(reason)
    return roots.of(str(request.param))


@pytest.fixture
def root(roots: Roots) -> Root:
    """Give the root of this machine's own architecture."""
    if reason := why_not(HOST):
        pytest.skip(reason)
    return roots.of(HOST)


@pytest.fixture
def tools() -> Path:
    """Give the folder of the AWS command line and moto, in a virtual environment of their own."""
    return needed("aws") / "bin"
