"""The layer alone as a committer: one file of three lines is the function's whole code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from lake_bench import bodies_at
from layer_roots import EXTENSION, Root, with_layer
from places import sqlite

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.lake.destinations.choose import choose
from otlp2parquet_ext.lake.destinations.destination import Batch

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

pytestmark = [pytest.mark.layer, pytest.mark.e2e, pytest.mark.timeout(180)]

BOOTSTRAP = """#!/opt/otlp2parquet/start
from otlp2parquet_ext.functions.committer.runtime import main
main()
"""
INVOKE = """
import sys
from pathlib import Path
from otlp2parquet_ext.tools.local import ExtensionProgram, Plan
from otlp2parquet_ext.tools.local.environment import run
bootstrap, extension, table = sys.argv[1:]
plan = Plan(
    command=(bootstrap,),
    code=Path(bootstrap).parent,
    extensions=(ExtensionProgram(name="otlp2parquet", command=(extension,)),),
    memory_mb=512,
    timeout_s=60.0,
    events=(b"{}",),
    invocations=2,
    env={"OTLP2PARQUET_COMMITTER_DESTINATION": table},
)
for invocation in run(plan).invocations:
    print(invocation.status, invocation.response.decode())
"""


def committed(root: Root, folder: Path, table: str) -> subprocess.CompletedProcess[str]:
    """Invoke the function twice on a schedule, beside the extension of the same layer."""
    bootstrap = folder / "bootstrap"
    bootstrap.write_text(BOOTSTRAP)
    bootstrap.chmod(0o755)
    return with_layer(root, [sys.executable, "-c", INVOKE, str(bootstrap), EXTENSION, table])


def test_the_layer_is_all_a_committer_needs_and_does_not_wake_itself(
    root: Root, tmp_path: Path
) -> None:
    """Its extension collects nothing: what it stored would be an event for the next invocation."""
    lake = sqlite(tmp_path)
    variables = {**lake.variables, "OTLP2PARQUET_COMMIT": "inbox"}
    environment = choose(load(variables)[0], variables)
    for name in ("a", "b"):
        environment.store(Batch(name * 32, {"logs": bodies_at(0, name)}))
    done = committed(root, tmp_path, lake.url)
    assert done.stdout.splitlines() == [
        'success {"files": 2, "rows": 2, "snapshots": 1}',
        'success {"files": 0, "rows": 0, "snapshots": 0}',
    ], done.stderr[-3_000:]
    assert lake.bodies() == ["a", "b"]
    assert lake.inbox() == []
    assert len(lake.objects.names("data/")) == 2
