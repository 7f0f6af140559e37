"""The result of `pip install`: inspected, run, and checked by a type checker.

`make test-tools TOOLS=dist` builds and installs it.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from built_tools import CONTENTS, needed
from places import soon

from otlp2parquet_ext import __version__
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_catalog import catalog_table
from otlp2parquet_ext.lake.iceberg.commit.terms import USUAL
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.tools import cli

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
TYPED_CLIENT = """\
from otlp2parquet_ext.common.settings.settings import Settings, load

settings: Settings = load({"MAX_ITEMS": "5"})[0]
items: int = settings.max_items
wrong: str = settings.max_items
"""


def run(*command: str | Path, folder: Path | None = None) -> str:
    """Run a command that has to succeed; return what it printed."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist() -> Path:
    """Give the source distribution."""
    (found,) = (needed("dist") / "sdist").iterdir()
    return found


@pytest.fixture(scope="module")
def wheel() -> Path:
    """Give the wheel, built from the source distribution."""
    (found,) = (needed("dist") / "wheel").iterdir()
    return found


@pytest.fixture(scope="module")
def installed() -> Path:
    """Give an environment with the wheel in it; it sees this one's libraries."""
    return needed("dist") / "installed"


def metadata(wheel: Path) -> Mapping[str, list[str]]:
    """Return a wheel's metadata, each field with all its values."""
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (n for n in opened.namelist() if n.endswith(".dist-info/METADATA"))
        message = message_from_string(opened.read(name).decode())
    return {field: message.get_all(field, []) for field in message}


def test_the_wheel_has_every_module_what_they_read_and_nothing_else(wheel: Path) -> None:
    """The sample function of `demo`, the marker of a typed package; no test, no doc."""
    with zipfile.ZipFile(wheel) as opened:
        names = {n for n in opened.namelist() if ".dist-info/" not in n}
    ours = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "otlp2parquet_ext").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == ours
    assert {"otlp2parquet_ext/py.typed", "otlp2parquet_ext/tools/local/sample/app.py"} <= names


def test_the_source_distribution_has_what_a_wheel_is_built_from(sdist: Path) -> None:
    """It has no tests, and not the layer's build."""
    with tarfile.open(sdist) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    top = {name.partition("/")[0] for name in names} - {"", "PKG-INFO", "setup.cfg"}
    assert top == {*CONTENTS, "otlp2parquet_ext", "otlp2parquet_ext.egg-info"}


def test_the_metadata_says_what_an_index_shows(wheel: Path) -> None:
    """Version, licence, page, extras."""
    found = metadata(wheel)
    assert found["Version"] == [__version__]
    assert found["License-Expression"] == ["Apache-2.0"]
    assert found["Description-Content-Type"] == ["text/markdown"]
    assert set(found["Provides-Extra"]) == {"all", "completion", "glue", "local", "report"}
    assert "Typing :: Typed" in found["Classifier"]
    assert found["Keywords"]


def test_no_extra_that_is_named_to_users_is_missing(wheel: Path) -> None:
    """A message with `pip install 'otlp2parquet-ext[report]'` has to be right."""
    extras = {extra for command in cli.COMMANDS for extra in command.extra.split(",") if extra}
    assert extras <= set(metadata(wheel)["Provides-Extra"])


def test_the_program_runs_where_it_is_installed(installed: Path, tmp_path: Path) -> None:
    """From another folder than the checkout, with the package of the wheel."""
    program = installed / "bin" / "otlp2parquet-ext"
    assert run(program, "--version", folder=tmp_path) == f"otlp2parquet-ext {__version__}\n"
    said = run(program, "check", f"file://{tmp_path}/lake", folder=tmp_path)
    assert "files can be written" in said
    where = "import otlp2parquet_ext; print(otlp2parquet_ext.__file__)"
    found = run(installed / "bin" / "python", "-c", where, folder=tmp_path)
    assert found.startswith(str(installed))


@pytest.mark.parametrize("command", cli.names())
def test_every_command_explains_itself_where_it_is_installed(
    installed: Path, tmp_path: Path, command: str
) -> None:
    """Its module came along."""
    program = installed / "bin" / "otlp2parquet-ext"
    assert "examples:" in run(program, command, "--help", folder=tmp_path)


def test_a_type_checker_sees_the_types(installed: Path, tmp_path: Path) -> None:
    """Users of the package in code get errors for mistakes."""
    client = tmp_path / "client.py"
    client.write_text(TYPED_CLIENT)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")]
    command += ["--python-executable", str(installed / "bin" / "python"), str(client)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stdout.splitlines()[:-1] == [
        (
            "client.py:5: error: Incompatible types in assignment (expression has type "
            '"int", variable has type "str")  [assignment]'
        )
    ]


def test_a_catalog_that_needs_boto3_says_which_extra_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And which destination does without."""
    monkeypatch.delitem(sys.modules, "pyiceberg.catalog.glue", raising=False)
    monkeypatch.setitem(sys.modules, "boto3", None)
    environ = {"PYICEBERG_CATALOG__LAKE__TYPE": "glue", "AWS_REGION": "eu-west-1"}
    with pytest.raises(CommitError, match=r"pip install 'otlp2parquet-ext\[glue\]'; glue://"):
        catalog_table("lake", "otel", "logs", environ, location="s3://b/x", terms=USUAL).location(
            soon()
        )
