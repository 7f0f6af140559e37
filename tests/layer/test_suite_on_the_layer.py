"""The project's own tests once more, on what is shipped: interpreter, libraries, lazy imports."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from layer_roots import CHECKOUT, EXTENSION, START, Root

pytestmark = pytest.mark.layer

FOLDERS = ("core", "mapping", "tables", "telemetry", "shell")
NOT_THERE = (
    "hypothesis",
    "opentelemetry",
    "import duckdb",
    "_any_bytes",
    "otlp2parquet_ext.cli",
    "otlp2parquet_ext.commands",
    "import hot_loop",
    "import local",
    "import query",
)
"""What some test files need and the layer has not: native libraries, rooms that stay out of it."""
RUN = """
import sys
import lazily
sys.path += {path!r}
import pytest  # eager, as the tests: they look at their own modules, and are not what is shipped
ours = ("_pytest", "pytest", "pluggy", "test_", "conftest")
sys.set_lazy_imports_filter(
    lambda importer, name, names: not importer.startswith(ours)
    and lazily.may_wait(importer, name, names)
)
sys.set_lazy_imports("all")
sys.exit(pytest.main({arguments!r}))
"""


def with_layer(
    root: Root, command: list[str], **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of this machine where /opt is the layer."""
    return subprocess.run(
        root.at_opt(*command),
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
        env=os.environ | variables,
        timeout=400,
    )


@pytest.mark.timeout(420)
def test_the_extension_of_the_layer_passes_every_end_to_end_test(root: Root) -> None:
    """Kills, freezes, late telemetry, refusals: with the layer's process instead of ours."""
    pytest_ = [sys.executable, "-m", "pytest", "tests/e2e", "-p", "no:cacheprovider"]
    done = with_layer(root, pytest_, OTLP2PARQUET_TEST_EXTENSION=EXTENSION)
    assert done.returncode == 0, done.stdout[-5_000:]
    assert " passed" in done.stdout


@pytest.mark.timeout(420)
def test_the_tests_of_the_core_pass_on_the_layers_interpreter(root: Root) -> None:
    """With its lazy imports on, and its libraries before any other."""
    tools = [path for path in sys.path if path.endswith("site-packages")]
    # pytest needs modules of the standard library that the layer leaves out.
    whole = CHECKOUT.glob(f"build/layer/distribution-*-{root.arch}/usr/lib/python3.*")
    tools += [str(path) for path in whole]
    files = [f for name in FOLDERS for f in (CHECKOUT / "tests" / name).glob("test_*.py")]
    portable = [str(f) for f in files if not any(word in f.read_text() for word in NOT_THERE)]
    assert len(portable) >= len(files) // 2
    arguments = [
        *portable,
        "-q",
        "--noconftest",  # its servers are for tests of destinations
        "-p",
        "no:debugging",
        "-p",
        "no:unittest",
        "-p",
        "no:cacheprovider",
        "-p",
        "pytest_asyncio.plugin",
        "-o",
        "asyncio_mode=auto",
        "-c",
        "/dev/null",
        "--rootdir=.",
    ]
    code = RUN.format(path=[*tools, str(CHECKOUT)], arguments=arguments)
    done = with_layer(root, [START, "-c", code], PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-5_000:]
    assert " passed" in done.stdout
