"""What PyIceberg reaches, and we do not: other clouds, roles to be assumed, a user's own files."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.storage.storage import NotThereError, ObjectPart, Put, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyiceberg.io import FileIO

    from otlp2parquet_ext.lake.storage.buffers import BytesLike
    from otlp2parquet_ext.lake.storage.storage import ObjectEntry


class ForeignStorage:
    """See `Storage`; it cannot list, so no inbox can lie in it.

    Args:
        files: PyIceberg's access.
    """

    def __init__(self, files: FileIO) -> None:
        self._io = files

    def put(self, path: str, data: BytesLike) -> Put:
        """See `Storage.put`; names are unique here, so nobody is asked whether one is taken."""
        try:
            with self._io.new_output(path).create(overwrite=True) as stream:
                stream.write(bytes(data))
        except Exception as error:  # each kind of store has its own
            raise StorageError(f"{path} cannot be written: {quote(error)}") from error
        now_ms = time.time_ns() // 1_000_000
        return Put(new=True, size_bytes=len(memoryview(data)), stored_ms=now_ms)

    def get(self, path: str) -> bytes:
        """See `Storage.get`."""
        try:
            with self._io.new_input(path).open(seekable=False) as stream:
                return stream.read()
        except FileNotFoundError as error:
            raise NotThereError(f"{path} is not there") from error
        except Exception as error:
            raise StorageError(f"{path} cannot be read: {quote(error)}") from error

    def part(self, path: str, start: int, length: int) -> ObjectPart:
        """See `Storage.part`; PyIceberg does not say when it was stored."""
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
