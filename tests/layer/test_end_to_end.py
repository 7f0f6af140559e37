"""The whole extension from the built layer, beside a function, through the `local` environment.

Here /opt is the layer and nothing else; the function runs on this machine's own Python. The same
in an empty root, and for arm64, belongs here too.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from layer_roots import CHECKOUT, Root

pytestmark = pytest.mark.layer

HANDLER = """
import os, sys

def handler(event, context):
    print("from the function")
    ours = [text for text in [*sys.path, *os.environ.values()] if "/opt/otlp2parquet" in text]
    assert not ours, ours
    return {}
"""
LOCAL = "import sys; from otlp2parquet_ext.tools.cli import main; sys.exit(main())"
ENTER = """
set -eu
mount --bind "$1" /opt
shift
ip link set lo up
exec "$@"
"""


@pytest.mark.e2e
def test_a_function_with_the_layer_attached_has_its_logs_in_parquet(
    root: Root, tmp_path: Path
) -> None:
    """The function itself sees no path and no variable of ours."""
    if shutil.which("ip") is None:
        pytest.skip("`ip` is not installed: apt-get install iproute2")
    (tmp_path / "app.py").write_text(HANDLER)
    lake = tmp_path / "lake"
    enter = ["unshare", "--mount", "--net", "sh", "-c", ENTER, "enter", str(root.path / "opt")]
    local = [sys.executable, "-c", LOCAL, "local", "--handler", "app.handler"]
    options = ["--code", str(tmp_path), "--invoke", "3", "--memory", "512", "--timeout", "10"]
    options += ["--extension", "/opt/extensions/otlp2parquet", "--destination", f"file://{lake}"]
    done = subprocess.run(
        [*enter, *local, *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tables = [pq.ParquetFile(file).read() for file in lake.rglob("*.parquet")]
    rows = [row for table in tables for row in table.to_pylist()]
    assert sum("from the function" in str(row) for row in rows) == 3
