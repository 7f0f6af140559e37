"""No test builds, downloads or installs anything: `make test-tools` does that, in tests/tools."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from built_tools import ALL, ROOT
from installing import findings, in_script

TESTS = Path(__file__).parents[1]
SET_UP = {TESTS / "tools", TESTS / "prepare", TESTS / "servers" / "built_tools.py"}
HERE = Path(__file__)
SKIP = re.compile(r"is not (?:installed|built)\b|there is no Chromium")


def sources() -> list[Path]:
    """Return the sources below tests/ that are no part of the set-up."""
    return [
        path
        for path in sorted(TESTS.rglob("*.py"))
        if not SET_UP & {path, *path.parents} and path != HERE
    ]


@pytest.mark.thorough
def test_no_test_builds_downloads_or_installs_anything() -> None:
    """It would take minutes instead of seconds, and fail without a registry."""
    found = {
        f"{path.relative_to(TESTS)}:{line}": command
        for path in sources()
        for line, command in findings(path.read_text())
    }
    assert found == {}


def test_no_script_of_the_tests_does_either() -> None:
    """A test may run a script."""
    scripts = [path for path in TESTS.rglob("*.sh") if not SET_UP & {path, *path.parents}]
    assert scripts
    found = {str(path): said for path in scripts if (said := in_script(path.read_text()))}
    assert found == {}


@pytest.mark.parametrize(
    ("source", "command"),
    [
        ('subprocess.run(["npm", "ci", "--ignore-scripts"])', "npm ci"),
        ('subprocess.run(["nice", "go", "install", f"{package}@{version}"])', "go install"),
        ('command = ["/usr/local/go/bin/go"]\ncommand += ["build", "."]', "go build"),
        ('def test():\n    c = ["npm"]\n    c.append("install")\n    run(c)', "npm install"),
        ('run("go", "build", "-o", target)', "go build"),
        ('command = ("mvn", "-q", "-B")', "mvn"),
        ('run(sys.executable, "-m", "venv", "--without-pip", folder)', "venv"),
        ('pip = (sys.executable, "-m", "pip")\nrun(*pip, "wheel", sdist)', "pip wheel"),
        ('run(*PIP, "--python", python)\nPIP = ("pip3", "install")', "pip install"),
        ('subprocess.run([sys.executable, "-m", "build"])', "-m build"),
        ('os.system("npm ci")', "npm ci"),
        (
            'subprocess.run(["sh", "-c", "cd /tmp && sudo apt-get -q install zsh"])',
            "apt-get install",
        ),
        ('subprocess.run(f"{python3} -m pip install {wheel}", shell=True)', "pip install"),
        ('await asyncio.create_subprocess_exec("cargo", "build")', "cargo build"),
        (
            'urllib.request.urlopen("https://registry.example.com/x")',
            "https://registry.example.com/x",
        ),
    ],
)
def test_a_command_is_found_however_it_is_written(source: str, command: str) -> None:
    """In a list, a tuple, arguments, over several statements, in a shell's text."""
    assert command in [name for _, name in findings(source)]


@pytest.mark.parametrize(
    "source",
    [
        'pytest.skip("valgrind is not installed: apt-get install valgrind")',
        '"""pip install this."""',
        'assert said == "pip install otlp2parquet-ext"',
        'with pytest.raises(SystemExit, match="apt-get install patchelf"): ...',
        'subprocess.run(["node", "--eval", program])',
        'folder = tmp_path / "venv"',
        'subprocess.run(["go", "version"])',
        'urllib.request.urlopen("http://127.0.0.1:8000/x")',
        'def a():\n    run("go")\ndef b():\n    run("build")',
    ],
)
def test_what_only_shows_a_command_is_none(source: str) -> None:
    """Messages name commands, and programs that are there may be run."""
    assert findings(source) == []


def test_every_skip_for_a_missing_program_names_what_brings_it() -> None:
    """The reader of a reason wants to run the test, so it ends with one command."""
    texts = {
        f"{path.relative_to(TESTS)}: {text}"
        for path in sources()
        for text in re.findall(r"(?:skip\(|reason=)\s*f?(\"[^\n]*\")", path.read_text())
        if SKIP.search(text)
    }
    assert texts
    assert {
        text for text in texts if not re.search(r"(installed|built|Chromium)\b.*: \S", text)
    } == set()


def test_every_tool_is_built_from_files_of_the_checkout() -> None:
    """A file that is not there changes nothing: its tool would never be stale."""
    missing = {str(path) for tool in ALL for path in tool.inputs if not path.exists()}
    assert missing == set()
    assert all(tool.inputs[0].is_relative_to(ROOT / "tests" / "tools") for tool in ALL)
