"""The parts that the layer leaves out are not needed: each rule of trim.toml names its test."""

import re
from pathlib import Path

import pytest
from layer_roots import PROGRAMS, PYTHON, START, Root

from layer import plan, trim

TRIMMED = "test_everything_the_extension_does_works"


def proves(name: str, root: Root, env: dict[str, str] | None = None) -> None:
    """Run one function of `programs/behaviour.py`."""
    files = {"/tmp/behaviour.py": (PROGRAMS / "behaviour.py").read_bytes()}
    ended = root.run([START, "/tmp/behaviour.py", name], files=files, env=env)
    assert (ended.code, ended.out, ended.err) == (0, "done\n", ""), ended.err


def test_every_rule_names_a_test_that_exists() -> None:
    """A rule without a proof is an opinion."""
    known = set(re.findall(r"^def (test_\w+)", "".join(read_tests()), re.MULTILINE))
    proofs = {TRIMMED if one.proof == "trimmed" else one.proof for one in trim.rules()}
    assert proofs <= known


def read_tests() -> list[str]:
    """Return the texts of this folder's tests."""
    return [file.read_text() for file in sorted(Path(__file__).parent.glob("test_*.py"))]


def test_every_shim_is_asked_for_by_a_rule() -> None:
    """A stand-in that no rule copies is dead code."""
    asked = {shim for one in trim.rules() for shim in one.shims}
    there = {
        file.relative_to(trim.SHIMS).with_suffix("").as_posix() for file in trim.SHIMS.rglob("*.py")
    }
    assert asked == there


@pytest.mark.parametrize("python", ["3.13", "3.14", "3.15"])
def test_rules_for_newer_interpreters_are_left_aside_by_older_ones(python: str) -> None:
    """An interpreter without zstd of its own needs `zstandard`."""
    target = plan.target(plan.load(), "x86_64", python)
    unwanted = {package for one in trim.rules_for(target) for package in one.packages}
    assert ("zstandard" in unwanted) == (python != "3.13")


def test_timestamps_become_python_values_in_utc(root: Root) -> None:
    """Of the time zones only UTC is here."""
    proves("times", root)


def test_zstd_in_avro_and_puffin_works_without_the_package(root: Root) -> None:
    """The interpreter's own zstd replaces 22 MB."""
    proves("zstd", root)


def test_a_response_without_a_charset_is_read_as_utf_8(root: Root) -> None:
    """Nothing is guessed any more."""
    proves("charset", root)


def test_catalogs_of_aws_are_reached(root: Root) -> None:
    """botocore's data is reduced to theirs. REST catalogs work, too, signed or not."""
    proves("catalogs", root)


def test_a_catalog_that_is_left_out_is_refused_with_a_reason(root: Root) -> None:
    """A traceback would not tell what the layer lacks."""
    proves("left_out", root)


def test_a_store_that_is_not_ours_is_refused_with_a_reason(root: Root) -> None:
    """Other clouds, and S3 through a role: in the layer only our own requests are there."""
    proves("stores", root)


def test_settings_of_pyiceberg_come_from_variables(root: Root) -> None:
    """They pass the launcher unchanged."""
    proves("variables", root, {"PYICEBERG_CATALOG__LAKE__URI": "sqlite:////tmp/c.db"})


def test_every_library_trusts_the_certificates_of_the_layer(root: Root) -> None:
    """The function's image may have none, or elsewhere."""
    proves("certificates", root, {"SSL_CERT_FILE": "/nonexistent", "SSL_CERT_DIR": "/tmp"})


def test_no_symbol_is_missing_from_the_libraries_left(root: Root) -> None:
    """pyarrow's modules name libraries of queries; what they use of these is in a stub."""
    files = {"/tmp/behaviour.py": (PROGRAMS / "behaviour.py").read_bytes()}
    ended = root.run(
        [PYTHON, "/tmp/behaviour.py", "symbols"], files=files, env={"LD_BIND_NOW": "1"}
    )
    assert (ended.code, ended.out) == (0, "done\n"), ended.err
