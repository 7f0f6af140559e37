"""Foreign text in the output of commands is only text: no sequences, no invisible characters."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import quote as percent

import pyarrow.parquet as pq
import pytest
import scripted_http
from hostile_rows import FORGER, HOSTILE_TEXT, LONG_TEXT, logs

from otlp2parquet_ext.tools import cli
from otlp2parquet_ext.tools.terminal import clean, clean_line

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\U000e0100-\U000e01ef]"
)
NAME = "q\x1b[31m\u202e\u2066\U000e0041\u200b\x9b1m"
"""A name of a folder, a function, or another thing that a foreigner may choose."""


def assert_only_shows(text: str) -> None:
    """Check every character of an output."""
    bad = {
        char
        for char in set(text)
        if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and char not in "\n\t"
    }
    assert bad == set()
    assert not UNSEEN.search(text)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of plain files with hostile rows, by a writer that is not ours."""
    root = tmp_path_factory.mktemp("lake")
    (root / "logs" / FORGER).mkdir(parents=True)
    table = logs()
    short = [len(text or "") < len(LONG_TEXT) for text in table["Body"].to_pylist()]
    pq.write_table(table.filter(short), root / "logs" / FORGER / "forged.parquet")
    return root


def outputs(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command in this process; return what it wrote to both outputs."""
    try:
        cli.main(list(words))
    except SystemExit as ended:
        assert ended.code  # noqa: PT017 - argparse refuses, or a command does
    captured = capsys.readouterr()
    assert captured.out + captured.err
    return captured.out + captured.err


QUERIES = {
    "rows": "SELECT * FROM logs LIMIT 50",
    "a text": "SELECT max(EventName), any_value(Body) FROM logs",
    "a name": f'SELECT 1 AS "{NAME}"',
    "an error with a value": "SELECT CAST(Body AS INT) FROM logs",
    "an error with a name": f'SELECT "{NAME}" FROM logs',  # noqa: S608 - ours
    "an error of a function": f"SELECT error('{NAME}')",
}


@pytest.mark.parametrize("sql", QUERIES.values(), ids=QUERIES)
def test_query_only_shows(lake: Path, sql: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows, and errors, which quote a value of a row."""
    assert_only_shows(outputs("query", f"file://{lake}", sql, capsys=capsys))


TAILS = {
    "lines": (),
    "JSON": ("--json",),
    "a bad expression": ("--grep", f"({NAME}"),
    "a function": ("--function", NAME),
}


@pytest.mark.parametrize("options", TAILS.values(), ids=TAILS)
def test_tail_only_shows(
    lake: Path, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows, times of no calendar among them, and its own messages."""
    cli.main(["tail", f"file://{lake}", "--since", "3650d", *options])
    captured = capsys.readouterr()
    assert_only_shows(captured.out + captured.err)
    if not options:
        assert FORGER in captured.out


def test_a_row_cannot_forge_another_line(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line end in a name begins no line; one in a text is indented."""
    cli.main(["tail", f"file://{lake}", "--since", "3650d"])
    lines = capsys.readouterr().out.splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3} |    ", line) for line in lines)
    assert clean_line("a\nb\u2028c\rd") == "a b\ufffdc d"


def test_report_only_shows(lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """This covers its output, and the page, which a browser renders with text directions."""
    page = tmp_path / "page.html"
    said = outputs("report", f"file://{lake}", "--output", str(page), capsys=capsys)
    assert_only_shows(said)
    assert_only_shows(page.read_text())


COMMANDS = {
    "query": ("SELECT 1",),
    "report": (),
    "tail": (),
    "check": (),
    "commit": (),
}
PLACES = (
    "file://{folder}/{name}",
    "sqlite://{folder}/{name}/c.db",
    "s4://{name}",
    "s3://b?{name}=1",
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_destination_of_a_hostile_name_only_shows(
    command: str, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may come from a file of another person."""
    url = place.format(folder=tmp_path, name=NAME)
    said = outputs(command, url, *COMMANDS[command], capsys=capsys)
    assert_only_shows(said)


def test_a_price_list_of_hostile_names_only_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`cost` quotes what it does not know."""
    for text in (json.dumps({NAME: 1}), f"{NAME} = {HOSTILE_TEXT}"):
        file = tmp_path / "prices.toml"
        file.write_text(text)
        assert_only_shows(outputs("cost", "--prices", str(file), capsys=capsys))


@pytest.fixture
def server() -> Iterator[str]:
    """A server whose answers, headers among them, are hostile."""

    def play(server: scripted_http.Server, connection: socket.socket) -> None:
        while server.receive(connection):
            body = f"no {HOSTILE_TEXT}".encode("utf-8", "replace")
            head = "HTTP/1.1 403 No\r\nx-amzn-errortype: a\x1b[31m\x9bb\r\nlocation: /\x1b[2J\r\n"
            head += f"content-type: text/html\x1b[1m\r\ncontent-length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode("latin-1") + body)

    with scripted_http.running(play) as running:
        yield running.url


@pytest.mark.parametrize(
    "kind", ["s3://bucket/p?endpoint={0}", "{0}/", "otlp+{0}", "rest+{0}?warehouse=w"]
)
def test_check_only_shows_what_a_server_answers(
    kind: str, server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its words are quoted in the verdict, and in the remedy."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-nobody")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    said = outputs("check", kind.format(server), "--send", capsys=capsys)
    assert_only_shows(said)
    assert "403" in said


def test_every_character_that_does_not_show_is_replaced() -> None:
    """A list of known ones never has them all: the property of each character decides."""
    every = "".join(map(chr, range(0x110000)))
    assert_only_shows(clean(every))
    assert_only_shows(clean(" ".join(every)))
    assert (
        clean("größer 東京 עברית العربية 🚀 a\u00a0b\tc\n")
        == "größer 東京 עברית العربية 🚀 a b\tc\n"
    )
    assert clean("a\x1b[31mb\x1b]0;t\x07c\x9b2Jd\x1bPq\x1b\\e") == "abcde"
    assert percent(clean("\u200bx")) == percent("\ufffdx")
