"""No secret is in a log line, a file of the spool or a file of the lake.

Every variable that may have a secret has a distinctive one. Destinations refuse, quote the request
in their answers, or send answers that cannot be read.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import scripted_http
from lake_bench import bodies_at
from scripted_lambda import WAIT_S, Extension, ScriptedLambda, shutdown

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.lake.destinations.choose import choose
from otlp2parquet_ext.lake.destinations.destination import Batch

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.e2e

WORD = "hush-hush"
"""Begins every secret, so that a part of one is found, too."""

IN_URL = f"{WORD}-in-url"
VARIABLES = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": f"{WORD}-secret-access-key",
    "AWS_SESSION_TOKEN": f"{WORD}-session-token",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": f"{WORD}-container-token",
    "OTLP2PARQUET_REST_TOKEN": f"{WORD}-rest-token",
    "OTLP2PARQUET_REST_CREDENTIAL": f"client:{WORD}-rest-credential",
    "BD_TAP_CLIENT_TOKEN": f"{WORD}-tap-token",
    "OTEL_EXPORTER_OTLP_HEADERS": f"api-key={WORD}%2Dkey,authorization=Bearer%20{WORD}-bearer",
    "PYICEBERG_CATALOG__PROD__TOKEN": f"{WORD}-catalog-token",
    "PYICEBERG_CATALOG__PROD__CREDENTIAL": f"client:{WORD}-catalog-credential",
    "PYICEBERG_CATALOG__PROD__S3__SECRET_ACCESS_KEY": f"{WORD}-catalog-key",
    "OTLP2PARQUET_REST_TOKN": f"{WORD}-misspelled",
    "MAX_ITEMS": "many",
    "OTLP2PARQUET_EXCLUDE": "<LOUD",
    "OTLP2PARQUET_COMMIT_INTERVAL_MS": "0",
    "TIMEOUT_MS": "25",
    "OTLP2PARQUET_FLUSH": "threshold",
}


FORMS = (
    *(
        base64.b64encode(b"x" * shift + WORD.encode())[shift + 1 : -4].decode()
        for shift in (0, 1, 2)
    ),
    "".join(f"%{byte:02x}" for byte in WORD.encode()),
    WORD[1:],
)
"""Pieces of the word as some of the servers below quote it."""


def echo_text(request: bytes) -> bytes:
    """Refuse with the whole request in the answer, as debugging proxies do."""
    return scripted_http.answer(request, 403)


def echo_json(request: bytes) -> bytes:
    """Refuse as an Iceberg catalog."""
    error = {"message": request.decode("latin-1"), "type": "NotAuthorizedException", "code": 403}
    return scripted_http.answer(json.dumps({"error": error}).encode(), 403)


def echo_xml(request: bytes) -> bytes:
    """Refuse as S3."""
    text = request.decode("latin-1").replace("<", "&lt;")
    document = f"<Error><Code>AccessDenied</Code><Message>{text}</Message></Error>"
    return scripted_http.answer(document.encode(), 403)


def echo_busy(request: bytes) -> bytes:
    """Ask the client to wait, as an overloaded server does."""
    return scripted_http.answer(request, 503)


def echo_in_base64(request: bytes) -> bytes:
    """Refuse with the encoded request, after so many words that a short quotation cuts it."""
    return scripted_http.answer(b"not accepted: " * 13 + base64.b64encode(request), 503)


def echo_percent_encoded(request: bytes) -> bytes:
    """Refuse with each byte of the request percent-encoded."""
    text = "".join(f"%{byte:02x}" for byte in request)
    return scripted_http.answer(text.encode(), 503)


def echo_cut(request: bytes) -> bytes:
    """Refuse so that a quotation of 200 characters ends within a secret."""
    at = request.find(WORD.encode())
    return scripted_http.answer(b"x" * (170 - at % 170) + request, 503)


@dataclass(frozen=True)
class Trouble:
    """A destination that fails; `{server}` is the address of the echoing server."""

    destination: str
    answer: Callable[[bytes], bytes] = echo_text
    without: tuple[str, ...] = ()
    more: tuple[tuple[str, str], ...] = ()


KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
CONTAINER = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
CATALOG_URI = "PYICEBERG_CATALOG__PROD__URI"
TROUBLES = {
    "a bucket nobody serves": Trouble("s3://bucket/p?endpoint=http://127.0.0.1:1"),
    "a bucket that echoes XML": Trouble("s3://bucket/p?endpoint={server}", echo_xml),
    "a bucket that echoes text": Trouble("s3://bucket/p?endpoint={server}"),
    "Glue that echoes": Trouble("glue://db?warehouse=s3://bucket/p&endpoint={server}", echo_json),
    "a catalog that echoes JSON": Trouble("rest+{server}/c?warehouse=w", echo_json),
    "a catalog that echoes text": Trouble("rest+{server}/c?warehouse=w"),
    "a token endpoint that echoes": Trouble(
        f"rest+{{server}}/c?oauth2-server-uri={{server}}/token?key={IN_URL}",
        echo_json,
        ("OTLP2PARQUET_REST_TOKEN",),
    ),
    "container credentials that echo": Trouble(
        "s3://bucket/p",
        echo_text,
        KEYS,
        ((CONTAINER, f"{{server}}/get?key={IN_URL}"),),
    ),
    "container credentials in the wrong place": Trouble(
        "s3://bucket/p",
        echo_text,
        KEYS,
        ((CONTAINER, f"http://user:{IN_URL}@example.com/get?key={IN_URL}"),),
    ),
    "a password in a bucket": Trouble(f"s3://AKIA:{IN_URL}@bucket/p"),
    "a password with a slash": Trouble(f"s3://AKIA:{IN_URL}/{IN_URL}@bucket/p"),
    "a password in a catalog": Trouble(f"rest+https://user:{IN_URL}@host/c"),
    "a password with a slash in a catalog": Trouble(f"rest+https://user:{IN_URL}/x@host/c"),
    "a password in a database": Trouble(f"glue://user:{IN_URL}@db?warehouse=s3://bucket"),
    "a password in an endpoint": Trouble(f"s3://bucket/p?endpoint=https://u:{IN_URL}@host"),
    "a password in a warehouse": Trouble(f"glue://db?warehouse=s3://u:{IN_URL}@bucket/p"),
    "a password nobody knows the scheme of": Trouble(f"s4://user:{IN_URL}@host/p"),
    "a token in a query": Trouble(f"rest+https://host/c?token={IN_URL}"),
    "a token in a fragment": Trouble(f"s4://bucket/p#{IN_URL}"),
    "a Data Tap in trouble that echoes": Trouble("{server}/", echo_busy),
    "a Data Tap with a key in its URL": Trouble(f"{{server}}/?key={IN_URL}", echo_busy),
    "a Data Tap at a webhook's path": Trouble(f"{{server}}/services/T0/{IN_URL}-1", echo_busy),
    "a Data Tap with a signature in its URL": Trouble(f"{{server}}/a?sig={IN_URL}", echo_busy),
    "a Data Tap with a code in its URL": Trouble(f"{{server}}/a?code={IN_URL}&x=1", echo_busy),
    "a collector at a secret path": Trouble(f"otlp+{{server}}/{IN_URL}-1", echo_busy),
    "a catalog with an unknown option": Trouble(f"rest+https://host/c?sig={IN_URL}"),
    "a Data Tap that echoes in base64": Trouble("{server}/", echo_in_base64),
    "a Data Tap that echoes percent-encoded": Trouble("{server}/", echo_percent_encoded),
    "a Data Tap that echoes across the cut": Trouble("{server}/", echo_cut),
    "a collector that echoes in base64": Trouble("otlp+{server}/", echo_in_base64),
    "a collector that echoes percent-encoded": Trouble("otlp+{server}/", echo_percent_encoded),
    "a collector in trouble that echoes": Trouble("otlp+{server}/base", echo_busy),
    "a password in a Data Tap": Trouble(f"https://user:{IN_URL}@host/"),
    "a password in a collector": Trouble(f"otlp+https://user:{IN_URL}@host/"),
    "a token in a collector": Trouble(f"otlp+https://host/?token={IN_URL}"),
    "an inbox with a password": Trouble(
        "sqlite:///tmp/none/catalog.db",
        echo_text,
        (),
        (("OTLP2PARQUET_INBOX", f"s4://user:{IN_URL}@bucket?token={IN_URL}"),),
    ),
}

BEHIND_PYICEBERG = {
    "a catalog of PyIceberg's that echoes": Trouble(
        "catalog://prod", echo_json, (), ((CATALOG_URI, "{server}"),)
    ),
    "a database that is not there": Trouble(
        "catalog://prod",
        echo_json,
        (),
        ((CATALOG_URI, f"postgresql+psycopg2://user:{IN_URL}@127.0.0.1:1/db"),),
    ),
    "a database nobody understands": Trouble(
        "catalog://prod", echo_json, (), ((CATALOG_URI, f"sqlite+:://user:{IN_URL}@127.0.0.1"),)
    ),
}
"""Only a committer meets these: an environment never asks them."""

COMMAND_LINE = "import sys; from otlp2parquet_ext.tools.cli import main; sys.exit(main())"


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition of files holds."""
    until_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.01)


def run(extension: Extension, happens: Callable[[Extension], None]) -> list[str]:
    """Deliver, wait until something happens, and shut down; return the log lines.

    SHUTDOWN leaves two seconds, which are short on a busy machine, so it may not be the cause of
    the flush.
    """
    extension.until_next()
    line = b'[{"time":"2026-03-14T09:26:53.540Z","type":"function","record":"a line"}]'
    assert extension.post(line) == 200
    assert extension.post(line.replace(b"a line", b"another")) == 200
    happens(extension)
    extension.lambda_.events.put(shutdown())
    assert extension.end() == 0
    return extension.lines


@pytest.mark.parametrize("what", TROUBLES)
def test_no_secret_is_said_or_stored_whatever_fails(
    what: str, scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """The receiver's path is a secret, too: with it any process can post as the platform."""
    trouble = TROUBLES[what]

    def play(server: scripted_http.Server, connection: socket.socket) -> None:
        while request := server.receive(connection):
            connection.sendall(trouble.answer(request))

    with scripted_http.running(play) as server:
        own = {name: value for name, value in VARIABLES.items() if name not in trouble.without}
        more = {name: value.replace("{server}", server.url) for name, value in trouble.more}
        url = trouble.destination.replace("{server}", server.url)
        extension = scripted.start(tmp_path, **own, **more, OTLP2PARQUET_DESTINATION=url)
        lines = run(extension, lambda it: it.until_said("telemetry are kept for later"))
    _, path = scripted.destination()
    assert any("telemetry are kept for later" in line for line in lines), lines
    for line in lines:
        assert WORD not in line
        assert not any(form in line for form in FORMS)
        assert path not in line
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert WORD.encode() not in file.read_bytes()
            assert path.encode() not in file.read_bytes()


@pytest.mark.parametrize("what", BEHIND_PYICEBERG)
def test_a_committer_shows_no_secret_of_a_catalog_of_pyicebergs(what: str, tmp_path: Path) -> None:
    """It prints the error, which quotes a server, a driver or an address."""
    trouble = BEHIND_PYICEBERG[what]

    def play(server: scripted_http.Server, connection: socket.socket) -> None:
        while request := server.receive(connection):
            connection.sendall(trouble.answer(request))

    warehouse = {"PYICEBERG_CATALOG__PROD__WAREHOUSE": f"file://{tmp_path}"}
    variables = {**os.environ, **VARIABLES, **warehouse, "OTLP2PARQUET_DESTINATION": ""}
    stored = load({**variables, "OTLP2PARQUET_DESTINATION": trouble.destination})[0]
    choose(stored, variables).store(Batch("a" * 32, {"logs": bodies_at(0, "a line")}))
    with scripted_http.running(play) as server:
        variables |= {name: value.replace("{server}", server.url) for name, value in trouble.more}
        command = [sys.executable, "-c", COMMAND_LINE, "commit", trouble.destination]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr, done
    printed = done.stdout + done.stderr
    assert WORD not in printed
    assert not any(form in printed for form in FORMS)


@pytest.mark.parametrize("scheme", ["", "otlp+"])
def test_who_refuses_for_ever_is_quoted_without_what_it_was_sent(
    scheme: str, scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """Refused batches are dropped, and the line about it quotes the server."""

    def play(server: scripted_http.Server, connection: socket.socket) -> None:
        while request := server.receive(connection):
            connection.sendall(echo_text(request))

    with scripted_http.running(play) as server:
        url = f"{scheme}{server.url}"
        extension = scripted.start(tmp_path, **VARIABLES, OTLP2PARQUET_DESTINATION=url)
        lines = run(extension, lambda it: it.until_said("refused permanently"))
    assert any("refused permanently" in line for line in lines), lines
    assert not [line for line in lines if WORD in line]


def test_a_destination_that_works_holds_no_secret_either(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """This searches rows, names of files, Iceberg's metadata, and the catalog."""
    url = f"sqlite://{tmp_path}/lake/catalog.db?warehouse={tmp_path}/lake/warehouse"
    extension = scripted.start(tmp_path, **VARIABLES, OTLP2PARQUET_DESTINATION=url)
    # Both deliveries are committed, and their segments discarded.
    lines = run(
        extension,
        lambda _: until(lambda: [*tmp_path.rglob("*.avro")] and not [*tmp_path.rglob("*.seg")]),
    )
    _, path = scripted.destination()
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {".parquet", ".db", ".json", ".avro"} <= {file.suffix for file in files}
    for text in [line.encode() for line in lines] + [file.read_bytes() for file in files]:
        assert WORD.encode() not in text
        assert path.encode() not in text


@pytest.mark.parametrize("rules", [r"password=(\S+)", "password=("])
def test_what_is_redacted_reaches_neither_the_spool_nor_the_lake(
    rules: str, scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """Masking comes before the spool.

    A bad expression masks everything, and one line reports it.
    """
    (tmp_path / "lake").write_text("in the way")
    extension = scripted.start(tmp_path, OTLP2PARQUET_REDACT=rules, TIMEOUT_MS="25")
    extension.until_next()
    record = {"message": f"password={WORD}", "password": WORD}
    event = {"time": "2026-03-14T09:26:53.540Z", "type": "function", "record": record}
    assert extension.post(json.dumps([event]).encode()) == 200
    assert extension.post(f"no json, password={WORD}".encode()) == 200
    spooled = b"".join(file.read_bytes() for file in tmp_path.rglob("*.seg"))
    assert b"[redacted]" in spooled
    assert WORD.encode() not in spooled
    (tmp_path / "lake").unlink()
    until(lambda: not [*tmp_path.rglob("*.seg")])
    extension.lambda_.events.put(shutdown())
    assert extension.end() == 0
    assert list((tmp_path / "lake").rglob("*.parquet")) != []
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or WORD.encode() not in file.read_bytes()
    said = [line for line in extension.lines if "OTLP2PARQUET_REDACT" in line]
    assert len(said) == (rules == "password=(")
