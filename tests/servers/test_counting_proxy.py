"""The counting proxy counts correctly, because other tests depend on it."""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

import boto3
import counting_proxy
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from counting_proxy import Cut, Flood, Latency, Pattern, Proxy
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}


class Server(BaseHTTPRequestHandler):
    """Tells what arrived: the request's line, its Host, its body; remembers it, too."""

    protocol_version = "HTTP/1.1"
    arrived: ClassVar[list[str]] = []
    connections: ClassVar[set[tuple[str, int]]] = set()

    def do_GET(self) -> None:
        """Answer any request."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.arrived.append(f"{self.command} {self.path}")
        self.connections.add(self.client_address)
        told = {"host": self.headers["Host"], "body": body.decode(), "line": self.requestline}
        told["below"] = self.headers["X-Forwarded-Prefix"] or ""
        if self.path == "/then-hang-up":
            self.connection.settimeout(0.01)  # of idleness
        if self.path == "/nothing":
            self.send_response(204)
            self.end_headers()
            return
        data = json.dumps(told).encode()
        self.send_response(200)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            data = b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)
        else:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_PUT = do_POST = do_HEAD = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """A server that returns the request that it got."""
    Server.arrived.clear()
    Server.connections.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    """A proxy before it."""
    with counting_proxy.running(server) as running:
        yield running


@contextmanager
def client(proxy: Proxy, timeout_s: float = 5) -> Iterator[http.client.HTTPConnection]:
    """One connection to the proxy."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=timeout_s)
    try:
        yield connection
    finally:
        connection.close()


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: str = "") -> str:
    """Send one request; return its answer's body, after its status."""
    connection.request(method, path, body or None)
    answer = connection.getresponse()
    return f"{answer.status} {answer.read().decode()}"


def test_requests_pass_unchanged_over_one_connection(proxy: Proxy) -> None:
    """A signature covers method, path, query and Host, so a change of any would be refused."""
    with client(proxy) as connection:
        for path in ("/a/b%2Fc?x=1&y=%20", "/chunked", "/chunked?again"):
            told = json.loads(ask(connection, "PUT", path, "data")[4:])
            assert told["host"] == f"127.0.0.1:{proxy.port}"
            assert told["line"] == f"PUT {path} HTTP/1.1"
            assert told["body"] == "data"
    assert len(Server.connections) == 1


def test_answers_without_a_body_do_not_block_the_connection(proxy: Proxy) -> None:
    """HEAD promises a length and sends nothing; 204 promises nothing."""
    with client(proxy) as connection:
        assert ask(connection, "HEAD", "/a") == "200 "
        assert ask(connection, "GET", "/nothing") == "204 "
        assert ask(connection, "GET", "/a").startswith("200 {")


def test_requests_are_counted_by_method_and_path(proxy: Proxy) -> None:
    """The query is no part of what a pattern sees; what has no kind is named as it is."""
    with client(proxy) as connection:
        for method, path in (
            ("PUT", "/b/data/x.parquet"),
            ("PUT", "/b/inbox/x.json"),
            ("GET", "/b?list-type=2&prefix=inbox/"),
        ):
            ask(connection, method, path, "12345" if method == "PUT" else "")
    assert proxy.count("PUT") == 2
    assert proxy.count("PUT", "*.parquet") == 1
    assert proxy.count("GET", "/b") == 1
    assert proxy.tally({"file": Pattern("PUT", "*.parquet"), "list": Pattern("GET", "/b")}) == {
        "file": 1,
        "list": 1,
        "PUT /b/inbox/x.json": 1,
    }
    first = proxy.requests[0]
    assert (first.status, first.sent_bytes) == (200, 5)
    assert first.received_bytes > 0
    proxy.reset()
    assert proxy.requests == ()


@pytest.mark.parametrize(
    ("cut", "arrives"),
    [
        (Cut.UPLOAD, 0),
        (Cut.BEFORE, 0),
        (Cut.AFTER, 1),
        (Cut.HALF, 1),
        (Cut.HANG, 0),
        (Cut.HANG_AFTER, 1),
    ],
)
def test_the_second_matching_request_is_cut_where_it_was_asked(
    proxy: Proxy, cut: Cut, arrives: int
) -> None:
    """Whether the server has acted is the whole difference for who has to try again."""
    proxy.fault(cut, method="PUT", path="/hit/*", nth=2)
    for path in ("/other/1", "/hit/1"):
        with client(proxy) as connection:
            assert ask(connection, "PUT", path).startswith("200")
    with (
        client(proxy, timeout_s=0.3) as connection,
        pytest.raises((OSError, http.client.HTTPException)),
    ):
        ask(connection, "PUT", "/hit/2", "x")
    with client(proxy) as connection:
        assert ask(connection, "PUT", "/hit/3").startswith("200")
    assert Server.arrived.count("PUT /hit/2") == arrives
    assert [r.status for r in proxy.requests if r.path == "/hit/2"] == [0]


def test_answers_can_be_made_up(proxy: Proxy) -> None:
    """The server does not get the request, and the connection stays usable."""
    proxy.fault(503, times=2, headers={"Retry-After": "1"}, body=b"<Error/>")
    with client(proxy) as connection:
        assert ask(connection, "GET", "/a") == "503 <Error/>"
        assert ask(connection, "GET", "/a") == "503 <Error/>"
        assert ask(connection, "GET", "/a").startswith("200")
    assert len(Server.arrived) == 1
    assert [r.status for r in proxy.requests] == [503, 503, 200]


@pytest.mark.parametrize("framing", ["length", "chunks", "close"])
@pytest.mark.parametrize("status", [0, 500])
def test_an_answer_can_be_far_too_long(proxy: Proxy, framing: str, status: int) -> None:
    """With status 0 the server acts and answers, and the spaces follow."""
    proxy.fault(Flood(1_000_000, status, framing), body=b"<Error/>")
    with client(proxy) as connection:
        told = ask(connection, "PUT", "/a", "x")
    start = f"{status} <Error/>" if status else "200 {"
    assert told.startswith(start)
    assert len(told) == 1_000_000 + len("200 ")
    assert told.rstrip()[-1] in "}>"
    assert len(Server.arrived) == (0 if status else 1)


def test_a_witness_can_end_a_connection_before_the_server_hears_of_the_request(
    proxy: Proxy,
) -> None:
    """It reads the whole body. It represents a client that dies while it stores."""
    proxy.witness = lambda request: b"deadly" in request.body
    with client(proxy) as connection:
        assert ask(connection, "PUT", "/a", "harmless").startswith("200")
        with pytest.raises((OSError, http.client.HTTPException)):
            ask(connection, "PUT", "/a", "deadly")
    assert Server.arrived == ["PUT /a"]


def test_only_what_is_meant_is_delayed(server: str) -> None:
    """A catalog is slower than a bucket, and both may be one server."""
    slow = Latency(120, 20, Pattern(path="/catalog/*"))
    with counting_proxy.running(server, [slow, Latency(0)]) as proxy, client(proxy) as connection:
        for path in ("/catalog/a", "/bucket/a"):
            started_s = time.perf_counter()
            ask(connection, "GET", path)
            assert (time.perf_counter() - started_s >= 0.1) == path.startswith("/catalog")
        assert proxy.requests[0].ms >= 100


def test_a_server_can_be_found_below_a_path(server: str) -> None:
    """The server gets this path, so that it can verify signatures of the client's path."""
    with counting_proxy.running(server, mount="/below") as proxy, client(proxy) as connection:
        told = json.loads(ask(connection, "PUT", "/below/a%2Fb?c=d", "x").removeprefix("200 "))
    assert told["line"] == "PUT /a%2Fb?c=d HTTP/1.1"
    assert (told["host"], told["below"], told["body"]) == (f"127.0.0.1:{proxy.port}", "/below", "x")
    assert proxy.count("PUT", "/below/*") == 1


def test_a_server_that_hangs_up_hangs_up_on_the_client(proxy: Proxy) -> None:
    """Clients that keep connections must notice; behind the proxy, too."""
    with client(proxy) as connection:
        assert ask(connection, "GET", "/then-hang-up").startswith("200")
        assert connection.sock.recv(1) == b""


def test_a_server_can_be_down_and_come_back(proxy: Proxy) -> None:
    """Connections there are end, new ones are refused, and later the same port works again."""
    with client(proxy) as connection:
        assert ask(connection, "GET", "/a").startswith("200")
        proxy.close()
        assert connection.sock.recv(1) == b""
    with client(proxy) as connection, pytest.raises(ConnectionRefusedError):
        ask(connection, "GET", "/b")
    proxy.open()
    with client(proxy) as connection:
        assert ask(connection, "GET", "/c").startswith("200")


def test_nothing_is_left_running(server: str) -> None:
    """Even when a client still waits for an answer that never comes."""
    before = threading.active_count()
    with counting_proxy.running(server) as proxy, client(proxy) as connection:
        proxy.fault(Cut.HANG)
        connection.request("GET", "/a")
    assert threading.active_count() <= before + 1  # the server's own, of no request


def test_boto3_speaks_through_it_to_s3_and_glue() -> None:
    """`Expect: 100-continue`, chunk trailers, and operations that only a header names."""
    moto = ThreadedMotoServer(port=0, verbose=False)
    moto.start()
    try:
        host, port = moto.get_host_and_port()
        with counting_proxy.running(f"http://{host}:{port}") as proxy:
            config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
            s3 = boto3.client("s3", endpoint_url=proxy.url, config=config, **KEYS)
            glue = boto3.client("glue", endpoint_url=proxy.url, config=config, **KEYS)
            s3.create_bucket(Bucket="bucket")
            s3.put_object(Bucket="bucket", Key="data/a", Body=b"x" * 100_000)
            assert s3.get_object(Bucket="bucket", Key="data/a")["Body"].read() == b"x" * 100_000
            glue.create_database(DatabaseInput={"Name": "otel"})
            proxy.fault(503, method="PUT", body=b"<Error><Code>SlowDown</Code></Error>")
            with pytest.raises(ClientError, match="SlowDown"):
                s3.put_object(Bucket="bucket", Key="data/b", Body=b"x")
            assert proxy.count("PUT", "/bucket/data/*") == 2
            assert proxy.count("POST", target="AWSGlue.CreateDatabase") == 1
    finally:
        moto.stop()
