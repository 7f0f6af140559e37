"""The layer alone as an ingest function, in both ways that need nothing else."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from layer_roots import EXTENSION, Root, with_layer
from places import sqlite

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.layer, pytest.mark.e2e, pytest.mark.timeout(180)]

BOOTSTRAP = """#!/opt/otlp2parquet/start
from otlp2parquet_ext.functions.ingest.runtime import main
main()
"""
HANDED_OVER = """import os
os.execv("/opt/otlp2parquet/start", ["start", "-m", "otlp2parquet_ext.functions.ingest.runtime"])
"""
INVOKE = """
import sys
from pathlib import Path
from otlp2parquet_ext.tools.local import ExtensionProgram, Plan
from otlp2parquet_ext.tools.local.environment import run
code, handler, extension, destination = sys.argv[1:]
plan = Plan(
    handler=handler,
    command=() if handler else (f"{code}/bootstrap",),
    code=Path(code),
    extensions=(ExtensionProgram(name="otlp2parquet", command=(extension,)),),
    memory_mb=512,
    timeout_s=60.0,
    events=tuple(line.encode() for line in Path(code, "events").read_text().splitlines()),
    invocations=2,
    env={"OTLP2PARQUET_INGEST_DESTINATION": destination},
)
for invocation in run(plan).invocations:
    print(invocation.status, invocation.response.decode())
"""


def event(path: str, content_type: str, body: str) -> str:
    """Make an event of a function URL."""
    return json.dumps(
        {
            "version": "2.0",
            "rawPath": path,
            "requestContext": {"http": {"method": "POST", "path": path}, "stage": "$default"},
            "headers": {"content-type": content_type},
            "body": body,
            "isBase64Encoded": False,
        }
    )


@pytest.mark.parametrize("handler", ["", "index.handler"], ids=["bootstrap", "handed over"])
def test_the_layer_is_all_an_ingest_function_needs(
    handler: str, root: Root, tmp_path: Path
) -> None:
    """Its extension collects nothing, so the table has only the clients' rows."""
    lake = sqlite(tmp_path)
    record = {"timeUnixNano": "1773480413510000000", "body": {"stringValue": "a"}}
    request = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    line = {"time": "2026-03-14T09:26:53.510Z", "type": "function", "record": "b"}
    events = [
        event("/v1/logs", "application/json", json.dumps(request)),
        event("/", "application/x-ndjson", json.dumps(line)),
    ]
    (tmp_path / "events").write_text("\n".join(events))
    (tmp_path / "index.py").write_text(HANDED_OVER)
    (tmp_path / "bootstrap").write_text(BOOTSTRAP)
    (tmp_path / "bootstrap").chmod(0o755)
    command = [sys.executable, "-c", INVOKE, str(tmp_path), handler, EXTENSION, lake.url]
    done = with_layer(root, command)
    answers = done.stdout.splitlines()
    assert [answer.split()[0] for answer in answers] == ["success"] * 2, done.stderr[-3_000:]
    assert all('"statusCode": 200' in answer for answer in answers), answers
    assert lake.bodies() == ["a", "b"]
