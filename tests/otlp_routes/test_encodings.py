"""Inflating: every encoding, and never more than was agreed."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otlp2parquet_ext.records.otlp.encodings import (
    ENCODINGS,
    MOST_MEMBERS,
    EncodingError,
    OverLimitError,
    inflate,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN = b"telemetry " * 1_000


def bare_deflate(data: bytes) -> bytes:
    """Deflate without zlib's header, as some clients understand the word."""
    deflating = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflating.compress(data) + deflating.flush()


def zstd(data: bytes) -> bytes:
    """Compress as collectors do if configured."""
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


COMPRESSED: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", bare_deflate),
    ("zstd", zstd),
]
each = pytest.mark.parametrize(("encoding", "compress"), COMPRESSED)


@each
def test_what_was_compressed_comes_back(encoding: str, compress: Callable[[bytes], bytes]) -> None:
    """Up to the limit, and the limit itself is allowed."""
    assert inflate(compress(PLAIN), encoding, len(PLAIN)) == PLAIN
    assert inflate(compress(b""), encoding, len(PLAIN)) == b""


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_empty_body_is_empty_in_every_encoding(encoding: str) -> None:
    """A client that compresses nothing may send nothing."""
    assert inflate(b"", encoding, 10) == b""


@each
def test_a_bomb_is_not_inflated_beyond_the_limit(
    encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    """A few kilobytes may stand for gigabytes."""
    with pytest.raises(OverLimitError):
        inflate(compress(PLAIN), encoding, len(PLAIN) - 1)
    with pytest.raises(OverLimitError):
        inflate(compress(bytes(50_000_000)), encoding, 1_000)


@each
def test_a_body_that_is_cut_off_is_an_error(
    encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    """At any place: half a request must not pass for a shorter one."""
    whole = compress(b"telemetry and more")
    for length in range(1, len(whole)):
        with pytest.raises(EncodingError, match=encoding):
            inflate(whole[:length], encoding, 1_000)


@each
def test_a_body_that_is_damaged_is_an_error_that_names_the_encoding(
    encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    """Plain text under a wrong header, and a compressed body with bytes behind it."""
    with pytest.raises(EncodingError, match=f"Content-Encoding {encoding}: "):
        inflate(b"\xff\xfe no such thing", encoding, 1_000)
    with pytest.raises(EncodingError, match=f"Content-Encoding {encoding}: "):
        inflate(compress(PLAIN) + b"\x00tail", encoding, 20_000)


def test_gzip_of_several_members_is_read_whole_and_within_the_limit() -> None:
    """Tools that join compressed files make such bodies, and the limit is for the sum."""
    body = gzip.compress(PLAIN) + gzip.compress(b"") + gzip.compress(b"end")
    assert inflate(body, "gzip", len(PLAIN) + 3) == PLAIN + b"end"
    with pytest.raises(OverLimitError):
        inflate(body, "gzip", len(PLAIN) + 2)
    with pytest.raises(EncodingError, match="ends early"):
        inflate(body[:-1], "gzip", len(PLAIN) + 3)


def test_thousands_of_small_members_are_refused() -> None:
    """Each costs a decompressor of its own, and each copies what follows."""
    assert inflate(gzip.compress(b"x") * MOST_MEMBERS, "gzip", 1_000) == b"x" * MOST_MEMBERS
    with pytest.raises(EncodingError, match="bytes follow the end"):
        inflate(gzip.compress(b"") * 10_000, "gzip", 1_000)


@given(st.binary(max_size=300), st.sampled_from(sorted(ENCODINGS)))
def test_any_bytes_are_inflated_or_refused(body: bytes, encoding: str) -> None:
    """No other exception is raised, and no result exceeds the limit."""
    with contextlib.suppress(EncodingError, OverLimitError):
        assert len(inflate(body, encoding, 100)) <= 100
