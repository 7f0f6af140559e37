"""Destinations answer with 260 MB, in each role: the process lives, and knows its batch's state."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from scripted_http import Server, running

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

PROGRAM = Path(__file__).with_name("store_within.py")
PIECE = b"x" * 1_048_576
PIECES = 260
READ_BYTES = 16 * len(PIECE)
"""More than is read and the kernel's buffers hold; an answer has 260 MB."""

FRAMES = {
    "length": (b"Content-Length: %d" % (PIECES * len(PIECE)), b"", b""),
    "chunks": (b"Transfer-Encoding: chunked", b"%x\r\n" % len(PIECE), b"\r\n"),
    "end": (b"Connection: close", b"", b""),
}


def huge(status: int, frame: str) -> Callable[[Server, socket.socket], None]:
    """Answer each request with 260 MB, as long as the client reads."""
    header, before, after = FRAMES[frame]

    def play(server: Server, wire: socket.socket) -> None:
        while server.receive(wire):
            wire.sendall(b"HTTP/1.1 %d Huge\r\n%b\r\n\r\n" % (status, header))
            for _ in range(PIECES):
                wire.sendall(before + PIECE + after)
                server.sent_bytes += len(PIECE)

    return play


@contextlib.contextmanager
def stored(
    folder: Path, destination: str, status: int, frame: str, **more: str
) -> Iterator[tuple[Server, dict[str, Any]]]:
    """Store a batch with a destination whose every answer is huge; return the outcome."""
    with running(huge(status, frame)) as server:
        environ = {
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-central-1",
            "OTLP2PARQUET_DESTINATION": destination.replace("SERVER", server.url),
            **{name: value.replace("SERVER", server.url) for name, value in more.items()},
        }
        done = subprocess.run(
            [sys.executable, PROGRAM, folder],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        yield server, json.loads(done.stdout.splitlines()[-1])


def bounded(server: Server, found: dict[str, Any], requests: int = 1) -> None:
    """Check that neither memory nor network was used for the rest of the answer."""
    assert found["kept"]
    assert found["grown_bytes"] < READ_BYTES
    assert len(server.requests) <= requests
    assert server.sent_bytes < READ_BYTES * requests


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize(
    "destination", ["s3://bucket/prefix?endpoint=SERVER", "SERVER/tap", "otlp+SERVER"]
)
def test_a_success_is_one_however_much_follows_it(
    tmp_path: Path, destination: str, frame: str
) -> None:
    """The status decides: the batch is stored, and the connection closed without reading on."""
    with stored(tmp_path, destination, 200, frame) as (server, found):
        assert found["found"] == "stored"
        bounded(server, found)


@pytest.mark.parametrize(
    "destination", ["s3://bucket/prefix?endpoint=SERVER", "SERVER/tap", "otlp+SERVER"]
)
def test_an_endless_error_is_cut_and_says_so(tmp_path: Path, destination: str) -> None:
    """An error page is for people: its beginning is quoted, with the place of the cut."""
    status = 403 if destination.startswith("s3") else 503
    with stored(tmp_path, destination, status, "length") as (server, found):
        assert "xxx" in found["found"]
        assert "cut: its body is longer than the limit of 65536 bytes" in found["found"]
        bounded(server, found)


@pytest.mark.parametrize(
    ("destination", "more", "limit_bytes"),
    [
        ("rest+SERVER", {}, 1_048_576),
        ("rest+SERVER", {"OTLP2PARQUET_REST_CREDENTIAL": "id:secret"}, 1_048_576),
        (
            "s3://bucket/prefix?endpoint=SERVER",
            {"AWS_ACCESS_KEY_ID": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "SERVER/me"},
            1_048_576,
        ),
    ],
    ids=["configuration", "token", "credentials"],
)
def test_a_document_that_is_too_long_is_refused_and_the_batch_kept(
    tmp_path: Path, destination: str, more: dict[str, str], limit_bytes: int
) -> None:
    """Half a document is useless. The message names the limit, and the segment stays."""
    with stored(tmp_path, destination, 200, "chunks", **more) as (server, found):
        assert f"its body is longer than the limit of {limit_bytes} bytes" in found["found"]
        bounded(server, found)
