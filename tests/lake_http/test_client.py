"""One request and one answer, with any behaviour of server and network."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from scripted_http import TIMEOUT_S, Server, answer, answering, running

from otlp2parquet_ext.lake.http import client, connection
from otlp2parquet_ext.lake.http.client import Client
from otlp2parquet_ext.lake.http.limits import METADATA, OBJECT
from otlp2parquet_ext.lake.http.response import ResponseTooLongError, WebError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLACK_S = 1.0


def soon(after_ms: float = 10_000) -> int:
    """Return a deadline."""
    return round(time.time() * 1_000 + after_ms)


@contextlib.contextmanager
def fails(message: str, *, sent: bool, within_ms: float = 10_000) -> Iterator[None]:
    """Expect no answer, in time."""
    started = time.monotonic()
    with pytest.raises(WebError, match=message) as error:
        yield
    assert error.value.sent is sent
    assert time.monotonic() - started < within_ms / 1_000 + SLACK_S


def test_a_request_goes_over_the_wire_as_given() -> None:
    """Signatures cover it byte by byte."""
    with running(answering([answer(b"ok", ETag='"x"')])) as server:
        got = Client().request(
            "PUT",
            f"{server.url}/a%20b/%C3%A9?x=1&x=&y",
            headers={"X-Amz-Meta": "ü", "Host": "other", "Content-Length": "7"},
            body=memoryview(b"data"),
            deadline_ms=soon(),
        )
        assert got == (200, {"content-length": "2", "etag": '"x"'}, b"ok", "")
        port = server.url.rpartition(":")[2]
        assert server.requests == [
            b"PUT /a%20b/%C3%A9?x=1&x=&y HTTP/1.1\r\n"
            + f"Host: 127.0.0.1:{port}\r\nX-Amz-Meta: ü\r\n".encode("latin-1")
            + b"Content-Length: 4\r\n\r\ndata"
        ]


def test_requests_share_a_connection() -> None:
    """A handshake costs more than a request."""
    with running(answering([answer()])) as server:
        web = Client()
        for _ in range(5):
            web.request("GET", server.url, deadline_ms=soon())
        assert (len(server.requests), server.connections) == (5, 1)


def disturbed(web: Client) -> None:
    """Wait until what the server did to the idle connection has arrived."""
    until = time.monotonic() + 5
    while web._idle and web._idle[0].connection.quiet() and time.monotonic() < until:
        time.sleep(0.001)


def test_a_connection_that_died_while_we_were_frozen_is_replaced() -> None:
    """S3 closes after some seconds; a sandbox sleeps for minutes. Nothing is sent twice."""

    def play(server: Server, wire: socket.socket) -> None:
        server.receive(wire)
        wire.sendall(answer())

    with running(play) as server:
        web = Client()
        for turn in range(3):
            assert web.request("POST", server.url, deadline_ms=soon()).status == 200
            if turn < 2:
                disturbed(web)
        assert (len(server.requests), server.connections) == (3, 3)


def test_a_connection_that_says_something_unasked_is_replaced() -> None:
    """It would be taken for the answer to the next request."""

    def play(server: Server, wire: socket.socket) -> None:
        server.receive(wire)
        wire.sendall(answer(b"asked"))
        wire.sendall(answer(b"unasked", 408))
        server.done.wait(5)

    with running(play) as server:
        web = Client()
        for _ in range(3):
            assert web.request("GET", server.url, deadline_ms=soon()).body == b"asked"
            disturbed(web)


def test_an_old_connection_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen process misses the end of a connection, but the wall clock shows the freeze."""
    with running(answering([answer()])) as server:
        web = Client()
        web.request("GET", server.url, deadline_ms=soon())
        thawed = time.time() + client.IDLE_MS / 1_000 + 1
        monkeypatch.setattr(time, "time", lambda: thawed)
        web.request("GET", server.url, deadline_ms=soon())
        assert server.connections == 2


def test_a_request_that_broke_is_not_sent_again() -> None:
    """Its effect is unknown, and a commit has to be looked up instead."""

    def play(server: Server, wire: socket.socket) -> None:
        server.receive(wire)
        if len(server.requests) == 1:
            wire.sendall(answer())
            server.receive(wire)

    with running(play) as server:
        web = Client()
        web.request("GET", server.url, deadline_ms=soon())
        with fails("GET at http://127.0.0.1:.* ended before the answer did", sent=True):
            web.request("GET", server.url, deadline_ms=soon())
        assert len(server.requests) == 2


def test_connections_kept_are_few() -> None:
    """Files a process may open are few, and they are the function's."""
    with running(answering([answer()])) as server:
        web = Client()
        barrier = threading.Barrier(20)

        def ask(_: int) -> int:
            barrier.wait(10)
            return web.request("GET", server.url, deadline_ms=soon()).status

        with ThreadPoolExecutor(20) as pool:
            assert list(pool.map(ask, range(20))) == [200] * 20
        assert len(web._idle) <= client.IDLE_CONNECTIONS
        web.close()
        assert web._idle == []
        assert web.request("GET", server.url, deadline_ms=soon()).status == 200


def silent(server: Server, wire: socket.socket) -> None:
    """Accept the request, and never answer."""
    server.receive(wire)
    server.done.wait(10)


def dripping(server: Server, wire: socket.socket) -> None:
    """Say something all the time, and never enough."""
    server.receive(wire)
    for byte in answer(b"x" * 1_000):
        wire.sendall(bytes([byte]))
        if server.done.wait(0.02):
            return


@pytest.mark.parametrize("play", [silent, dripping])
@pytest.mark.timing
def test_a_slow_answer_ends_with_the_deadline(
    play: Callable[[Server, socket.socket], None],
) -> None:
    """Bytes that still arrive do not extend it, because the shutdown window ends."""
    with running(play) as server, fails("within the time there was", sent=True, within_ms=300):
        Client().request("GET", server.url, deadline_ms=soon(300))


@pytest.mark.timing
def test_a_server_that_does_not_listen_to_the_end_is_given_up() -> None:
    """Sending waits, too."""

    def deaf(server: Server, wire: socket.socket) -> None:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        server.done.wait(10)

    with running(deaf) as server, fails("within the time there was", sent=True, within_ms=300):
        Client().request("PUT", server.url, body=bytes(30_000_000), deadline_ms=soon(300))


@pytest.mark.timing
def test_silence_ends_before_a_deadline_that_is_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that there is time for a retry on another connection."""
    monkeypatch.setattr(connection, "SILENCE_MS", 200)
    with running(silent) as server, fails("within the time there was", sent=True, within_ms=200):
        Client().request("GET", server.url, deadline_ms=soon(60_000))


@pytest.mark.timing
def test_a_deadline_in_the_past_is_kept() -> None:
    """A thaw brings many of them."""
    with running(silent) as server:
        with fails("cannot be reached: no connection within", sent=False, within_ms=0):
            Client().request("GET", server.url, deadline_ms=soon(-1))
        assert server.requests == []


@pytest.mark.parametrize(
    ("status", "told"), [(200, 0), (404, 0), (412, 0), (429, 1), (500, 1), (503, 1)]
)
def test_a_server_in_trouble_is_told_of(status: int, told: int) -> None:
    """The hold for the answer ends. A mistake of the client is no failure of the server."""
    heard: list[None] = []

    class Watch:
        def sent(self) -> contextlib.AbstractContextManager[None]:
            return contextlib.nullcontext()

        def failed(self) -> None:
            heard.append(None)

    with running(answering([answer(b"", status)])) as server:
        web = Client(watch=Watch())
        assert web.request("GET", server.url, deadline_ms=soon()).status == status
    assert len(heard) == told
    with pytest.raises(WebError):
        web.request("GET", "http://127.0.0.1:1/", deadline_ms=soon())
    assert len(heard) == told + 1


@pytest.mark.timing
def test_an_idle_connection_that_died_without_a_sign_is_given_up_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A network forgets it while we are frozen; what is silent on a new one may still be busy."""
    monkeypatch.setattr(connection, "IDLE_SILENCE_MS", 100)
    monkeypatch.setattr(connection, "SILENCE_MS", 5_000)
    forgotten = threading.Event()

    def play(server: Server, wire: socket.socket) -> None:
        server.receive(wire)
        if server.connections > 1:
            time.sleep(0.3)  # longer than an idle connection may take
        wire.sendall(answer())
        forgotten.wait(5)

    with running(play) as server:
        web = Client()
        assert web.request("GET", server.url, deadline_ms=soon()).status == 200
        with fails("not answered: no answer within", sent=True, within_ms=100):
            web.request("GET", server.url, deadline_ms=soon())
        assert web.request("GET", server.url, deadline_ms=soon()).status == 200
        assert server.connections == 2
        forgotten.set()


def test_an_answer_that_comes_before_all_is_sent_is_taken() -> None:
    """S3 refuses a large object after its first bytes, and hangs up."""

    def play(_: Server, wire: socket.socket) -> None:
        wire.recv(1_000)
        wire.sendall(answer(b"no", 403))
        wire.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            wire.settimeout(0.2)
            while wire.recv(65_536):
                pass

    with running(play) as server:
        web = Client()
        got = web.request("PUT", server.url, body=bytes(3_000_000), deadline_ms=soon())
        assert (got.status, got.body) == (403, b"no")


def test_a_reset_while_sending_is_told_as_what_it_is() -> None:
    """The server may have acted on what it got."""

    def play(_: Server, wire: socket.socket) -> None:
        wire.recv(1_000)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with running(play) as server, fails("reset|[Bb]roken|ended", sent=True):
        Client().request("PUT", server.url, body=bytes(9_000_000), deadline_ms=soon())


def test_nobody_listening_is_not_a_request() -> None:
    """So the caller may try another server."""
    with fails("http://127.0.0.1:1 cannot be reached: .*refused", sent=False):
        Client().request("GET", "http://127.0.0.1:1/", deadline_ms=soon())


def test_the_next_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name has several, and an IPv6 one leads nowhere in many a network."""
    with running(answering([answer()])) as server:
        port = int(server.url.rpartition(":")[2])
        bad = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))
        good = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        monkeypatch.setattr(connection, "_look_up", lambda *_: [bad, good])
        assert Client().request("GET", "http://h/", deadline_ms=soon()).status == 200


@pytest.mark.parametrize("name", ["does-not-exist.invalid", "a..b", "x" * 64 + ".com"])
def test_a_name_nobody_knows_is_told(name: str) -> None:
    """Some of the names are not valid."""
    with fails(f"http://{name} cannot be reached", sent=False):
        Client().request("GET", f"http://{name}/", deadline_ms=soon())


@pytest.mark.timing
def test_a_resolver_that_hangs_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The C library's resolver has no deadline, but ours still holds."""
    done = threading.Event()

    def hang(*_: object, flags: int, **__: object) -> None:
        if flags != socket.AI_NUMERICHOST:
            done.wait(10)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with fails("cannot be reached: no connection within", sent=False, within_ms=200):
        Client().request("GET", "http://somewhere/", deadline_ms=soon(200))
    done.set()


@pytest.mark.parametrize(
    "url",
    ["ftp://h/", "h/x", "http:///x", "http://h/a b", "http://h/ü", "http://h:0x/", "http://u:p@h/"],
)
def test_what_is_no_address_is_not_asked(url: str) -> None:
    """A line break in a URL could smuggle in another request."""
    with fails("expected http", sent=False):
        Client().request("GET", url, deadline_ms=soon())


@pytest.mark.parametrize("headers", [{"A": "b\r\nC: d"}, {"A\r\nB": "c"}, {"ü": "x"}])
def test_a_header_that_would_be_another_one_is_not_sent(headers: dict[str, str]) -> None:
    """Values come from settings."""
    with fails("cannot be sent", sent=False):
        Client().request("GET", "http://127.0.0.1:1/", headers=headers, deadline_ms=soon())


def test_an_answer_longer_than_we_take_is_refused() -> None:
    """The error comes before the memory is used up."""
    with running(answering([answer(b"12345678901")])) as server:
        with fails("its body is longer than the limit of 10 bytes", sent=True):
            Client(body_bytes=10).request("GET", server.url, deadline_ms=soon())
        assert Client(body_bytes=11).request("GET", server.url, deadline_ms=soon()).status == 200


def test_a_client_takes_what_the_memory_of_its_function_allows() -> None:
    """Decoded, an object takes as much again; the function needs the rest."""
    environ = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"}
    with running(answering([answer(b"x" * (16 * 1_048_576 + 1))])) as server:
        web = client.new_client(environ)
        with pytest.raises(ResponseTooLongError, match="the limit of 16777216 bytes"):
            web.request("GET", server.url, deadline_ms=soon(), limit=OBJECT)


def test_a_document_that_would_not_fit_into_memory_once_decoded_is_refused() -> None:
    """Two megabytes of empty lists are eighty of objects."""
    web = Client(body_bytes=16 * 1_048_576)
    with (
        running(answering([answer(b"[" + b"[]," * 700_000 + b"[]]")])) as server,
        pytest.raises(ResponseTooLongError, match="decoded, its body would exceed the limit"),
    ):
        web.request("GET", server.url, deadline_ms=soon(), limit=METADATA)


def test_a_dripping_body_does_not_hold_what_its_status_has_decided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A batch is stored when the status says so, even if the body never ends."""
    monkeypatch.setattr(client, "DECIDED_MS", 50)

    def play(server: Server, wire: socket.socket) -> None:
        server.receive(wire)
        wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
        while not server.done.wait(0.01):
            wire.sendall(b"x")

    with running(play) as server:
        got = Client().request("PUT", server.url, deadline_ms=soon(60_000))
        assert (got.status, bool(got.cut)) == (200, True)


@pytest.mark.parametrize("jump_s", [-3_600, 3_600])
def test_a_clock_that_is_set_meanwhile_changes_no_deadline(
    monkeypatch: pytest.MonkeyPatch, jump_s: int
) -> None:
    """After a thaw the time service may correct the clock in the middle of a request."""
    real = time.time

    def play(server: Server, wire: socket.socket) -> None:
        server.receive(wire)
        monkeypatch.setattr(time, "time", lambda: real() + jump_s)
        if jump_s > 0:
            wire.sendall(answer(b"late"))
        else:
            server.done.wait(TIMEOUT_S)  # nothing comes: the deadline still ends it

    with running(play) as server:
        web = Client()
        if jump_s > 0:
            assert web.request("GET", server.url, deadline_ms=soon()).body == b"late"
        else:
            with fails("no answer within the time there was", sent=True):
                web.request("GET", server.url, deadline_ms=soon(300))
