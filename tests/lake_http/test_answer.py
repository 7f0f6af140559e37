"""Any bytes of a server, in any pieces, are a response or a plain error."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otlp2parquet_ext.lake.http.answer import Exchanged, MalformedError, read
from otlp2parquet_ext.lake.http.errors import error_of
from otlp2parquet_ext.lake.http.limits import ACKNOWLEDGED, ERROR_BYTES, AnswerLimit

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT = 1_000


def reading(data: bytes, pieces: Sequence[int] = (), method: str = "GET") -> Exchanged:
    """Read an answer that comes in pieces, then ends."""
    cuts = sorted({0, len(data), *(p % (len(data) + 1) for p in pieces)})
    parts = iter([data[a:b] for a, b in pairwise(cuts)])
    return read(lambda: next(parts, b""), method, AnswerLimit(LIMIT, needed=True))


PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nx-a:  2 \r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;name=value\r\nhel\r\n02\r\nlo\r\n0\r\nX-Trailer: 1\r\n\r\n"
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"


@given(
    data=st.sampled_from([PLAIN, CHUNKED, INTERIM + PLAIN]),
    pieces=st.lists(st.integers(0, 300), max_size=8),
)
def test_an_answer_is_the_same_in_any_pieces(data: bytes, pieces: list[int]) -> None:
    """Packets end at any byte."""
    response, reusable = reading(data, pieces)
    assert (response.status, response.body, reusable) == (200, b"hello", True)


def test_headers_have_lower_case_names_and_all_of_their_values() -> None:
    """Servers and proxies spell them as they like."""
    assert reading(PLAIN).response.headers == {"content-length": "5", "x-a": "1, 2"}


@pytest.mark.parametrize(
    ("method", "data"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_an_answer_without_a_body_is_not_waited_for(method: str, data: bytes) -> None:
    """Its Content-Length may describe the body of another request."""
    response, reusable = reading(data, method=method)
    assert (response.body, reusable) == (b"", True)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more",
    ],
)
def test_a_connection_that_ends_or_says_too_much_is_not_used_again(data: bytes) -> None:
    """Further bytes would be read as the next answer."""
    response, reusable = reading(data)
    assert (response.body, reusable) == (b"hello", False)


@given(data=st.sampled_from([PLAIN, CHUNKED]), end=st.integers(0, 200))
def test_an_answer_that_breaks_off_is_none(data: bytes, end: int) -> None:
    """Half a manifest must not be taken for a manifest."""
    if end < len(data):
        with pytest.raises(MalformedError, match="the connection ended before the answer did"):
            reading(data[:end])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", "which is not HTTP/1.1"),
        (b"HTTP/2 200 OK\r\n\r\n", "which is not HTTP/1.1"),
        (b"HTTP/1.1 OK\r\n\r\n", "which is not HTTP/1.1"),
        (b"HTTP/1.1 \xb22\xb2 OK\r\n\r\n", "which is not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "is not a header"),
        (b"HTTP/1.1 200 OK\r\nA: 1\r\n folded: 2\r\n\r\n", "is not a header"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "Content-Length is"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 9_999 + b"\r\n\r\n", "Content-Length is"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "Content-Length is"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "was not asked for"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "not a chunk's length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", "not a chunk's length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "longer than it"),
    ],
)
def test_nonsense_is_said_to_be_nonsense(data: bytes, message: str) -> None:
    """The line shows what kind of server listens there."""
    with pytest.raises(MalformedError, match=message):
        reading(data)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1_001,
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_001,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"1f4\r\n%s\r\n" % (b"x" * 500) * 3,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFF\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000,
        b"x" * 70_000,
        INTERIM * 2_000,
    ],
    ids=range(8),
)
def test_an_answer_has_bounds(data: bytes) -> None:
    """A sandbox has little memory, and it is the function's."""
    with pytest.raises(MalformedError, match="longer than"):
        reading(data, range(0, len(data), 1_000))


@given(st.binary(max_size=300) | st.binary(max_size=60).map(lambda b: PLAIN[:60] + b))
def test_no_bytes_break_anything(data: bytes) -> None:
    """Any answer, or the one error the client expects."""
    with contextlib.suppress(MalformedError):
        reading(data)


def chunked(*chunks: bytes) -> bytes:
    """Return an answer in chunks, without the last one."""
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (chunked(b"1\r\nx\r\n" * 5_000), "too many chunks"),
        (chunked(*[b"1;%b\r\nx\r\n" % (b"e" * 60_000)] * 3), "its head is longer"),
        (chunked(b"0\r\n" + b"T: t\r\n" * 20_000), "its head is longer"),
    ],
    ids=["chunks", "extensions", "trailers"],
)
def test_what_frames_a_body_has_bounds_of_its_own(data: bytes, message: str) -> None:
    """A body within its limit may not cost a thousand times its bytes."""
    parts = iter([data[at : at + 65_536] for at in range(0, len(data), 65_536)])
    with pytest.raises(MalformedError, match=message):
        read(lambda: next(parts, b""), "GET", AnswerLimit(1_000_000, needed=True))


@pytest.mark.parametrize("status", [200, 500])
def test_a_body_nobody_needs_is_cut_where_it_breaks(status: int) -> None:
    """The status has decided, and stays valid."""
    data = b"HTTP/1.1 %d Said\r\nContent-Length: 100\r\n\r\nhalf" % status
    parts = iter([data])
    response, reusable = read(lambda: next(parts, b""), "PUT", ACKNOWLEDGED)
    assert (response.status, response.body, reusable) == (status, b"half", False)
    assert response.cut == "the connection ended before the answer did"


def test_the_error_names_the_limit_that_cut_it() -> None:
    """The reader has to know that the message is not complete."""
    data = b"HTTP/1.1 500 Said\r\n\r\n" + b"no " * ERROR_BYTES
    parts = iter([data])
    response, _ = read(lambda: next(parts, b""), "GET", AnswerLimit(10, needed=True))
    code, message = error_of(response)
    assert (code, message[:5]) == ("", "no no")
    assert message.endswith("(cut: its body is longer than the limit of 65536 bytes)")


@pytest.mark.parametrize("body", [b"[" * 60_000, b'{"a":' * 9_000, b'{"message":"\xff"}'])
def test_an_error_that_cannot_be_decoded_is_quoted(body: bytes) -> None:
    """It may be nested too deeply, or not be UTF-8.

    That is the server's mistake, not a bug of ours.
    """
    data = b"HTTP/1.1 400 Said\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    parts = iter([data])
    response, _ = read(lambda: next(parts, b""), "GET", ACKNOWLEDGED)
    assert error_of(response)[1].startswith(body[:5].decode())
