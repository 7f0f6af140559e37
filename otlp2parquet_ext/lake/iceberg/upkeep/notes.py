"""Notes of what a snapshot replaced, so that it can be deleted once nobody needs it.

    put(before the swap) --> care/replaced/<Unix ms>-<snapshot id>.json --> deleted with its files

Snapshots expire with every append, and then nothing in the table says what they alone referred
to. So a process that replaces files writes their names down first. A note proves that its files
were in the table; whether they still are, the table is asked before any is deleted. A note whose
snapshot never came about does no harm: its files are still referred to.
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
    """What one snapshot replaced.

    Attributes:
        table_uuid: of the table; one created anew in the same place has another.
        snapshot_id: the snapshot.
        replaced_ms: Unix ms of it.
        manifests: addresses.
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
        storage: reaches the table's location.
        location: of the table, as a path of the storage.
    """

    def __init__(self, storage: Storage, location: str) -> None:
        self._storage = storage
        self._folder = f"{location}/{FOLDER}"

    def put(self, note: Note) -> None:
        """Leave a note."""
        self._storage.put(self._path(note), msgspec.json.encode(note))

    def remove(self, note: Note) -> None:
        """Throw a note away."""
        self._storage.delete(self._path(note))

    def known(self) -> dict[int, int]:
        """Return the snapshots that have a note, with the Unix ms of each, oldest first."""
        names = (path.rpartition("/")[2] for path in self._storage.list(self._folder))
        found = (NAME.fullmatch(name) for name in names)
        return {int(match[2]): int(match[1]) for match in found if match is not None}

    def read(self, snapshot_id: int, replaced_ms: int) -> Note | None:
        """Read a note; None when it is gone, or is none of ours."""
        path = f"{self._folder}/{replaced_ms:013}-{snapshot_id}.json"
        try:
            return _decode_note(self._storage.get(path))
        except (NotThereError, msgspec.MsgspecError):
            return None

    def _path(self, note: Note) -> str:
        return f"{self._folder}/{note.replaced_ms:013}-{note.snapshot_id}.json"
