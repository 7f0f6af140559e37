"""The built layer under AWS's own runtime interface emulator, if it is installed.

Its standard mode knows extensions and refuses telemetry. Its mode for Managed Instances delivers
telemetry with production code, and starts every process as an unprivileged user.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from layer_roots import PROGRAMS, Root

from otlp2parquet_ext.tools import query

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.layer, pytest.mark.e2e, pytest.mark.timeout(120)]

NAME = "aws-lambda-rie"
EMULATED = {"AWS_LAMBDA_FUNCTION_NAME": "orders", "AWS_REGION": "eu-west-1"}
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@pytest.fixture
def emulator() -> str:
    """Give AWS's emulator, if it is on the path or named by a variable."""
    found = os.environ.get("AWS_LAMBDA_RIE") or shutil.which(NAME)
    if not found:
        pytest.skip(f"{NAME} is not on the PATH: AWS_LAMBDA_RIE=FILE names AWS's emulator")
    for program, package in (("ip", "iproute2"), ("curl", "curl")):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: apt-get install {package}")
    return found


def emulate(root: Root, folder: Path, emulator: str, **variables: str) -> tuple[list[str], str]:
    """Invoke a shell function three times; return its answers, and the emulator's log."""
    task, lake = folder / "task", folder / "lake"
    task.mkdir()
    lake.mkdir()
    shutil.copy(PROGRAMS / "bootstrap.sh", task / "bootstrap")
    for path in (folder, task, lake):
        path.chmod(0o777)
    for parent in folder.parents:
        if parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    namespaces = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
    program = [str(PROGRAMS / "emulate.sh"), str(root.path / "opt"), str(task), emulator, "3"]
    env = {
        "PATH": os.environ["PATH"],
        "OTLP2PARQUET_DESTINATION": f"file://{lake}",
        "OTLP2PARQUET_SPOOL_DIR": str(lake),
        **EMULATED,
        **dict.fromkeys(CREDENTIALS, "none"),
        **variables,
    }
    done = subprocess.run(
        [*namespaces, *program], capture_output=True, text=True, check=False, env=env, timeout=100
    )
    return done.stdout.split("\n")[:3], done.stderr


ANSWERS = [f'{{"n": {n}}}' for n in (1, 2, 3)]


def test_the_standard_mode_refuses_telemetry_and_the_function_runs(
    root: Root, emulator: str, tmp_path: Path
) -> None:
    """INVOKE and SHUTDOWN are real, the subscription is answered 202."""
    answers, said = emulate(root, tmp_path, emulator)
    assert answers == ANSWERS, said
    assert "subscribe was answered with HTTP 202" in said
    assert "Extension.Crash" not in said


def test_the_managed_instances_mode_delivers_everything(
    root: Root, emulator: str, tmp_path: Path
) -> None:
    """INVOKE refused, deliveries to the root path, user 993: every event is in the lake."""
    answers, said = emulate(
        root,
        tmp_path,
        emulator,
        AWS_LAMBDA_MAX_CONCURRENCY="1",
        AWS_LAMBDA_INITIALIZATION_TYPE="lambda-managed-instances",
    )
    assert answers == ANSWERS, said
    connection = query.connect(f"file://{tmp_path}/lake")
    rows = connection.execute("SELECT EventName, count(*) FROM logs GROUP BY 1").fetchall()
    counts = dict(rows)
    assert counts["platform.initStart"] == 1
    assert counts["platform.start"] == counts["platform.report"] == 3
    lines = connection.execute("SELECT Body FROM logs WHERE EventName = 'function' ORDER BY Body")
    assert [row[0] for row in lines.fetchall()] == [
        f"from the shell {answer}" for answer in ANSWERS
    ]
