"""Mounts the built layer at /opt, as in Lambda, in the benchmark's own mount namespace.

    dist/otlp2parquet-ext-ARCH.zip --unpacked--> build/performance/ --bind mount--> /opt

The benchmark then uses the layer's interpreter, loader and libraries at their expected paths.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

CHECKOUT: Final = Path(__file__).parents[2]
DIST: Final = Path(os.environ.get("OTLP2PARQUET_DIST", CHECKOUT / "dist"))
BUILT: Final = CHECKOUT / "build" / "performance"
ARCHES: Final = {"x86_64": "x86_64", "aarch64": "arm64"}
START: Final = "/opt/otlp2parquet/start"
EXTENSION: Final = "/opt/extensions/otlp2parquet"
HERE: Final = "OTLP2PARQUET_BENCH_STAGE"
"""Name of the variable that marks a process with the layer at /opt."""

ENTER: Final = 'mount --bind "$1" /opt && shift && exec "$@"'


def layer_zip() -> Path:
    """Return the path of the zip for this machine, built or not."""
    return DIST / f"otlp2parquet-ext-{ARCHES.get(platform.machine(), platform.machine())}.zip"


def why_not() -> str:
    """Return the reason why the layer cannot be measured here; "" if it can."""
    if not layer_zip().exists():
        return f"{layer_zip().name} is not built: layer/prepare && make layer"
    if os.geteuid() != 0:
        return "mounting the layer at /opt needs root"
    done = subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True)
    return "" if done.returncode == 0 else "this machine gives no mount namespaces"


def unpacked() -> Path:
    """Return a folder with the unpacked layer; unpacked once for each zip."""
    content = layer_zip().read_bytes()
    target = BUILT / f"layer-{hashlib.sha256(content).hexdigest()[:12]}"
    if not target.exists():
        unfinished = target.with_suffix(f".{os.getpid()}")
        with zipfile.ZipFile(layer_zip()) as source:
            for entry in source.infolist():
                path = Path(source.extract(entry, unfinished))
                path.chmod(entry.external_attr >> 16 & 0o7777 or 0o755)
        shutil.rmtree(target, ignore_errors=True)
        unfinished.rename(target)
    return target


def enter(arguments: Sequence[str]) -> NoReturn:
    """Restart this program with the layer at /opt.

    Args:
        arguments: the program's path and its arguments.

    Raises:
        SystemExit: the layer cannot be measured here; the message has the reason.
    """
    if problem := why_not():
        raise SystemExit(problem)
    command = ["unshare", "--mount", "sh", "-c", ENTER, "stage", str(unpacked())]
    os.environ[HERE] = "1"
    os.execvp(command[0], [*command, sys.executable, *arguments])  # noqa: S606 - becoming it is meant


def entered() -> bool:
    """Tell whether the layer is at /opt."""
    return HERE in os.environ
