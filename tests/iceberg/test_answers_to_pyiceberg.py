"""PyIceberg's own clients read an answer only up to the limit of its purpose."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from catalog_bench import NAME, variables
from lake_bench import soon
from scripted_http import Server, running

from otlp2parquet_ext.lake.http.answer_reader import bound_botocore
from otlp2parquet_ext.lake.http.response import ResponseTooLongError
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_catalog import catalog_table
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

PIECE = b"x" * 1_048_576
PIECES = 260
READ_BYTES = 24 * len(PIECE)
"""More than is read and the kernel's buffers hold; an answer has 260 MB."""

SMALL = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"}
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


def huge(target: bytes, status: int, kind: bytes) -> Callable[[Server, socket.socket], None]:
    """Answer `{}`, but send 260 MB if the request line contains `target`."""

    def play(server: Server, wire: socket.socket) -> None:
        while request := server.receive(wire):
            if target not in request.partition(b"\r\n")[0]:
                body = json.dumps({"defaults": {}, "overrides": {}}).encode()
                head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d"
                wire.sendall(head % len(body) + b"\r\n\r\n" + body)
                continue
            head = b"HTTP/1.1 %d Huge\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
            wire.sendall(head % (status, kind, PIECES * len(PIECE)))
            for _ in range(PIECES):
                wire.sendall(PIECE)
                server.sent_bytes += len(PIECE)

    return play


def refused(environ: Mapping[str, str]) -> str:
    """Ask a catalog for the location of the table; return the reason why it fails."""
    table = catalog_table(NAME, "otel", "logs", {**SMALL, **environ})
    try:
        with pytest.raises(CommitError) as found:
            table.location(soon())
        return str(found.value)
    finally:
        table.close()


@pytest.mark.parametrize(
    ("target", "more", "limit_bytes"),
    [
        (b"/v1/config", {}, 1_048_576),
        (b"/v1/oauth/tokens", {"credential": "id:secret"}, 1_048_576),
        (b"/tables/logs", {}, 16_777_216),
    ],
    ids=["configuration", "token", "table"],
)
def test_a_rest_catalog_of_pyiceberg_is_read_up_to_a_limit(
    target: bytes, more: dict[str, str], limit_bytes: int
) -> None:
    """PyIceberg makes its sessions itself, also the one that is used before there is a catalog."""
    with running(huge(target, 200, b"application/json")) as server:
        said = refused(variables(uri=server.url, type="rest", **more))
        assert f"its body is longer than the limit of {limit_bytes} bytes" in said
        assert server.sent_bytes < READ_BYTES


def test_an_endless_error_of_a_rest_catalog_is_cut() -> None:
    """The status decides. It comes twice, because every failed request is tried again."""
    with running(huge(b"/tables/logs", 503, b"application/json")) as server:
        assert "503" in refused(variables(uri=server.url, type="rest"))
        assert server.sent_bytes < 2 * READ_BYTES


@pytest.mark.parametrize("kind", ["glue", "dynamodb"])
@pytest.mark.parametrize("status", [200, 503])
def test_a_catalog_of_aws_through_pyiceberg_is_read_up_to_a_limit(
    kind: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """botocore reads an answer, and an error, to its end before it looks at the status."""
    with running(huge(b"POST", status, b"application/x-amz-json-1.1")) as server:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": server.url}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_REGION", "eu-west-1")
        region = {f"{kind}__region": "eu-west-1"}
        said = refused(variables(type=kind, warehouse="s3://bucket/lake", **region))
        if status == 200:
            assert "its body is longer than the limit of 1048576 bytes" in said
        assert server.sent_bytes < 2 * READ_BYTES


class Chunked:
    """A body of 260 MB whose length is announced, or is not."""

    def __init__(self, *, announced: bool) -> None:
        self._announced = announced

    def __call__(self, server: Server, wire: socket.socket) -> None:
        """Answer each request with it."""
        while server.receive(wire):
            length = b"Content-Length: %d" % (PIECES * len(PIECE))
            kind = length if self._announced else b"Transfer-Encoding: chunked"
            wire.sendall(b"HTTP/1.1 200 OK\r\n" + kind + b"\r\n\r\n")
            for _ in range(PIECES):
                frame = b"%x\r\n%b\r\n" % (len(PIECE), PIECE)
                wire.sendall(PIECE if self._announced else frame)
                server.sent_bytes += len(PIECE)


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("whole", [lambda body: body.read(), lambda body: body.readlines()])
def test_a_stream_of_botocore_is_read_up_to_what_memory_allows(
    *, announced: bool, whole: Callable[[Any], object]
) -> None:
    """A user's own file access gets objects so; one that reads piece by piece keeps none."""
    limit_bytes = 16 * len(PIECE)
    bound_botocore(limit_bytes)
    with running(Chunked(announced=announced)) as server:
        client = boto3.client(
            "s3",
            endpoint_url=server.url,
            region_name="eu-west-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",  # noqa: S106 - of no use anywhere
        )
        body = client.get_object(Bucket="bucket", Key="key")["Body"]
        if announced:
            assert len(body.read(65_536)) == 65_536
        with pytest.raises(ResponseTooLongError, match=f"longer than the limit of {limit_bytes}"):
            whole(body)
        assert server.sent_bytes < READ_BYTES
