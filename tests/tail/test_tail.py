"""`otlp2parquet-ext tail` as a process: what it shows, in what order, and how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from places import Place, plain_folder, soon, sqlite

from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext
from otlp2parquet_ext.tools.arguments import MOST_ROWS
from otlp2parquet_ext.tools.tail import LATE_S, Window, as_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

COMMAND = (
    sys.executable,
    "-c",
    "import sys; from otlp2parquet_ext.tools.cli import main; sys.exit(main())",
)
REQUEST = "8476a536-e9f4-11e8-9739-000000000001"
PATIENCE_S = 60.0


def store(place: Place, *events: tuple[float, str, str], function: str = "orders") -> None:
    """Make lines visible: each as seconds ago, level and text."""
    now = time.time()
    lines = [
        {
            "time": datetime.fromtimestamp(now - ago, UTC).isoformat().replace("+00:00", "Z"),
            "type": "function",
            "record": {"level": level, "message": text, "requestId": REQUEST, "n": 1},
        }
        for ago, level, text in events
    ]
    body = Delivery(json.dumps(lines).encode(), int(now * 1e6))
    context = EnvironmentContext(instance_id=uuid4().hex, function_name=function)
    table = log_table([body], context, Invocations()).table
    destination = place.open()
    destination.store(Batch(uuid4().hex, {"logs": table}), commit_follows=True)
    destination.commit(soon())


@pytest.fixture(params=["iceberg", "plain files"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty lake."""
    return sqlite(tmp_path) if request.param == "iceberg" else plain_folder(tmp_path)


def tail(place: Place, *options: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(
        [*COMMAND, "tail", place.url, *options],
        capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip


class Following:
    """`tail --follow` as a process whose lines are read as they come."""

    def __init__(self, place: Place, *options: str, out: int = subprocess.PIPE) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "tail", place.url, "--follow", "--every", "1", *options],
            stdout=out, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._read = b""

    def line(self) -> str:
        """Wait for a line and return it."""
        assert self.process.stdout is not None
        until = time.monotonic() + PATIENCE_S
        while b"\n" not in self._read:
            ready, _, _ = select.select([self.process.stdout], [], [], until - time.monotonic())
            assert ready, "no line came"
            part = os.read(self.process.stdout.fileno(), 65_536)
            assert part, self.process.communicate()
            self._read += part
        line, self._read = self._read.split(b"\n", 1)
        return line.decode()

    def end(self) -> tuple[int, str]:
        """Press Ctrl-C; return the status and the output."""
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said.decode()


@contextlib.contextmanager
def following(place: Place, *options: str) -> Iterator[Following]:
    """Follow, and leave no process behind."""
    found = Following(place, *options)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.process.kill()
            found.process.communicate()


def test_rows_come_in_order_with_level_function_and_a_short_request(place: Place) -> None:
    """The order of storing does not matter, and older rows are left out."""
    store(place, (10, "ERROR", "third"), (400, "INFO", "too old"))
    store(place, (20, "WARN", "second"), (30, "INFO", "first\nin two lines"), function="till")
    done = tail(place)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [
        line.split(" ", 1)[1] if line[0].isdigit() else line for line in done.stdout.splitlines()
    ]
    assert lines == [
        "INFO  till 8476a536 first",
        "    in two lines",
        "WARN  till 8476a536 second",
        "ERROR orders 8476a536 third",
    ]


def test_level_function_and_grep_leave_out_the_rest(place: Place) -> None:
    """All of them are part of the query, not filters of its result."""
    store(place, (30, "INFO", "order 1"), (20, "ERROR", "order 2"), (10, "FATAL", "card 3"))
    store(place, (5, "ERROR", "order 4"), function="till")
    assert [line[-7:] for line in tail(place, "--level", "error").stdout.splitlines()] == [
        "order 2", " card 3", "order 4",
    ]  # fmt: skip
    assert tail(place, "--function", "till").stdout.strip().endswith("till 8476a536 order 4")
    assert tail(place, "--grep", "^orders .*car[d] ").stdout.strip().endswith("card 3")
    assert tail(place, "-n", "1").stdout.strip().endswith("order 4")
    refused = tail(place, "--grep", "(")
    assert refused.returncode == 1
    assert "missing )" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_json_has_everything(place: Place) -> None:
    """For other programs: a line a row, attributes as an object."""
    store(place, (10, "ERROR", "line\u2028one"))
    (line,) = tail(place, "--json").stdout.splitlines()
    found = json.loads(line)
    assert found["Body"] == "line\u2028one"
    assert found["LogAttributes"]["n"] == 1
    assert found["FaasInvocationId"] == REQUEST
    at = datetime.fromisoformat(found["Timestamp"]).timestamp()
    assert 0 < time.time() - at < PATIENCE_S + 10


def test_following_shows_new_snapshots_and_late_rows_once(place: Place) -> None:
    """A late row that is older than the shown ones is still new. Ctrl-C ends the command."""
    store(place, (20, "INFO", "there"))
    with following(place) as followed:
        assert followed.line().endswith("there")
        store(place, (5, "INFO", "new"))
        assert followed.line().endswith("new")
        store(place, (60, "INFO", "late"))
        assert followed.line().endswith("late")
        store(place, (1, "INFO", "last"))
        assert followed.line().endswith("last")
        assert followed.end() == (0, "")


def test_following_waits_for_a_table_that_is_not_there_yet(place: Place) -> None:
    """A newcomer begins to look before the first invocation."""
    with following(place) as followed:
        assert followed.process.stderr is not None
        assert b"waiting for it" in followed.process.stderr.readline()
        store(place, (5, "INFO", "the first"))
        assert followed.line().endswith("the first")
        assert followed.end()[0] == 0


def test_nothing_there_is_said_in_a_line(place: Place) -> None:
    """Without `--follow` there is nothing to wait for."""
    done = tail(place)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("otlp2parquet-ext tail: ")
    assert done.stderr.count("\n") == 1


def test_a_wrong_destination_ends_following_at_once(tmp_path: Path) -> None:
    """Trying it again would be of no use."""
    place = sqlite(tmp_path)
    done = subprocess.run(
        [*COMMAND, "tail", "sqlit" + place.url, "--follow"],
        capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.returncode == 1
    assert "expected s3://bucket/prefix" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_is_no_error(place: Place) -> None:
    """`tail … | head -1`."""
    store(place, *((n, "INFO", "x" * 1_000) for n in range(1, 200)))
    with following(place) as followed:
        followed.line()
        assert followed.process.stdout is not None
        followed.process.stdout.close()
        store(place, (1, "INFO", "nobody reads this"))
        assert followed.process.wait(PATIENCE_S) == 0
        assert followed.process.stderr is not None
        assert followed.process.stderr.read() == b""


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_gets_colours_unless_it_wants_none(tmp_path: Path, no_color: str) -> None:
    """They follow the severity, and logged sequences never reach the terminal."""
    place = sqlite(tmp_path)
    store(place, (10, "ERROR", "bad\x1b[2J\x1b]0;owned\x07 thing\x00"))
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*COMMAND, "tail", place.url], stdout=theirs, stderr=subprocess.PIPE, check=True,
        env=os.environ | {"NO_COLOR": no_color}, timeout=PATIENCE_S,
    )  # fmt: skip
    os.close(theirs)
    said = os.read(ours, 65_536).decode()
    os.close(ours)
    assert done.stderr == b""
    assert "bad thing\N{REPLACEMENT CHARACTER}" in said
    assert ("\x1b[31m" in said) == (not no_color)
    assert "\x1b[2J" not in said
    assert "owned" not in said


def row(at_us: int, text: str = "x") -> tuple[Any, ...]:
    """Return a row of a look."""
    return (at_us, 9, "INFO", "orders", REQUEST, "function", text, None, "{}")


def test_equal_rows_are_counted() -> None:
    """If there were two and are three now, one is new."""
    window = Window(60, 10)
    assert len(window.new([row(1), row(1)], 1)) == 2
    assert window.new([row(1), row(1)], 1) == []
    assert window.new([row(1), row(1), row(1)], 1) == [row(1)]


def test_rows_that_went_by_unseen_are_told() -> None:
    """A look that holds nothing known, and is full, has a gap before it."""
    window, missed = Window(LATE_S, 10), []
    for start in (0, MOST_ROWS, 2 * MOST_ROWS - 5):
        window.new([row(start + n) for n in range(MOST_ROWS)], 1)
        missed.append(window.missed)
    assert missed == [False, True, False]


def test_a_long_text_is_cut() -> None:
    """A terminal is no place for a megabyte."""
    assert as_line(row(1, "y" * 1_000_000), colours=False).endswith("… 998,000 more characters")
