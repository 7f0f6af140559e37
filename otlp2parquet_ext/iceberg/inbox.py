"""The inbox: descriptors of files that are stored but in no snapshot yet.

    put(file) --> inbox/<name>.json --take()--> files to commit --remove()--> gone

An entry is removed only after its commit is known to have landed. One that is met again after a
crash in between is recognised by its name, in the snapshots.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.iceberg import DataFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.storage import Storage

FOLDER = "inbox"
ASIDE = "inbox/unreadable"


class Inbox:
    """The inbox of one table.

    Args:
        storage: the table's location.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def put(self, file: DataFile) -> None:
        """Leave a descriptor; one of the same name that is there already is as good."""
        self._storage.put(_path(file.name), msgspec.json.encode(file))

    def take(self, limit: int) -> list[DataFile]:
        """Return at most `limit` descriptors, in order of name; foreign files are passed over."""
        entries = (p for p in self._storage.list(FOLDER) if p.endswith(".json"))
        files = (self._read(path) for path in entries)
        return list(islice((file for file in files if file is not None), limit))

    def remove(self, files: Sequence[DataFile]) -> None:
        """Forget descriptors whose files are visible."""
        for file in files:
            self._storage.delete(_path(file.name))

    def set_aside(self, file: DataFile) -> None:
        """Move a descriptor out of everybody's way, to where somebody may look for it."""
        self._storage.put(f"{ASIDE}/{file.name}.json", msgspec.json.encode(file))
        self._storage.delete(_path(file.name))

    def _read(self, path: str) -> DataFile | None:
        try:
            return msgspec.json.decode(self._storage.get(path), type=DataFile)
        except msgspec.MsgspecError:
            return None


def _path(name: str) -> str:
    return f"{FOLDER}/{name}.json"
