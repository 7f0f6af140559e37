"""The layer's bill of materials is CycloneDX and names everything; Debian's versions are pinned."""

from __future__ import annotations

import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest
from layer_roots import zip_file
from referencing import Registry, Resource

from layer import pins, plan, sbom
from layer.distribution import Package

BASE = "http://cyclonedx.org/schema/"
"""Where the schemas name each other; nothing is fetched."""

MANIFEST = {
    "layer": "otlp2parquet-ext 0.1.0",
    "licence": "Apache-2.0",
    "architecture": "arm64",
    "python": "3.15",
    "packages": [
        {
            "name": "python3.15-minimal",
            "version": "3.15.0~rc2-1+b1",
            "sha256": "a" * 64,
            "from": "Debian testing, arm64",
            "licence": "GPL-2+, PSF-2",
        },
        {
            "name": "zlib1g",
            "version": "1:1.3.dfsg+really1.3.1-1+b1",
            "sha256": "b" * 64,
            "from": "Debian testing, arm64",
            "licence": "Zlib",
        },
        {
            "name": "typing_extensions",
            "version": "4.15.0",
            "sha256": "c" * 64,
            "from": "PyPI, typing_extensions-4.15.0-py3-none-any.whl",
            "licence": "PSF-2.0",
        },
        {
            "name": "botocore",
            "version": "1.40.0",
            "sha256": "d" * 64,
            "from": "PyPI, botocore-1.40.0-py3-none-any.whl",
            "licence": "see the licence files",
        },
        {
            "name": "numpy",
            "version": "2.3.0",
            "sha256": "e" * 64,
            "from": "PyPI, numpy-2.3.0.whl",
            "licence": "BSD-3-Clause AND MIT",
        },
    ],
}


def schema(name: str) -> Any:
    """Return a schema of CycloneDX, as its own library for Python brings it."""
    file = files("cyclonedx.schema") / "_res" / f"{name}.SNAPSHOT.schema.json"
    return json.loads(file.read_text("utf-8"))


def validate(document: object) -> None:
    """Check a document; raises `ValidationError`."""
    registry: Registry[Any] = Registry().with_resources(
        (f"{BASE}{name}.SNAPSHOT.schema.json", Resource.from_contents(schema(name)))
        for name in ("spdx", "jsf-0.82")
    )
    validator = jsonschema.Draft7Validator(schema("bom-1.6"), registry=registry)
    validator.validate(document)


def test_the_bill_is_cyclonedx() -> None:
    """Scanners read nothing else."""
    validate(sbom.bill(MANIFEST, "f" * 64))


def test_the_check_finds_what_is_not_cyclonedx() -> None:
    """A schema that takes everything would prove nothing."""
    document = sbom.bill(MANIFEST, "f" * 64)
    document["components"][0]["hashes"][0]["alg"] = "SHA-257"
    with pytest.raises(jsonschema.ValidationError):
        validate(document)


def test_each_package_is_a_component_that_scanners_can_look_up() -> None:
    """They use its package URL; the interpreter is also listed as CPython."""
    components = {one["purl"]: one for one in sbom.bill(MANIFEST, "f" * 64)["components"]}
    assert components.keys() == {
        "pkg:deb/debian/python3.15-minimal@3.15.0~rc2-1%2Bb1?arch=arm64",
        "pkg:deb/debian/zlib1g@1:1.3.dfsg%2Breally1.3.1-1%2Bb1?arch=arm64",
        "pkg:generic/cpython@3.15.0rc2",
        "pkg:pypi/typing-extensions@4.15.0",
        "pkg:pypi/botocore@1.40.0",
        "pkg:pypi/numpy@2.3.0",
    }
    python = components["pkg:generic/cpython@3.15.0rc2"]
    assert python["cpe"] == "cpe:2.3:a:python:python:3.15.0:rc2:*:*:*:*:*:*"
    assert python["licenses"] == [{"license": {"id": "PSF-2.0"}}]
    numpy = components["pkg:pypi/numpy@2.3.0"]
    assert numpy["licenses"] == [{"expression": "BSD-3-Clause AND MIT"}]
    assert numpy["hashes"] == [{"alg": "SHA-256", "content": "e" * 64}]
    assert "licenses" not in components["pkg:pypi/botocore@1.40.0"]


@pytest.mark.parametrize(
    ("debian", "upstream"),
    [("3.15.0-1", "3.15.0"), ("3.15.0~b4-2", "3.15.0b4"), ("1:3.13.5-2+deb13u5", "3.13.5")],
)
def test_the_interpreters_version_is_upstreams(debian: str, upstream: str) -> None:
    """Lists of vulnerabilities know no revisions of Debian's."""
    assert sbom.upstream_version(debian) == upstream


def test_equal_zips_have_equal_bills() -> None:
    """A reader who builds the layer compares the bill, too."""
    assert sbom.bill(MANIFEST, "f" * 64) == sbom.bill(MANIFEST, "f" * 64)
    other = sbom.bill(MANIFEST, "0" * 64)
    assert other["serialNumber"] != sbom.bill(MANIFEST, "f" * 64)["serialNumber"]


@pytest.mark.layer
def test_what_lies_beside_a_zip_verifies_it(arch: str) -> None:
    """Every package of its manifest is in the bill, and the checksum is the zip's."""
    file = zip_file(arch)
    bill = json.loads(file.with_suffix(".cdx.json").read_text("utf-8"))
    validate(bill)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert file.with_suffix(".zip.sha256").read_text() == f"{sha256}  {file.name}\n"
    assert bill["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": sha256}]
    named = {one["name"] for one in bill["components"]}
    assert {"cpython", "libc6", "pyarrow", "msgspec"} <= named
    assert all(re.fullmatch(r"pkg:\w+/[^@]+@[^?]+.*", one["purl"]) for one in bill["components"])
    pinned = pins.pinned(plan.target(plan.load(), arch))
    versions = {one["name"]: unquote(one["version"]) for one in bill["components"]}
    assert {name: versions[name] for name in pinned} == {n: p.version for n, p in pinned.items()}


def package(name: str, version: str, sha256: str = "a") -> Package:
    """Return a package as it was fetched."""
    return Package(name, version, "amd64", sha256, Path(f"{name}.deb"))


@pytest.fixture
def accepted(tmp_path: Path) -> Path:
    """A file of pins for two packages."""
    file = tmp_path / "debian.json"
    pins.check(TARGET, [package("a", "1"), package("b", "1")], accept=True, file=file)
    return file


TARGET = plan.target(plan.load(), "x86_64")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([package("a", "2"), package("b", "1")], "a: 1 became 2"),
        ([package("a", "1", "x"), package("b", "1")], "a: 1 with other content: a became x"),
        ([package("a", "1")], "b: pinned, and no longer fetched"),
        ([package("a", "1"), package("b", "1"), package("c", "3")], "c: 3, which is not pinned"),
    ],
)
def test_a_package_that_is_not_the_pinned_one_stops_the_build(
    accepted: Path, found: list[Package], said: str
) -> None:
    """A mirror decides which version comes, and this must not change the layer."""
    before = accepted.read_text()
    with pytest.raises(SystemExit, match="nothing is built") as stopped:
        pins.check(TARGET, found, accept=False, file=accepted)
    assert said in str(stopped.value)
    assert pins.FLAG in str(stopped.value)
    assert accepted.read_text() == before


def test_a_change_that_is_accepted_is_said_and_pinned(
    accepted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next build needs no option, and the file's history shows who accepted the change."""
    found = [package("a", "2"), package("b", "1")]
    pins.check(TARGET, found, accept=True, file=accepted)
    assert "a: 1 became 2" in capsys.readouterr().err
    pins.check(TARGET, found, accept=False, file=accepted)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("arch", ["x86_64", "arm64"])
def test_every_package_of_the_plan_is_pinned(arch: str) -> None:
    """Otherwise the first build of a checkout stops."""
    target = plan.target(plan.load(), arch)
    known = pins.pinned(target)
    assert {*target.packages, target.licences} <= known.keys()
    assert all(re.fullmatch(r"[0-9a-f]{64}", pin.sha256) for pin in known.values())
