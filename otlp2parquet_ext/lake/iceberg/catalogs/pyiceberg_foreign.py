"""Storages only PyIceberg supports: other clouds, roles to assume, a user's own file access."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.http.limits import DECODED_TIMES, OBJECT_BYTES, decodes_beyond
from otlp2parquet_ext.lake.storage.storage import (
    NotThereError,
    ObjectPart,
    ObjectTooLongError,
    Put,
    StorageError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyiceberg.io import FileIO, InputStream

    from otlp2parquet_ext.lake.storage.buffers import BytesLike
    from otlp2parquet_ext.lake.storage.storage import ObjectEntry


class ForeignStorage:
    """See `Storage`; it cannot list, so it cannot hold an inbox.

    Args:
        files: PyIceberg's file access.
        body_bytes: longest file to read, for any purpose.
    """

    def __init__(self, files: FileIO, body_bytes: int = OBJECT_BYTES) -> None:
        self._io = files
        self._body_bytes = body_bytes

    def put(self, path: str, data: BytesLike) -> Put:
        """See `Storage.put`; names are unique here, so it does not check for an existing file."""
        try:
            with self._io.new_output(path).create(overwrite=True) as stream:
                stream.write(bytes(data))
        except Exception as error:  # each kind of store has its own errors
            raise StorageError(f"{path} cannot be written: {quote(error)}") from error
        now_ms = time.time_ns() // 1_000_000
        return Put(new=True, size_bytes=len(memoryview(data)), stored_ms=now_ms)

    def get(self, path: str, most_bytes: int | None = None, *, decoded: bool = False) -> bytes:
        """See `Storage.get`."""
        limit_bytes = min(self._body_bytes, OBJECT_BYTES if most_bytes is None else most_bytes)
        try:
            with self._io.new_input(path).open(seekable=False) as stream:
                data = _whole(stream, limit_bytes)
        except FileNotFoundError as error:
            raise NotThereError(f"{path} is not there") from error
        except Exception as error:
            raise StorageError(f"{path} cannot be read: {quote(error)}") from error
        problem, decoded_bytes = "", DECODED_TIMES * self._body_bytes
        if len(data) > limit_bytes:
            problem = f"it is longer than {limit_bytes} bytes"
        elif decoded and decodes_beyond(data, decoded_bytes):
            problem = f"decoded, it would exceed {decoded_bytes} bytes"
        if problem:
            raise ObjectTooLongError(f"{path} cannot be read: {problem}")
        return data

    def part(self, path: str, start: int, length: int) -> ObjectPart:
        """See `Storage.part`; PyIceberg does not return the time of writing."""
        size_bytes = self.size(path)
        if size_bytes is None:
            raise NotThereError(f"{path} is not there")
        try:
            with self._io.new_input(path).open() as stream:
                stream.seek(start)
                return ObjectPart(stream.read(length), size_bytes, time.time_ns() // 1_000_000)
        except Exception as error:
            raise StorageError(f"{path} cannot be read: {quote(error)}") from error

    def delete(self, path: str) -> None:
        """See `Storage.delete`."""
        try:
            self._io.delete(path)
        except FileNotFoundError:
            return
        except Exception as error:
            raise StorageError(f"{path} cannot be removed: {quote(error)}") from error

    def delete_many(self, paths: Sequence[str]) -> None:
        """See `Storage.delete_many`."""
        for path in paths:
            self.delete(path)

    def size(self, path: str) -> int | None:
        """See `Storage.size`."""
        try:
            return len(self._io.new_input(path))
        except FileNotFoundError:
            return None
        except Exception as error:
            raise StorageError(f"{path} cannot be read: {quote(error)}") from error

    def list(self, prefix: str) -> Iterable[str]:
        """See `Storage.list`: PyIceberg has no such call."""
        raise StorageError(f"{prefix} cannot be listed through PyIceberg")

    def walk(self, prefix: str, after: str = "") -> Iterable[ObjectEntry]:
        """See `Storage.walk`: PyIceberg has no such call."""
        raise StorageError(f"{prefix} cannot be listed through PyIceberg, from {after!r}")

    def url(self, path: str) -> str:
        """See `Storage.url`."""
        return path

    def path(self, url: str) -> str:
        """See `Storage.path`."""
        return url


def _whole(stream: InputStream, limit_bytes: int) -> bytes:
    """Return a file's bytes; of a longer file, one byte more than the limit."""
    found = bytearray()
    while len(found) <= limit_bytes and (piece := stream.read(limit_bytes + 1 - len(found))):
        found += piece
    return bytes(found)
