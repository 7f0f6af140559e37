"""A storage at a location that only a catalog knows."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from otlp2parquet_ext.lake.storage.buffers import BytesLike
    from otlp2parquet_ext.lake.storage.storage import ObjectEntry, ObjectPart, Put, Storage


class LazyStorage:
    """See `Storage`.

    Args:
        open_storage: opens the real storage; called at the first use, and again after a failure.
            It raises `StorageError`.
    """

    def __init__(self, open_storage: Callable[[], Storage]) -> None:
        self._open_storage = open_storage
        self._storage: Storage | None = None
        self._opening = threading.Lock()

    def _real(self) -> Storage:
        with self._opening:
            if self._storage is None:
                self._storage = self._open_storage()
            return self._storage

    def put(self, path: str, data: BytesLike) -> Put:
        """See `Storage.put`."""
        return self._real().put(path, data)

    def get(self, path: str, most_bytes: int | None = None, *, decoded: bool = False) -> bytes:
        """See `Storage.get`."""
        return self._real().get(path, most_bytes, decoded=decoded)

    def part(self, path: str, start: int, length: int) -> ObjectPart:
        """See `Storage.part`."""
        return self._real().part(path, start, length)

    def list(self, prefix: str) -> Iterable[str]:
        """See `Storage.list`."""
        return self._real().list(prefix)

    def walk(self, prefix: str, after: str = "") -> Iterable[ObjectEntry]:
        """See `Storage.walk`."""
        return self._real().walk(prefix, after)

    def delete(self, path: str) -> None:
        """See `Storage.delete`."""
        self._real().delete(path)

    def delete_many(self, paths: Sequence[str]) -> None:
        """See `Storage.delete_many`."""
        self._real().delete_many(paths)

    def url(self, path: str) -> str:
        """See `Storage.url`."""
        return self._real().url(path)

    def path(self, url: str) -> str:
        """See `Storage.path`."""
        return self._real().path(url)

    def size(self, path: str) -> int | None:
        """See `Storage.size`."""
        return self._real().size(path)
