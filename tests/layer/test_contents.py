"""The contents of the zips: complete, minimal, and the same each time."""

import json
import random
import re
import subprocess
import zipfile
from pathlib import Path

import pytest
from layer_roots import zip_file

from layer import archive, plan

pytestmark = pytest.mark.layer


@pytest.fixture
def content(arch: str) -> zipfile.ZipFile:
    """Open the zip of each architecture in turn."""
    return zipfile.ZipFile(zip_file(arch))


def test_the_zip_is_within_the_budget(arch: str, content: zipfile.ZipFile) -> None:
    """The budget is a tenth above the present size, so that growth is a decision."""
    limits = plan.budget(plan.load())
    assert zip_file(arch).stat().st_size <= limits.zip
    assert sum(entry.file_size for entry in content.infolist()) <= limits.unpacked


def test_only_our_two_folders_are_in_the_layer(content: zipfile.ZipFile) -> None:
    """/opt/python, /opt/lib and /opt/bin belong to the function."""
    names = content.namelist()
    assert [name for name in names if name.startswith("extensions/")] == ["extensions/otlp2parquet"]
    assert {name.split("/")[0] for name in names} == {"extensions", "otlp2parquet"}


def test_what_must_run_can_run_and_everybody_can_read(arch: str, content: zipfile.ZipFile) -> None:
    """Lambda keeps the modes of the zip; without the execute bit the function would not start."""
    loader = plan.target(plan.load(), arch).arch.loader
    home = "otlp2parquet"
    programs = {"extensions/otlp2parquet", f"{home}/start", f"{home}/python3"}
    modes = {entry.filename: entry.external_attr >> 16 for entry in content.infolist()}
    assert {name for name, mode in modes.items() if mode == 0o100755} == {
        *programs,
        f"{home}/lib/{loader}",
    }
    assert set(modes.values()) == {0o100755, 0o100644}


def test_the_zip_is_sound_and_its_entries_are_sorted_and_carry_one_date(
    content: zipfile.ZipFile,
) -> None:
    """We write the format ourselves: other readers must find nothing wrong with it."""
    assert content.testzip() is None
    assert content.namelist() == sorted(content.namelist())
    assert {entry.date_time for entry in content.infolist()} == {(2020, 1, 1, 0, 0, 0)}


def test_byte_code_needs_no_source_and_is_never_checked_against_it(
    content: zipfile.ZipFile,
) -> None:
    """A read-only layer cannot write byte-code later; compiling at start would cost seconds."""
    names = [name for name in content.namelist() if name.startswith("otlp2parquet/lib/")]
    assert not [name for name in names if name.endswith(".py")]
    compiled = [name for name in names if name.endswith(".pyc")]
    assert len(compiled) > 500
    assert {content.read(name)[4:8] for name in compiled} == {b"\1\0\0\0"}


def test_no_path_of_the_building_machine_is_inside(content: zipfile.ZipFile) -> None:
    """Paths would differ between builds, and could reveal private names."""
    checkout = str(plan.CHECKOUT).encode()
    assert [name for name in content.namelist() if checkout in content.read(name)] == []


def test_the_manifest_names_every_package_its_hash_and_its_licence(
    arch: str, content: zipfile.ZipFile
) -> None:
    """Users of the layer have to know its contents."""
    manifest = json.loads(content.read("otlp2parquet/manifest.json"))
    assert manifest["architecture"] == arch
    packages = manifest["packages"]
    assert {"libc6", "libssl3t64", "pyarrow", "msgspec"} <= {one["name"] for one in packages}
    for one in packages:
        assert re.fullmatch("[0-9a-f]{64}", one["sha256"])
        assert one["version"]
        assert one["licence"]


def test_each_package_has_its_licence_text(content: zipfile.ZipFile) -> None:
    """Most licences ask for their text to travel along."""
    texts = {Path(n).name.lower() for n in content.namelist() if "/licences/" in n}
    manifest = json.loads(content.read("otlp2parquet/manifest.json"))
    for one in manifest["packages"]:
        stem = re.escape(one["name"].lower()).replace(r"\-", "[-_]")
        assert [text for text in texts if re.match(rf"{stem}[-.]", text)], one["name"]


def test_every_library_finds_what_it_needs_inside(arch: str, tmp_path: Path) -> None:
    """Names are looked up by DT_RPATH, which a variable of the function cannot override."""
    with zipfile.ZipFile(zip_file(arch)) as content:
        content.extractall(tmp_path)
    own = {path.name for path in tmp_path.rglob("*")}
    for path in tmp_path.rglob("*"):
        if not path.is_file() or path.open("rb").read(4) != b"\x7fELF":
            continue
        said = subprocess.run(["readelf", "-dW", path], capture_output=True, text=True, check=True)
        assert set(re.findall(r"NEEDED.*\[(.*)\]", said.stdout)) <= own, path.name
        assert "RUNPATH" not in said.stdout, path.name


def test_equal_trees_give_equal_zips(tmp_path: Path) -> None:
    """Order, times and owners of the files do not matter."""
    for name, order in (("one", "ab"), ("two", "ba")):
        for letter in order:
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / letter).write_text(letter * 1000)
        archive.write(archive.entries(tmp_path / name), "2020-01-01", tmp_path / f"{name}.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert zipfile.ZipFile(tmp_path / "one.zip").read("b") == b"b" * 1000


def test_a_file_comes_back_however_well_it_compresses(tmp_path: Path) -> None:
    """Smaller, larger, or to the byte as large as it was: that one was marked wrongly once."""
    (tmp_path / "tree").mkdir()
    chance = random.Random(0)
    for number in range(300):
        text = "".join(chance.choices("abcdefghijklmnop", k=number // 4))
        (tmp_path / "tree" / f"{number:03}").write_text(text + "x" * (number % 13))
    content = archive.entries(tmp_path / "tree")
    sizes = {
        one.name: len(archive.deflate((tmp_path / "tree" / one.name).read_bytes()))
        for one in content
    }
    assert any(sizes[one.name] == one.size for one in content)
    archive.write(content, "2020-01-01", tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as read:
        assert read.testzip() is None
