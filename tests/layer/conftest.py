"""Fixtures: roots made of the built zips; a test that cannot run is skipped with the reason."""

from pathlib import Path

import pytest
from built_tools import needed
from layer_roots import HOST, Root, Roots, why_not, zip_file

ARCHES = ("x86_64", "arm64")


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
    """Give a root of each architecture that can run here, in turn."""
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
