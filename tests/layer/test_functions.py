"""The built layer beside real functions, in an empty root, through the `local` environment.

The extension has /opt, /tmp, /proc and /dev/null; the function has this machine. Rows are read
back with DuckDB and compared with what the platform generated.
"""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from layer_roots import CHECKOUT, LAMBDA_UID, MEGABYTE, PROGRAMS, Root, why_not
from reserved_port import ReservedPort

from otlp2parquet_ext.tools import local, query
from otlp2parquet_ext.tools.local import ExtensionProgram, Outcome, Plan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = [pytest.mark.layer, pytest.mark.e2e, pytest.mark.timeout(180)]

HANDLER = """
import json
import os
import sys

import pyarrow


def handler(event, context):
    ours = [text for text in [*sys.path, *os.environ.values()] if "/opt/otlp2parquet" in text]
    print("from python", event["n"], len(ours), pyarrow.__version__)
    return event
"""
HOSTILE = {
    "PYTHONPATH": "{evil}",
    "PYTHONHOME": "{evil}",
    "PYTHONSTARTUP": "{evil}/sitecustomize.py",
    "LD_LIBRARY_PATH": "{evil}",
    "NODE_OPTIONS": "--require {evil}/none.js",
    "TZ": "Nowhere/Nothing",
    "LANG": "xx",
}


def run(
    root: Root,
    folder: Path,
    *,
    uid: int = 0,
    hostile: Mapping[str, str] | None = None,
    tmp_bytes: int = 256 * MEGABYTE,
    **changes: Any,
) -> tuple[Outcome, str]:
    """Run a function three times beside the layer's extension.

    Args:
        root: where the extension lives.
        folder: gets a folder `shared`, for lake and spool.
        uid: whom the extension runs as; not root means a read-only root, too.
        hostile: variables of the extension alone.
        tmp_bytes: what its /tmp holds.
        changes: to the plan.

    Returns:
        What happened, and the destination.
    """
    shared = folder / "shared"
    shared.mkdir(exist_ok=True)
    shared.chmod(0o777)
    extension = root.extension(
        shared, uid=uid, read_only=bool(uid), env=hostile, tmp_bytes=tmp_bytes
    )
    wanted: dict[str, Any] = {
        "invocations": 3,
        "events": tuple(b'{"n": %d}' % n for n in range(1, 4)),
        "memory_mb": 1_769,
        "timeout_s": 20,
        "gap_ms": 50,
        "env": {"OTLP2PARQUET_SPOOL_DIR": str(shared)},
        "destination": f"sqlite://{shared}/catalog.db?warehouse={shared}/warehouse",
    } | changes
    program = ExtensionProgram(name="otlp2parquet", command=tuple(extension))
    return local.run(Plan(extensions=(program,), **wanted)), wanted["destination"]


def check(outcome: Outcome, destination: str) -> list[str]:
    """Check that every event is there once and nothing failed; return the function's own lines."""
    assert [i.status for i in outcome.invocations] == ["success"] * 3, outcome.function_lines
    assert outcome.extensions[0].exit_code == 0, outcome.extension_lines
    connection = query.connect(destination)
    kinds = connection.execute("SELECT EventName, count(*) FROM logs GROUP BY 1").fetchall()
    generated = Counter(event.type for event in outcome.events)
    assert dict(kinds) == {kind: n for kind, n in generated.items() if kind != "extension"}
    sql = "SELECT Body FROM logs WHERE EventName = 'function' ORDER BY Timestamp, Body"
    return [row[0] for row in connection.execute(sql).fetchall()]


def test_a_python_function_with_another_pyarrow_runs_as_without_us(
    root: Root, tools: Path, tmp_path: Path
) -> None:
    """Its interpreter, its libraries and its variables are its own; so are ours."""
    (tmp_path / "app.py").write_text(HANDLER)
    command = (str(tools / "python"), "-m", "awslambdaric", "app.handler")
    lines = check(*run(root, tmp_path, command=command, code=tmp_path))
    assert [line.split()[:4] for line in lines] == [
        ["from", "python", str(n), "0"] for n in (1, 2, 3)
    ]
    assert not any(line.endswith(f" {pa.__version__}") for line in lines)


def test_a_node_function_runs_beside_it(root: Root, tmp_path: Path) -> None:
    """Its image needs no Python, and it sees nothing of ours."""
    if (node := shutil.which("node")) is None:
        pytest.skip("Node is not installed: apt-get install nodejs")
    lines = check(*run(root, tmp_path, command=(node, str(PROGRAMS / "bootstrap.mjs"))))
    assert lines == [f'from node {{"n": {n}}} 0' for n in (1, 2, 3)]


def test_a_shell_function_runs_beside_it(root: Root, tmp_path: Path) -> None:
    """A custom runtime of twelve lines."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: apt-get install curl")
    lines = check(*run(root, tmp_path, command=(str(PROGRAMS / "bootstrap.sh"),)))
    assert lines == [f'from the shell {{"n": {n}}}' for n in (1, 2, 3)]


def test_arm64_does_the_same_under_an_emulator(roots: Any, tmp_path: Path) -> None:
    """A smaller claim: the emulator is slow, so nothing is frozen and nothing is limited."""
    if reason := why_not("arm64"):
        pytest.skip(reason)
    outcome, destination = run(
        roots.of("arm64"),
        tmp_path,
        command=(str(PROGRAMS / "bootstrap.sh"),),
        timeout_s=60,
        gap_ms=6_000,
        limited=False,
        freeze=False,
        destination=f"file://{tmp_path}/shared/lake",
    )
    lines = check(outcome, destination)
    assert lines == [f'from the shell {{"n": {n}}}' for n in (1, 2, 3)]


def test_hostile_variables_and_an_unprivileged_user_change_nothing(
    root: Root, tmp_path: Path
) -> None:
    """Look-alikes on every path, a read-only root, uid 993: still every row."""
    evil = tmp_path / "shared" / "evil"
    evil.mkdir(parents=True)
    for name in ("sitecustomize.py", "json.py", "pyarrow.py", "msgspec.py"):
        (evil / name).write_text("raise SystemExit('poisoned')\n")
    (evil / "libssl.so.3").write_text("no library")
    hostile = {name: value.format(evil=evil) for name, value in HOSTILE.items()}
    function = (str(PROGRAMS / "bootstrap.sh"),)
    outcome, destination = run(root, tmp_path, uid=LAMBDA_UID, hostile=hostile, command=function)
    assert len(check(outcome, destination)) == 3


def test_a_full_tmp_changes_nothing(root: Root, tmp_path: Path) -> None:
    """The function has filled it: telemetry is kept in memory, and flushed as ever."""
    function = (str(PROGRAMS / "bootstrap.sh"),)
    env = {"OTLP2PARQUET_SPOOL_DIR": "/tmp"}
    outcome, destination = run(root, tmp_path, tmp_bytes=4_096, command=function, env=env)
    assert len(check(outcome, destination)) == 3


def test_a_second_extension_on_the_port_harms_neither(root: Root, tmp_path: Path) -> None:
    """Another layer may have chosen 4243: the subscription names the port that listens."""
    other = ExtensionProgram(
        name="other", command=(sys.executable, str(CHECKOUT / "tests/layer/programs/squatter.py"))
    )
    shared, port = tmp_path / "shared", ReservedPort()
    shared.mkdir()
    ours = ExtensionProgram(name="otlp2parquet", command=tuple(root.extension(shared)))
    plan = Plan(
        extensions=(other, ours),
        command=(str(PROGRAMS / "bootstrap.sh"),),
        invocations=3,
        memory_mb=1_769,
        destination=f"file://{shared}/lake",
        env={"OTLP2PARQUET_SPOOL_DIR": str(shared), "RECEIVER_PORT": str(port)},
    )
    outcome = local.run(plan)
    assert [i.status for i in outcome.invocations] == ["success"] * 3
    assert f"cannot listen on 0.0.0.0:{port}" in outcome.extension_lines[0]
    rows = query.connect(plan.destination).execute("SELECT count(*) FROM logs").fetchone()
    assert rows == (sum(event.type != "extension" for event in outcome.events),)
