"""`otlp2parquet-ext report` from a destination to a file, and its message if there is no data."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from fleet import event, events_of, fleet, logs
from places import plain_folder, soon, sqlite
from test_page import HOSTILE, read

from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.tools.arguments import seconds
from otlp2parquet_ext.tools.cli import main
from otlp2parquet_ext.tools.report.command import _shown

if TYPE_CHECKING:
    from places import Place

NOW_MS = time.time_ns() // 1_000_000
REQUEST = "8476a536-e9f4-11e8-9739-000000000001"
MEGABYTE = 1 << 20


def store(place: Place, function: str, events: list[dict[str, Any]]) -> str:
    """Make events visible; return the destination."""
    destination = place.open()
    batch = Batch("0" * 32, {"logs": logs(function, events)})
    destination.store(batch, commit_follows=True)
    destination.commit(soon())
    return place.url


@pytest.fixture(params=["iceberg", "plain files"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty lake of either kind."""
    return sqlite(tmp_path) if request.param == "iceberg" else plain_folder(tmp_path)


def test_a_destination_becomes_a_file(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The answers and the path of the page are printed, too."""
    mine = [i for i in fleet(NOW_MS, hours=1) if i.function == "orders"]
    url = store(place, "orders", [e for i in mine for e in events_of(i)])
    file = tmp_path / "of orders.html"
    assert main(["report", url, "--output", str(file), "--since", "2h"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 4
    assert said[0].startswith(f"Only one function ran, orders: half of its {len(mine)} invocations")
    assert said[3] == f"Report: {file}"
    text = "".join(read(file.read_text()).said)
    assert all(sentence in text for sentence in said[:3])
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".of")] == []


def test_a_hostile_function_is_reported_on_as_any_other(place: Place, tmp_path: Path) -> None:
    """Its text is stored, queried and on the page, and all elements are ours."""
    evil = [
        event(NOW_MS - 5_000 + n, "function", {"level": "ERROR", "message": text} | request)
        for n, text in enumerate(HOSTILE)
        for request in [{"requestId": REQUEST, "errorType": text}]
    ]
    metrics = {"durationMs": "NaN", "billedDurationMs": -1, "memorySizeMB": 1e300}
    report = {"requestId": REQUEST, "status": HOSTILE[0], "metrics": metrics}
    evil.append(event(NOW_MS - 1_000, "platform.report", report))
    url = store(place, HOSTILE[1], evil)
    file = tmp_path / "report.html"
    assert main(["report", url, "--output", str(file)]) == 0
    found = read(file.read_text())
    assert [tag for tag, _ in found.tags].count("script") == 1
    assert not {"img", "iframe"} & {tag for tag, _ in found.tags}
    assert HOSTILE[0] in "".join(found.said)


def test_rows_of_another_time_are_no_rows(place: Place, tmp_path: Path) -> None:
    """The page lists what to check, and has the time of the newest row."""
    old = NOW_MS - 40 * 3_600_000
    url = store(place, "orders", [event(old, "function", "an old line")])
    file = tmp_path / "report.html"
    assert main(["report", url, "--output", str(file)]) == 0
    text = "".join(read(file.read_text()).said)
    assert "What to check" in text
    assert f"newest row is of {datetime.fromtimestamp(old / 1_000, UTC):%Y-%m-%d}" in text


def test_lines_without_invocations_are_a_report(place: Place, tmp_path: Path) -> None:
    """It has errors only, and a note that there are no invocations to count."""
    line = {"level": "ERROR", "message": "no such order 7"}
    url = store(place, "orders", [event(NOW_MS - 9, "function", line)])
    file = tmp_path / "report.html"
    assert main(["report", url, "--output", str(file)]) == 0
    text = "".join(read(file.read_text()).said)
    assert "no platform.report among them" in text
    assert "no such order #" in text


@pytest.mark.parametrize(
    ("destination", "said"),
    [
        ("nonsense", "expected s3://bucket/prefix"),
        ("sqlite:///nowhere/c.db?warehouse=/nowhere/w", "there is no table"),
        ("file:///nowhere", "no Parquet file of ours"),
        ("s3://bucket/prefix", "Could not connect"),
    ],
)
def test_a_wrong_destination_is_an_error_in_a_line_or_two(
    destination: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not a page, and not a traceback."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    assert main(["report", destination, "--output", str(tmp_path / "r.html")]) == 1
    out = capsys.readouterr()
    assert out.out == ""
    assert said in out.err
    assert out.err.startswith("otlp2parquet-ext report: ")
    assert out.err.count("\n") <= 2
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_named(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the reason."""
    url = store(place, "orders", [event(NOW_MS - 9, "function", "a line")])
    assert main(["report", url, "--output", str(tmp_path / "no" / "r.html")]) == 1
    assert "No such file or directory" in capsys.readouterr().err


def test_only_a_report_is_replaced_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A page of the user's, a link, a folder: each is left alone, with status 2."""
    url = store(sqlite(tmp_path), "orders", [event(NOW_MS - 9, "function", "a line")])
    mine, link, folder = (tmp_path / name for name in ("mine.html", "link.html", "folder.html"))
    mine.write_text("<!DOCTYPE html>\nmine")
    link.symlink_to(mine)
    folder.mkdir()
    for output in (mine, link, folder):
        assert main(["report", url, "--output", str(output)]) == 2
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)
        assert f"--output {str(output)!r}: there is something that is no report" in said.err
    assert mine.read_text() == "<!DOCTYPE html>\nmine"
    assert link.is_symlink()

    assert main(["report", url, "--output", str(link), "--overwrite"]) == 0
    assert mine.read_text() == "<!DOCTYPE html>\nmine"
    before = link.lstat().st_ino
    assert main(["report", url, "--output", str(link)]) == 0
    assert link.lstat().st_ino != before


@pytest.mark.parametrize("text", ["24h", "90s", "30m", "7d", "2W"])
def test_how_far_back_is_a_number_and_a_unit(text: str) -> None:
    """Users write times in this form."""
    unit = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}[text[-1].lower()]
    assert seconds(text) == int(text[:-1]) * unit


@pytest.mark.parametrize("text", ["", "24", "h", "0h", "-1h", "1.5h", "99999999w", "1y", "٣h"])
def test_anything_else_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With what would be valid."""
    with pytest.raises(SystemExit):
        main(["report", "file:///x", f"--since={text}"])
    assert "for example 24h" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("destination", "shown"),
    [
        ("s3://bucket/prefix", "s3://bucket/prefix"),
        ("glue://db?warehouse=s3://b/p&secret=x", "glue://db?warehouse=s3://b/p"),
        ("rest+https://user:word@host/path?token=x", "rest+https://host/path"),
        ("arn:aws:s3tables:eu-west-1:1:bucket/b/ns", "arn:aws:s3tables:eu-west-1:1:bucket/b/ns"),
    ],
)
def test_a_page_shows_no_secret_of_its_destination(destination: str, shown: str) -> None:
    """It is passed on more readily than a terminal."""
    assert _shown(destination) == shown


def commands() -> list[str]:
    """Return the commands the page shows."""
    text = (Path(__file__).parents[2] / "docs" / "report.md").read_text()
    blocks = re.findall(r"```sh[^\n]*\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if "otlp2parquet-ext" in line]


@pytest.mark.parametrize("command", commands())
def test_every_command_of_the_page_works(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As written, with a destination in place of DESTINATION."""
    monkeypatch.chdir(tmp_path)
    url = store(sqlite(tmp_path), "orders", [event(NOW_MS - 9, "function", "a line")])
    words = shlex.split(command.partition("#")[0])
    assert words[0] == "otlp2parquet-ext"
    arguments = [url if word == "DESTINATION" else word for word in words[1:]]
    assert url in arguments
    if "--follow" in arguments:  # it would not end: tests/tail has it as a process
        arguments.remove("--follow")
    assert main(arguments) == 0


def test_the_page_shows_commands() -> None:
    """Else the test above would pass on an empty page."""
    assert len(commands()) >= 5


MANY = """
COPY (
    SELECT now() - to_milliseconds(1 + (n * 8_000) % 80_000_000) AS "Timestamp",
           'function-' || (n // 4 % 300) AS "ServiceName", 'i' AS "ServiceInstanceId",
           CASE WHEN n % 50 = 1 THEN 17 ELSE 9 END::INT AS "SeverityNumber",
           CASE WHEN n % 50 = 1 THEN 'ERROR' ELSE 'INFO' END AS "SeverityText",
           CASE WHEN n % 4 = 0 THEN 'platform.report' ELSE 'function' END AS "EventName",
           'request-' || (n // 4) AS "FaasInvocationId",
           CASE WHEN n % 50 = 1 THEN 'lost ' || md5(n::TEXT)
                ELSE repeat('order taken ', 8) || n END AS "Body",
           CASE WHEN n % 4 = 0 THEN json_object('status', 'success', 'metrics', json_object(
               'durationMs', (n % 997) + 0.5, 'billedDurationMs', n % 997 + 1,
               'memorySizeMB', 512, 'maxMemoryUsedMB', 100 + n % 100))::TEXT ELSE '{}' END
               AS "LogAttributes"
    FROM range(1_000_000) AS t(n)
) TO 'FILE' (ROW_GROUP_SIZE 100_000)"""


def test_a_million_rows_take_little_memory_and_make_a_small_page(tmp_path: Path) -> None:
    """250,000 invocations of 300 functions; less than half the memory asserted was measured."""
    folder = tmp_path / "lake" / "logs" / "a"
    folder.mkdir(parents=True)
    duckdb.connect().execute(MANY.replace("FILE", str(folder / "many.parquet")))
    file = tmp_path / "report.html"
    program = (
        "import sys; from otlp2parquet_ext.tools.cli import main; status = main(sys.argv[1:]); "
        # Not getrusage(): what it says began as the peak of pytest, which forked.
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]); sys.exit(status)"
    )
    command = ["report", f"file://{tmp_path}/lake", "--output", str(file)]
    done = subprocess.run(
        [sys.executable, "-c", program, *command], capture_output=True, text=True, check=True
    )
    assert "for 250,000 invocations" in done.stdout
    assert int(done.stdout.splitlines()[-1]) * 1_024 < 600 * MEGABYTE
    assert file.stat().st_size < MEGABYTE
    assert "200 more functions not shown" in file.read_text()
    assert re.search(r"20,000 times in function-\d+ and \d+ other functions: “lost …”", done.stdout)
    assert len(done.stdout.splitlines()) == 5
