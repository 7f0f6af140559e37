"""Notes of the files that a snapshot replaced, so that they can be deleted later.

    put(before the swap) --> care/replaced/<Unix ms>-<snapshot id>.json --> deleted with its files

Snapshots expire with each append, and then the table no longer lists the files that only they
referred to. So a process that replaces files first writes a note with their names. A note proves
that its files were in the table. Before a file is deleted, the table is searched for references to
it. So a note of a failed commit does no harm, because the table still refers to its files.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.lake.storage.storage import NotThereError

if TYPE_CHECKING:
    from otlp2parquet_ext.lake.storage.storage import Storage

FOLDER = "care/replaced"
NAME = re.compile(r"(\d{13,})-(-?\d+)\.json")


class Note(msgspec.Struct, frozen=True):
    """The files that one snapshot replaced.

    Attributes:
        table_uuid: UUID of the table; a new table in the same location has another one.
        snapshot_id: id of the snapshot.
        replaced_ms: Unix ms of the snapshot.
        manifests: addresses of manifests.
        files: addresses of data and delete files.
    """

    table_uuid: str
    snapshot_id: int
    replaced_ms: int
    manifests: list[str]
    files: list[str] = msgspec.field(default_factory=list)


_decode_note = msgspec.json.Decoder(Note).decode


class Notes:
    """The notes of one table.

    Args:
        storage: storage of the table.
        location: the table's location, as a path in the storage.
    """

    def __init__(self, storage: Storage, location: str) -> None:
        self._storage = storage
        self._folder = f"{location}/{FOLDER}"

    def put(self, note: Note) -> None:
        """Write a note."""
        self._storage.put(self._path(note), msgspec.json.encode(note))

    def remove(self, note: Note) -> None:
        """Delete a note."""
        self._storage.delete(self._path(note))

    def known(self) -> dict[int, int]:
        """Return the Unix ms of each note by snapshot id, oldest first."""
        names = (path.rpartition("/")[2] for path in self._storage.list(self._folder))
        found = (NAME.fullmatch(name) for name in names)
        return {int(match[2]): int(match[1]) for match in found if match is not None}

    def read(self, snapshot_id: int, replaced_ms: int) -> Note | None:
        """Read a note; None if it is missing or not one of ours."""
        path = f"{self._folder}/{replaced_ms:013}-{snapshot_id}.json"
        try:
            return _decode_note(self._storage.get(path))
        except (NotThereError, msgspec.MsgspecError):
            return None

    def _path(self, note: Note) -> str:
        return f"{self._folder}/{note.replaced_ms:013}-{note.snapshot_id}.json"
