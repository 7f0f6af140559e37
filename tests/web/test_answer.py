"""Whatever a server sends, in whatever pieces: a response or a plain error."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otlp2parquet_ext.web.answer import Answered, MalformedError, read

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT = 1_000


def reading(data: bytes, pieces: Sequence[int] = (), method: str = "GET") -> Answered:
    """Read an answer that comes in pieces, then ends."""
    cuts = sorted({0, len(data), *(p % (len(data) + 1) for p in pieces)})
    parts = iter([data[a:b] for a, b in pairwise(cuts)])
    return read(lambda: next(parts, b""), method, LIMIT)


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
    """Packets end where they like."""
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
    """Its Content-Length may speak of the body another request would have had."""
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
    """What came after would be taken for the next answer."""
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
    """Whoever reads the line finds out what is listening there."""
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
