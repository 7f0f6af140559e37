"""A batch ends the process four times in a row: what becomes of it, and of all others."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from scripted_lambda import WAIT_S, Extension, ScriptedLambda, shutdown

from otlp2parquet_ext.extension.context import context_note
from otlp2parquet_ext.flush.store_job import CRASHED
from otlp2parquet_ext.records.telemetry.values import EnvironmentContext
from otlp2parquet_ext.spool import Spool
from otlp2parquet_ext.tools import query
from otlp2parquet_ext.tools.query import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.e2e

DYING = (sys.executable, str(Path(__file__).with_name("dying_extension.py")))
INNOCENT = [f"line {number}" for number in range(6)]


def body(text: str, records: int = 1) -> bytes:
    """Make a delivery."""
    event = {"time": "2026-03-14T09:26:53.540Z", "type": "function", "record": text}
    return json.dumps([event] * records).encode()


def fill_spool(folder: Path, *deliveries: bytes) -> None:
    """Leave each delivery in a segment of its own, as a killed process does."""
    spool = Spool(folder / "tmp", 1 << 26, 0)
    spool.set_preamble(
        [context_note(EnvironmentContext(instance_id="before", function_name="orders"))]
    )
    for number, delivery in enumerate(deliveries):
        spool.append(delivery, 1_773_480_413_540_000 + number, 1)
        spool.seal()
    for descriptor in spool._folders._locks.values():
        os.close(descriptor)


@contextmanager
def life(folder: Path, **variables: str) -> Iterator[Extension]:
    """Run an extension on the segments of earlier ones; the test does not kill it."""
    lambda_ = ScriptedLambda()
    yield lambda_.start(folder, command=DYING, **variables)
    lambda_.close()


def die(folder: Path) -> None:
    """Run an extension until the batch ends it."""
    with life(folder) as extension:
        assert extension.end() == -signal.SIGKILL, extension.lines


def live_to_the_end(folder: Path) -> list[str]:
    """Run an extension until SHUTDOWN; return its log lines."""
    with life(folder) as extension:
        extension.until_next()
        extension.lambda_.events.put(shutdown())
        assert extension.end() == 0, extension.lines
        return extension.lines


def rows(folder: Path) -> list[tuple[str]]:
    """Read the lake back; there may be nothing yet."""
    try:
        connection = query.connect(f"file://{folder}/lake")
    except QueryError:
        return []
    return connection.execute("SELECT Body FROM logs").fetchall()


def innocent(folder: Path) -> Counter[str]:
    """Count the harmless lines in the lake."""
    return Counter(text for (text,) in rows(folder) if text.startswith("line "))


@pytest.mark.parametrize(
    ("word", "lives"), [("deadly", 2), ("deadlier", 3), ("deadliest", 4)], ids=str
)
def test_a_batch_that_ends_its_process_ends_itself_and_nothing_else(
    tmp_path: Path, word: str, lives: int
) -> None:
    """It came first, and is tried last: as rows, as text, and then it is dropped."""
    bad = body(word, records=3)
    fill_spool(tmp_path, bad, *map(body, INNOCENT))
    for number in range(lives):
        die(tmp_path)
        # The first process begins with it, because it has no mark yet.
        assert innocent(tmp_path) == Counter(INNOCENT if number else [])
    said = live_to_the_end(tmp_path)
    assert innocent(tmp_path) == Counter(INNOCENT)
    ((other,),) = [row for row in rows(tmp_path) if not row[0].startswith("line ")]
    if word == "deadly":
        assert other == bad.decode()
        assert any("are kept as text: mapping them" in line for line in said)
    else:
        loss = json.loads(other)
        assert loss["reason"] == CRASHED
        assert loss["droppedRecords"] == (3 if word == "deadlier" else 0)
        assert loss["droppedBytes"] >= len(bad)
    assert not list((tmp_path / "tmp").rglob("*.seg"))


def test_what_is_left_while_a_batch_ends_processes_goes_ahead_of_it(tmp_path: Path) -> None:
    """The batch is older, but each process first stores the bodies that the last one received."""
    fill_spool(tmp_path, body("deadlier"))
    die(tmp_path)
    for number in range(2):
        fill_spool(tmp_path, body(f"line {number}"))
        die(tmp_path)
        assert innocent(tmp_path) == Counter(INNOCENT[: number + 1])
    live_to_the_end(tmp_path)
    assert innocent(tmp_path) == Counter(INNOCENT[:2])
    ((told,),) = [row for row in rows(tmp_path) if not row[0].startswith("line ")]
    assert json.loads(told)["reason"] == CRASHED


@contextmanager
def silent_server() -> Iterator[str]:
    """Accept connections and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"otlp+http://127.0.0.1:{server.getsockname()[1]}"


def marks(folder: Path) -> list[str]:
    """Return the names of the segments."""
    return sorted(path.name for path in (folder / "tmp").rglob("*.seg"))


def until(condition: Callable[[], object]) -> None:
    """Wait for something in the outside world; bounded."""
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "this never came true"
        time.sleep(0.01)


def test_a_kill_while_a_request_is_out_is_not_held_against_the_batch(tmp_path: Path) -> None:
    """Its destination hung each time. When it works again, the batch is sent unchanged."""
    fill_spool(tmp_path, body("line 0"))
    with silent_server() as url:
        for number in range(1, 4):
            with life(tmp_path, OTLP2PARQUET_DESTINATION=url) as extension:
                until(lambda: marks(tmp_path) == [f"00000001.0-{number}.seg"])  # noqa: B023
                extension.process.kill()
                extension.end()
    said = live_to_the_end(tmp_path)
    assert innocent(tmp_path) == {"line 0": 1}
    assert not any("text" in line for line in said)


@pytest.mark.thorough
def test_a_destination_that_hangs_at_every_shutdown_costs_no_batch(tmp_path: Path) -> None:
    """The window of SHUTDOWN ends the process, and the batch only waits behind others."""
    fill_spool(tmp_path, body("line 0"))
    with silent_server() as url:
        for number in range(1, 4):
            with life(tmp_path, OTLP2PARQUET_DESTINATION=url) as extension:
                extension.until_next()
                until(lambda: any(".0-1" in name for name in marks(tmp_path)))
                extension.lambda_.events.put(shutdown(window_ms=400))
                assert extension.end() == 0
                assert marks(tmp_path) == [f"00000001.0-0-{number}.seg"]
    live_to_the_end(tmp_path)
    assert innocent(tmp_path) == {"line 0": 1}
