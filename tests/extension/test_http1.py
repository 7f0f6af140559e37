"""Requests as bytes: divided at any place, and with anything hidden in them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_bytes import PATH, any_request, cut

from otlp2parquet_ext.extension.receive.http1 import (
    FIELDS,
    HEAD_BYTES,
    BadRequestError,
    Head,
    RequestReader,
)


@dataclass
class Read:
    """The result of reading some bytes."""

    head: Head | None
    body: bytes
    complete: bool
    rest: bytes
    bad: bool


def read(*pieces: bytes) -> Read:
    """Feed a reader until it has read, or refused, a request."""
    reader, body = RequestReader(), b""
    try:
        for piece in pieces:
            if reader.complete:
                reader.rest += piece
            else:
                body += reader.feed(piece)
    except BadRequestError:
        return Read(None, b"", complete=False, rest=b"", bad=True)
    return Read(reader.head, body, reader.complete, reader.rest, bad=False)


def request(*lines: str, first: str = f"POST {PATH} HTTP/1.1", body: bytes = b"") -> bytes:
    """Make a request of header lines and a body."""
    return "\r\n".join((first, *lines, "", "")).encode("latin-1") + body


def test_a_delivery_as_lambda_sends_it_is_read() -> None:
    """It has a Content-Length, and the body follows the head at once."""
    data = request("Host: sandbox:4243", "content-LENGTH:\t2 ", "X-Any: ü; ,", body=b"[]")
    found = read(data)
    head = Head(b"POST", PATH.encode(), 2, chunked=False, expects=False)
    assert found == Read(head, b"[]", complete=True, rest=b"", bad=False)


def test_chunks_are_put_together_extensions_and_trailers_left_out() -> None:
    """Sizes may use upper or lower case. Trailers are read and discarded."""
    body = b'A;name="x"\r\n0123456789\r\n1\r\n!\r\n000\r\nX-Sum: 1\r\n\r\n'
    found = read(request("Transfer-Encoding: Chunked", body=body))
    assert (found.body, found.complete, found.rest) == (b"0123456789!", True, b"")


@given(any_request(), st.data())
def test_however_the_bytes_are_cut_the_result_is_the_same(data: bytes, draw: st.DataObject) -> None:
    """The kernel divides them anywhere; the result must be one request."""
    assert read(data) == read(*cut(data, draw)) == read(*(bytes([byte]) for byte in data))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_none_yet_or_refused(data: bytes) -> None:
    """No other exception is raised, and bytes that are no request have no head."""
    found = read(data)
    assert found.bad or found.head is not None or not found.complete


@given(st.binary(max_size=2_000), st.lists(st.integers(1, 300), max_size=10), st.data())
def test_a_body_comes_out_of_its_chunks_as_it_went_in(
    body: bytes, sizes: list[int], draw: st.DataObject
) -> None:
    """A body may contain any bytes, even some that look like chunks."""
    chunks, at = b"", 0
    for size in (*sizes, 2_000):
        if piece := body[at : at + size]:
            chunks += b"%x\r\n%b\r\n" % (len(piece), piece)
        at += size
    data = request("Transfer-Encoding: chunked", body=chunks + b"0\r\n\r\n")
    found = read(*cut(data, draw))
    assert (found.body, found.complete, found.bad) == (body, True, False)


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 2", "Content-Length: 3"),
        ("Content-Length: 2", "Content-Length: 2"),
        ("Content-Length: 2, 2",),
        ("Content-Length: 2", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 2"),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: gzip, chunked",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding:",),
        ("Content-Length: -2",),
        ("Content-Length: +2",),
        ("Content-Length: 0x2",),
        ("Content-Length: 2_0",),
        ("Content-Length: 2 0",),
        ("Content-Length:",),
        ("Content-Length: ²",),
        ("Content-Length: " + "9" * 16,),
        ("Content-Length: " + "9" * 4_000,),
        ("Content-Length : 2",),
        (" Content-Length: 2",),
        ("X: folded", " line", "Content-Length: 2"),
        ("X: folded", "\tline", "Content-Length: 2"),
        ("X: bare\nContent-Length: 2",),
        ("X: bare\rContent-Length: 2",),
        ("X: nul\0", "Content-Length: 2"),
        ("X: delete\x7f", "Content-Length: 2"),
        (": no name", "Content-Length: 2"),
        ("no colon", "Content-Length: 2"),
        ("N[m]: no token", "Content-Length: 2"),
    ],
    ids=repr,
)
def test_what_two_readers_could_read_differently_is_refused(lines: tuple[str, ...]) -> None:
    """Request smuggling: one reader sees a body, and another reader sees the next request."""
    assert read(request(*lines, body=b"[]")).bad


@pytest.mark.parametrize(
    "chunks",
    [
        b"-1\r\nx\r\n",
        b"+1\r\nx\r\n",
        b"0x1\r\nx\r\n",
        b" 1\r\nx\r\n",
        b"1 \r\nx\r\n",
        b"1_0\r\nx\r\n",
        b"\r\nx\r\n",
        b";x\r\nx\r\n",
        b"g\r\nx\r\n",
        b"1\nx\r\n",
        b"1;\nx\r\nx\r\n",
        b"1\r\nxx\r\n",
        b"1\r\nx\n\r\n",
        b"f" * 16 + b"\r\nx",
        b"1;" + b"x" * 256 + b"\r\nx\r\n",
        b"1;" + b"x" * 1_000,
        b"0\r\n folded\r\n\r\n",
        b"0\r\nno colon\r\n\r\n",
        b"0\r\n" + b"X: x\r\n" * 2_000 + b"\r\n",
    ],
    ids=lambda chunks: repr(chunks[:20]),
)
def test_chunks_that_could_be_read_differently_are_refused(chunks: bytes) -> None:
    """Sizes are hexadecimal digits and nothing else; lines end in CR LF."""
    assert read(request("Transfer-Encoding: chunked", body=chunks)).bad


@pytest.mark.parametrize(
    "first",
    [
        *(f"POST {PATH} HTTP/2.0", f"POST {PATH} HTTP/1.10", f"POST {PATH} http/1.1"),
        *(f"POST {PATH}", f"POST  {PATH} HTTP/1.1", f"POST\t{PATH} HTTP/1.1"),
        *(f"POST {PATH} HTTP/1.1 ", f" POST {PATH} HTTP/1.1", f"P(ST {PATH} HTTP/1.1"),
        *("POST  HTTP/1.1", "", "\0"),
    ],
)
def test_a_first_line_that_is_no_request_line_is_refused(first: str) -> None:
    """A method, a target and HTTP/1.x, with one space between them."""
    assert read(request("Content-Length: 0", first=first)).bad


def test_chunks_are_none_of_http_1_0() -> None:
    """A client of HTTP/1.0 treats the rest of the connection as the body."""
    first = f"POST {PATH} HTTP/1.0"
    assert read(request("Transfer-Encoding: chunked", first=first, body=b"0\r\n\r\n")).bad
    assert read(request("Content-Length: 2", first=first, body=b"[]")).body == b"[]"


def test_a_head_has_a_most_of_bytes_and_of_fields() -> None:
    """A head that only grows is refused as soon as it is too long, complete or not."""
    start = request("X: ")[:-4]
    fits = start + b"x" * (HEAD_BYTES - len(start))
    assert read(fits + b"\r\n\r\n").complete
    assert read(fits + b"x\r\n\r\n").bad
    assert not read(fits).bad
    assert read(fits + b"xxxx").bad
    assert read(request(*["X: x"] * FIELDS)).complete
    assert read(request(*["X: x"] * (FIELDS + 1))).bad


@pytest.mark.parametrize(
    ("target", "path"),
    [("/t/1?a=b", "/t/1"), ("http://x:1/t/1?a", "/t/1"), ("/t//1", "/t//1"), ("*", "*")],
)
def test_the_path_is_what_stands_before_the_query(target: str, path: str) -> None:
    """Also in the form that a proxy's client sends, and never decoded."""
    head = read(request(first=f"POST {target} HTTP/1.1")).head
    assert head is not None
    assert head.path == path.encode()


def test_a_body_in_more_chunks_than_its_bytes_are_worth_is_refused() -> None:
    """Reading 100 MB of one-byte chunks took ten seconds, and deliveries waited."""
    reader = RequestReader()
    reader.feed(request("Transfer-Encoding: chunked"))
    with pytest.raises(BadRequestError, match="too many chunks"):
        reader.feed(b"1\r\nx\r\n" * 5_000)


def test_as_many_chunks_as_their_bytes_are_worth_are_read() -> None:
    """A body of any length is read, if its chunks are not tiny."""
    reader = RequestReader()
    reader.feed(request("Transfer-Encoding: chunked"))
    pieces = [reader.feed(b"80\r\n" + b"x" * 128 + b"\r\n") for _ in range(10_000)]
    reader.feed(b"0\r\n\r\n")
    assert reader.complete
    assert sum(map(len, pieces)) == 1_280_000


@pytest.mark.parametrize(
    ("version", "headers", "closes"),
    [
        ("1.1", (), False),
        ("1.1", ("Connection: keep-alive",), False),
        ("1.1", ("Connection: TE, Close",), True),
        ("1.0", ("Connection: keep-alive",), True),
    ],
)
def test_a_client_says_whether_it_sends_another_request(
    version: str,
    headers: tuple[str, ...],
    closes: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """HTTP/1.0 keeps nothing alive by itself, and no exporter speaks it."""
    head = read(request(*headers, first=f"POST {PATH} HTTP/{version}")).head
    assert head is not None
    assert head.closes is closes


def test_what_comes_behind_a_request_is_the_next_one() -> None:
    """Pipelined requests come in one read."""
    first, second = request("Content-Length: 2", body=b"ab"), request("Content-Length: 0")
    assert read(first + second).rest == second
    chunked = request("Transfer-Encoding: chunked", body=b"1\r\na\r\n0\r\n\r\n")
    assert read(chunked + second).rest == second
    assert read(first, second[:9], second[9:]).rest == second


def test_several_headers_of_one_name_are_one_list() -> None:
    """Two encodings are two, however they are written: an answer names both."""
    found = read(request("Content-Encoding: gzip", "content-encoding: br", "Content-Type: a/b"))
    assert found.head is not None
    assert (found.head.content_encoding, found.head.content_type) == ("gzip, br", "a/b")
