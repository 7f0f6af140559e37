"""Folders for entries of the inbox that cannot be committed. Committers do not read them.

false entry            --keep()--> inbox/rejected/…, with the reason
entry without its file --keep()--> inbox/missing/…: moved back, it is a descriptor again
"""

from __future__ import annotations

import contextlib
import re
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from otlp2parquet_ext.lake.storage.gather import gather

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.lake.iceberg.commit.trust import Rejection
    from otlp2parquet_ext.lake.storage.storage import Storage

FOLDER = "inbox"
"""Folder of the waiting descriptors."""

MISSING = f"{FOLDER}/missing"
REJECTED = f"{FOLDER}/rejected"

MOST_ASIDE = 10_000
"""Most entries in each folder; further entries are deleted without a copy. Their data files stay,
and the sweep finds them."""

NAME_BYTES = 200
"""Longest name of an entry set aside: a key has at most 1024 bytes with its folders, a file's name
255."""

SHOWN_BYTES = 2_048
"""Bytes to keep of an entry that is not JSON."""


class Aside(NamedTuple):
    """An entry that cannot be committed.

    Attributes:
        entry: its path.
        why: the reason.
        data: its bytes, or the first of them.
    """

    entry: str
    why: Rejection
    data: bytes = b""


def keep(storage: Storage, aside: Sequence[Aside], threads: int) -> list[str]:
    """Keep entries with their reasons, up to `MOST_ASIDE`; return the folders.

    Args:
        storage: the inbox's storage.
        aside: n > 0 entries.
        threads: number of parallel writes.

    Raises:
        StorageError: some entries could not be written.
    """
    room = {
        folder: MOST_ASIDE - sum(1 for _ in islice(storage.list(folder), MOST_ASIDE))
        for folder in {_folder(one) for one in aside}
    }
    kept = []
    for one in aside:
        room[_folder(one)] -= 1
        if room[_folder(one)] >= 0:
            kept.append(one)

    def put(one: Aside) -> None:
        storage.put(f"{_folder(one)}/{_name(one.entry)}", _with_reason(one))

    for _ in gather(put, kept, threads):
        pass
    return sorted(room)


def file_name(path: str) -> str:
    """Return the last part of a path."""
    return path.rpartition("/")[2]


def _folder(one: Aside) -> str:
    return MISSING if one.why.missing else REJECTED


def _name(entry: str) -> str:
    """Return the name of an entry set aside: its own, shortened if too long."""
    name = file_name(entry).encode(errors="surrogateescape")
    if len(name) <= NAME_BYTES:
        return file_name(entry)
    return f"{blake2b(name, digest_size=16).hexdigest()}.json"


def _with_reason(one: Aside) -> bytes:
    """Return an entry with the reason added; moved back, it is a descriptor again."""
    rejected = {"rejected": one.why.reason}
    with contextlib.suppress(msgspec.MsgspecError, ValueError, RecursionError):
        fields = msgspec.json.decode(one.data)
        if isinstance(fields, dict):
            return msgspec.json.encode(fields | rejected)
    text = re.sub(r"[^ -~]", "?", one.data[:SHOWN_BYTES].decode("latin-1"))
    return msgspec.json.encode({"entry": text, **rejected})
