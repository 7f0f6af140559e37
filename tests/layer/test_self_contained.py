"""The layer needs nothing but itself: proven in roots that contain nothing else.

The whole extension, end to end through `local`, has its place here too: a root's `run` gives a
process in which /opt is the layer, which `local` can start as its extension.
"""

import pytest
from layer_roots import PROGRAMS, PYTHON, START, Root

pytestmark = pytest.mark.layer


def test_everything_the_extension_does_works(each_root: Root) -> None:
    """No library, no data file, no program of the function's image is there to help out."""
    ended = each_root.program("everything.py")
    assert (ended.code, ended.out) == (0, "done\n"), ended.err


def test_nothing_is_written_to_standard_error(root: Root) -> None:
    """Such output appears in the function's logs, and a library's warning would, too."""
    assert root.program("everything.py").err == ""


def test_everything_works_with_lazy_imports(each_root: Root) -> None:
    """The extension turns them on; packages that look at their own modules are left alone."""
    run = "import runpy; runpy.run_path('/tmp/everything.py', run_name='__main__')"
    source = (PROGRAMS / "everything.py").read_bytes()
    ended = each_root.python(
        f"import lazily; lazily.enable(); {run}", files={"/tmp/everything.py": source}
    )
    assert (ended.code, ended.out) == (0, "done\n"), ended.err


def test_the_extension_starts_without_a_shell(each_root: Root) -> None:
    """Its first line names our launcher; without Lambda's API it must get as far as looking."""
    ended = each_root.run(
        ["/opt/extensions/otlp2parquet"], env={"AWS_LAMBDA_RUNTIME_API": "[::]:1"}
    )
    assert "otlp2parquet" in ended.err
    assert "ModuleNotFoundError" not in ended.err


def test_only_the_layer_is_on_the_import_path(each_root: Root) -> None:
    """Nothing of /opt/python or of the working directory, which belong to the function."""
    ended = each_root.python("import sys; print(*sys.path)")
    assert all(path.startswith("/opt/otlp2parquet/lib/") for path in ended.out.split())
    assert len(ended.out.split()) == 3


def test_the_interpreter_can_start_itself(root: Root) -> None:
    """`sys.executable` is bound to its own loader: no way back to the function's libc."""
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1)'], check=True)"
    assert root.python(code).out == "1\n"


def test_without_the_interpreter_the_launcher_says_what_is_missing(root: Root) -> None:
    """As with the zip of the other architecture, or a layer unpacked elsewhere."""
    missing = root.path / PYTHON.removeprefix("/")
    missing.rename(missing.with_suffix(".away"))
    try:
        ended = root.run([START, "-c", "pass"])
    finally:
        missing.with_suffix(".away").rename(missing)
    assert ended.code == 126
    assert "is the layer complete, and for this architecture?" in ended.err
