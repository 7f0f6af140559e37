"""No more of an object is read than its known size, or its purpose, explains."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING

import pytest
from pyiceberg.io import FileIO
from s3_clients import s3_at
from scripted_http import Server, running

from otlp2parquet_ext.lake.http.limits import decodes_beyond
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_files import Files
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_foreign import ForeignStorage
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.lake.storage.storage import StorageError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

MB = 1_048_576
BOMB = gzip.compress(b"[" + b"0," * (4 * MB) + b"0]")
"""Some kilobytes that stand for a list of four million numbers."""


def answers(body: bytes, times: int = 1) -> Callable[[Server, socket.socket], None]:
    """Answer each request with a body, over and over in one answer."""

    def play(server: Server, wire: socket.socket) -> None:
        while server.receive(wire):
            wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(body) * times))
            for _ in range(times):
                wire.sendall(body)
                server.sent_bytes += len(body)

    return play


def test_of_an_object_longer_than_is_known_nothing_more_is_read() -> None:
    """A manifest list says 100 bytes, so 260 MB in that place are another file."""
    with running(answers(b"x" * MB, 260)) as server:
        storage = s3_at(server.url)
        with pytest.raises(StorageError, match="longer than the limit of 100 bytes"):
            storage.get("manifest.avro", 100)
        assert len(server.requests) == 1
        assert server.sent_bytes < 16 * MB


def test_an_object_as_long_as_is_known_is_read() -> None:
    """The limit is the size itself."""
    with running(answers(b"x" * 100)) as server:
        assert s3_at(server.url).get("manifest.avro", 100) == b"x" * 100


def test_a_file_on_a_disk_longer_than_is_known_is_refused(tmp_path: Path) -> None:
    """One promise for every storage."""
    storage = LocalStorage(tmp_path)
    storage.put("a", b"x" * 101)
    assert storage.get("a", 101) == b"x" * 101
    with pytest.raises(StorageError, match="longer than 100 bytes"):
        storage.get("a", 100)


@pytest.mark.parametrize("name", ["00001-a.metadata.json", "00001-a.gz.metadata.json"])
def test_metadata_in_a_bucket_is_bounded_by_its_decoded_size(name: str) -> None:
    """Decoding takes many times the bytes of JSON, and JSON many times those of gzip."""
    body = BOMB if ".gz." in name else b"[" * (2 * MB)
    with running(answers(body)) as server:
        place = {"s3.endpoint": server.url, "s3.region": "eu-central-1"}
        keys = {"s3.access-key-id": "key", "s3.secret-access-key": "secret"}
        files = Files({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"})
        with pytest.raises(StorageError, match="decoded, its body would exceed the limit of"):
            files.read(f"s3://bucket/{name}", place | keys)


class Endless(io.RawIOBase):
    """A file of 260 MB, and how much of it was read."""

    read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        assert size > 0, "the whole file was asked for"
        piece = b"x" * min(size, 260 * MB - self.read_bytes, MB)
        self.read_bytes += len(piece)
        return piece


class Elsewhere(FileIO):
    """Another cloud: each file is the same."""

    def __init__(self, stream: io.IOBase) -> None:
        super().__init__()
        self._stream = stream

    def new_input(self, location: str) -> Elsewhere:  # type: ignore[override]
        """Return the file."""
        assert location
        return self

    def open(self, *, seekable: bool) -> io.IOBase:
        """Open it."""
        assert not seekable
        return self._stream

    def new_output(self, location: str) -> object:  # type: ignore[override]
        """Refuse."""
        raise NotImplementedError(location)

    def delete(self, location: object) -> None:
        """Refuse."""
        raise NotImplementedError(location)


METADATA, PACKED_METADATA = "gs://bucket/a.metadata.json", "gs://bucket/a.gz.metadata.json"


@pytest.mark.parametrize(("known", "most_bytes"), [(None, 16 * MB), (100, 100)])
def test_files_that_pyiceberg_reaches_have_the_same_limits(
    known: int | None, most_bytes: int
) -> None:
    """Its own access reads a file to its end."""
    stream = Endless()
    storage = ForeignStorage(Elsewhere(stream), 16 * MB)
    with pytest.raises(StorageError, match=f"longer than {most_bytes} bytes"):
        storage.get(METADATA, known, decoded=True)
    assert stream.read_bytes == most_bytes + 1


def test_metadata_that_pyiceberg_reaches_is_bounded_once_decoded() -> None:
    """PyIceberg decompresses each file named `.gz.metadata.json`."""
    storage = ForeignStorage(Elsewhere(io.BytesIO(BOMB)), MB)
    with pytest.raises(StorageError, match="decoded, it would exceed 2097152 bytes"):
        storage.get(PACKED_METADATA, decoded=True)


def test_the_decoded_size_counts_every_member_and_a_damaged_file_ends() -> None:
    """gzip files may be joined; what cannot be decompressed is no document at all."""
    small = gzip.compress(b"[0,1,2]" + b" " * 100_000)
    assert not decodes_beyond(small * 3, 400_000)
    assert decodes_beyond(small * 4, 400_000)
    assert not decodes_beyond(small[:-20], 400_000)
    assert not decodes_beyond(small[:12] + b"\xff" * 50, 400_000)
