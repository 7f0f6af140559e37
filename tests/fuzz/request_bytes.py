"""Requests as bytes, for tests and for fuzzing: most are nearly right, cut anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypothesis import strategies
    from hypothesis.strategies import SearchStrategy

PATH = "/t/5f1c0e"

SEEDS = {
    "length": b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]" % PATH.encode(),
    "chunks": b"POST %b HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    b"a;b=c\r\n0123456789\r\n0\r\nX: x\r\n\r\nPOST" % PATH.encode(),
    "none": b"GET http://x/y?z HTTP/1.0\r\n\r\n",
}

WORDS = (
    *("POST ", "GET ", PATH, "http://x", "?", " ", " HTTP/1.1", " HTTP/1.0", "\r\n", "\n", "\r"),
    *("\r\n\r\n", "Content-Length: ", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"),
    *("Transfer-Encoding: ", "gzip, chunked", "Expect: 100-continue\r\n", "X: y\r\n", "\t", "\0"),
    *("0", "1", "5", "a", "-1", "0\r\n\r\n", "5\r\nhello\r\n", "1;x=y\r\n!\r\n", ":", ";", ","),
    *("hello", "99999999999999999999", "x" * 300),
)


def any_request() -> SearchStrategy[bytes]:
    """Return requests, most with something wrong."""
    from hypothesis import strategies as st  # noqa: PLC0415 - not beside atheris

    words = st.sampled_from([word.encode() for word in WORDS]) | st.binary(max_size=3)
    anything = st.lists(words, max_size=30).map(b"".join)
    heads = st.sampled_from(
        [
            b"POST %b HTTP/1.1\r\n" % PATH.encode(),
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
        ]
    )
    return anything | st.builds(bytes.__add__, heads, anything) | st.sampled_from([*SEEDS.values()])


def cut(data: bytes, draw: strategies.DataObject) -> list[bytes]:
    """Divide bytes at places that hypothesis chooses."""
    from hypothesis import strategies as st  # noqa: PLC0415 - not beside atheris

    at = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]
