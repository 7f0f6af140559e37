"""The libraries that the extension has loaded, and when, from its maps and its import log."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest
from scripted_lambda import LAUNCHER, LAYER, WAIT_S, Extension, ScriptedLambda, invoke, shutdown

from otlp2parquet_ext.tools import query
from otlp2parquet_ext.tools.cli import main as run_command

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
LINES = json.dumps(
    [{"time": "2026-03-14T09:26:53.540Z", "type": "function", "record": "hello"}]
).encode()

DONE = json.dumps(
    [
        {
            "time": "2026-03-14T09:26:54.540Z",
            "type": "platform.runtimeDone",
            "record": {"requestId": "r-1", "status": "success"},
        }
    ]
).encode()


def has_arrow(extension: Extension) -> bool:
    """Tell whether the process has mapped Arrow."""
    return "libarrow" in Path(f"/proc/{extension.process.pid}/maps").read_text()


def start(scripted: ScriptedLambda, folder: Path, **variables: str) -> Extension:
    """Start the extension without any flush by itself, and wait until it serves."""
    quiet = {"TIMEOUT_MS": "900000", "OTLP2PARQUET_FLUSH": "threshold"}
    extension = scripted.start(folder, **(quiet | variables))
    extension.until_next()
    assert extension.post(LINES) == 200
    return extension


@pytest.mark.skipif(bool(LAYER), reason="the layer's launcher takes no options of Python's")
def test_taking_deliveries_loads_nothing_a_flush_or_otlp_needs(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """Each of these takes a small environment a tenth of a second or more, or megabytes."""
    command = [sys.executable, "-X", "importtime", str(LAUNCHER)]
    variables = {
        "OTLP2PARQUET_FLUSH": "threshold",
        "OTLP2PARQUET_PRELOAD": "lazy",
        "TIMEOUT_MS": "900000",
        "PYTHONPATH": str(ROOT),
    }
    extension = scripted.start(tmp_path, command=command, **variables)
    extension.until_next()
    assert extension.post(LINES) == 200
    scripted.events.put(invoke("r-1"))
    extension.until_next()
    extension.process.kill()
    extension.end()
    imported = {
        line.split("|")[-1].strip() for line in extension.lines if line.startswith("import time:")
    }
    assert {
        "asyncio",
        "msgspec",
        "otlp2parquet_ext.extension.agent",
        "otlp2parquet_ext.extension.receive.http1",
    } <= imported
    libraries = {name.split(".")[0] for name in imported}
    unwanted = {
        *("aiohttp", "boto3", "google", "multidict", "opentelemetry", "pyarrow", "pyiceberg"),
        *("_hashlib", "_ssl", "hashlib", "http", "random", "requests", "sqlite3", "yarl"),
    }  # `ssl` has a line, too, because asyncio probes for it
    assert libraries & unwanted == set()
    ours = {name.removeprefix("otlp2parquet_ext.") for name in imported}
    rooms = {name.partition(".")[0] for name in ours} | {".".join(n.split(".")[:2]) for n in ours}
    assert not rooms & {"functions", "tools", "lake.http", "lake.iceberg", "lake.storage"}
    assert not rooms & {"records.mapping", "records.otlp", "records.tables"}


def test_who_wants_it_lazy_gets_what_makes_batches_with_the_first_one(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """Until then the libraries would only take the function's memory and the CPU of its start."""
    extension = start(scripted, tmp_path, OTLP2PARQUET_PRELOAD="lazy")
    time.sleep(0.3)
    assert not has_arrow(extension)
    scripted.events.put(shutdown())
    assert extension.end() == 0, extension.lines
    rows = query.connect(f"file://{tmp_path}/lake").execute("SELECT Body FROM logs").fetchall()
    assert rows == [("hello",)]


def test_a_relay_never_loads_what_makes_batches(scripted: ScriptedLambda, tmp_path: Path) -> None:
    """Neither ahead of time, nor for a batch, nor at SHUTDOWN: a committer maps the segments."""
    extension = start(
        scripted, tmp_path, OTLP2PARQUET_COMMIT="relay", OTLP2PARQUET_FLUSH="end", TIMEOUT_MS="100"
    )
    scripted.events.put(invoke("r-1"))
    assert extension.post(DONE) == 200
    extension.until_next()
    segments = tmp_path / "lake" / "_relay" / "segments"
    assert len(list(segments.iterdir())) == 1
    assert extension.post(LINES.replace(b"hello", b"good bye")) == 200
    assert not has_arrow(extension)
    peak_kb = Path(f"/proc/{extension.process.pid}/status").read_text()
    scripted.events.put(shutdown())
    assert extension.end() == 0, extension.lines
    assert len(list(segments.iterdir())) == 2
    peak = next(line for line in peak_kb.splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) <= 32 * 1_024, "a relay takes little memory"
    assert run_command(["commit", f"file://{tmp_path}/lake"]) == 0
    rows = query.connect(f"file://{tmp_path}/lake").execute(
        "SELECT Body FROM logs WHERE EventName = 'function' ORDER BY 1"
    )
    assert rows.fetchall() == [("good bye",), ("hello",)]


@pytest.mark.parametrize(
    "variables",
    [
        {"OTLP2PARQUET_PRELOAD": "init"},
        {},
    ],
    ids=["asked for", "by default"],
)
def test_what_makes_batches_is_there_before_the_first_one(
    scripted: ScriptedLambda, tmp_path: Path, variables: dict[str, str]
) -> None:
    """The rehearsal leaves no row and no file."""
    extension = start(scripted, tmp_path, **({"OTLP2PARQUET_PRELOAD": "auto"} | variables))
    until = time.monotonic() + WAIT_S
    while not has_arrow(extension) and time.monotonic() < until:
        time.sleep(0.05)
    assert has_arrow(extension)
    assert not (tmp_path / "lake").exists()
    scripted.events.put(shutdown())
    assert extension.end() == 0, extension.lines
    rows = query.connect(f"file://{tmp_path}/lake").execute("SELECT Body FROM logs").fetchall()
    assert rows == [("hello",)]
