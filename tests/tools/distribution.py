"""The result of `pip install`: source distribution, wheel, and an environment with the wheel.

build/distribution/{sdist/*.tar.gz, wheel/*.whl, installed/bin/otlp2parquet-ext}
"""

from __future__ import annotations

import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

from built_tools import CONTENTS, ROOT, TOOLS

from tools.running import run

BUILD_SDIST = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def distribution() -> None:
    """Build all three, each from the one before, as pip does without a wheel in the index."""
    target = TOOLS["dist"].path
    shutil.rmtree(target, ignore_errors=True)
    for name in ("sdist", "wheel"):
        (target / name).mkdir(parents=True)
    with tempfile.TemporaryDirectory() as checkout:
        _copy_sources(Path(checkout))
        run(sys.executable, "-c", BUILD_SDIST, target / "sdist", cwd=Path(checkout))
    (sdist,) = (target / "sdist").iterdir()
    alone = ("--no-build-isolation", "--no-deps", "--no-index")
    run(*PIP, "wheel", *alone, "--wheel-dir", target / "wheel", sdist)
    (wheel,) = (target / "wheel").iterdir()
    _install(wheel, target / "installed")


def _copy_sources(checkout: Path) -> None:
    """Copy what is packed, and some of what must not be: a build leaves things behind."""
    for name in CONTENTS:
        shutil.copy(ROOT / name, checkout / name)
    for folder in ("otlp2parquet_ext", "docs", "layer"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, checkout / folder, ignore=ignored)
    (checkout / "tests").mkdir()
    (checkout / "tests" / "test_something.py").touch()


def _install(wheel: Path, folder: Path) -> None:
    """Install a wheel into a fresh environment that sees this one's libraries."""
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    run(*PIP, "--python", python, "install", "--no-index", "--no-deps", wheel)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    Path(run(python, "-c", where).strip(), "libraries.pth").write_text(
        sysconfig.get_path("purelib") + "\n"
    )
