"""Building: the same again each time, from the machine's own sources, with clear refusals."""

import platform
import shutil
import tomllib
import zipfile
from pathlib import Path

import pytest
from layer_roots import CHECKOUT, MACHINES, zip_file

from layer import elf, plan, sources, tools, trim, wheels

HOST = MACHINES[platform.machine()]
DOWNLOADS = CHECKOUT / "build/layer"


@pytest.mark.layer
def test_two_builds_from_the_same_inputs_are_byte_identical() -> None:
    """A reader who doubts a published layer can build it and compare."""
    again = CHECKOUT / "build/layer-again" / zip_file(HOST).name
    if not zip_file(HOST).exists() or not again.exists():
        pytest.skip("the layer was not built twice: make layer layer-again")
    assert differing(again, zip_file(HOST)) == []
    assert again.read_bytes() == zip_file(HOST).read_bytes()


def differing(one: Path, other: Path) -> list[str]:
    """Return the entries that differ, because two hashes would not show them."""
    left, right = zipfile.ZipFile(one), zipfile.ZipFile(other)
    names = set(left.namelist()) ^ set(right.namelist())
    both = set(left.namelist()) & set(right.namelist())
    return sorted(names | {n for n in both if left.getinfo(n).CRC != right.getinfo(n).CRC})


def test_sources_are_found_in_both_formats_of_apt(tmp_path: Path) -> None:
    """Images of Debian 12 and later have stanzas, older ones and most mirrors have lines."""
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(
        "# deb http://no bookworm main\n"
        "deb [arch=amd64 signed-by=/keys/a.gpg] http://one/debian bookworm main contrib\n"
        "deb-src http://no/debian bookworm main\n"
    )
    (tmp_path / "sources.list.d/x.sources").write_text(
        "Types: deb\n# http://comment\nURIs: http://two/debian\nSuites: bookworm bookworm-updates\n"
        "Components: main\nSigned-By: /keys/b.gpg\n\n"
        "Types: deb\nEnabled: no\nURIs: http://no/debian\nSuites: bookworm\nComponents: main\n"
    )
    assert sources.read(tmp_path) == [
        sources.Source("http://one/debian", ("bookworm",), "/keys/a.gpg"),
        sources.Source("http://two/debian", ("bookworm", "bookworm-updates"), "/keys/b.gpg"),
    ]


def test_a_key_ring_that_is_not_there_is_refused() -> None:
    """Packages without a checked signature must not get into the layer."""
    with pytest.raises(SystemExit, match=r"/no/such/keys\.gpg"):
        sources.of_machine("http://mirror.invalid/debian", "/no/such/keys.gpg")


def test_a_missing_program_is_named_with_its_package() -> None:
    """The user can install it at once."""
    with pytest.raises(SystemExit, match="apt-get install patchelf-of-nobody"):
        tools.require(["patchelf-of-nobody"])


def test_an_unknown_interpreter_is_refused_with_those_there_are() -> None:
    """`--python 3.12` is a typing error, not a download."""
    with pytest.raises(
        SystemExit, match=r"interpreter '3\.12': expected one of 3\.15, 3\.14, 3\.13"
    ):
        plan.target(plan.load(), "x86_64", "3.12")


def test_a_rule_that_finds_nothing_stops_the_build(tmp_path: Path) -> None:
    """The package changed; silently shipping what was left out before would break the budget."""
    rule = trim.Rule(reason="gone", proof="none", paths=("lib/no-such-*",))
    with pytest.raises(SystemExit, match="gone"):
        trim.leave_out([rule], plan.target(plan.load(), "x86_64"), tmp_path)


def test_a_library_nobody_brings_stops_the_build(tmp_path: Path) -> None:
    """Otherwise it would fail in a user's function."""
    shutil.copyfile("/bin/true", tmp_path / "program")
    loader = plan.target(plan.load(), HOST).arch.loader
    with pytest.raises(SystemExit, match=r"program needs libc\.so\.6"):
        elf.complete(tmp_path, {loader: Path("/bin/true")}, plan.target(plan.load(), HOST))


def test_requirements_are_pinned_by_hash_and_name_no_address() -> None:
    """Where packages come from is the machine's business."""
    text = wheels.REQUIREMENTS.read_text()
    assert "://" not in text
    assert "--index" not in text
    assert "--find" not in text
    for entry in wheels.requirements(text).values():
        assert entry.count("--hash=sha256:") >= 1


def test_everything_the_package_depends_on_is_in_the_layers_requirements() -> None:
    """A dependency added to pyproject.toml would be missing in Lambda only: `make layer-lock`."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    pinned = wheels.requirements(wheels.REQUIREMENTS.read_text())
    for dependency in project["dependencies"]:
        name = dependency.split(">")[0].split("[")[0].split("=")[0].split("<")[0]
        assert name.lower() in pinned
