"""The tests of the core on what is shipped: interpreter, libraries, lazy imports.

The end-to-end tests run on the layer's process by `make test ON=layer`.
"""

from __future__ import annotations

import sys

import pytest
from layer_roots import CHECKOUT, START, Root, with_layer
from portable import portable_files

pytestmark = pytest.mark.layer

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


@pytest.mark.timeout(420)
def test_the_tests_of_the_core_pass_on_the_layers_interpreter(root: Root) -> None:
    """With its lazy imports on, and its libraries before any other."""
    tools = [path for path in sys.path if path.endswith("site-packages")]
    # pytest needs modules of the standard library that the layer leaves out.
    whole = CHECKOUT.glob(f"build/layer/distribution-*-{root.arch}/usr/lib/python3.*")
    tools += [str(path) for path in whole]
    arguments = [
        *map(str, portable_files()),
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
