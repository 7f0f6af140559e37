"""Where entries of the inbox go that are not committed, each with its reason: nobody looks there.

entry that is not true --keep()--> inbox/rejected/…
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
"""Of what waits."""

MISSING = f"{FOLDER}/missing"
REJECTED = f"{FOLDER}/rejected"

MOST_ASIDE = 10_000
"""Entries that each folder of what is set aside holds; more are removed without a copy: their
files, if there are any, stay where they are, and the sweep finds them."""

NAME_BYTES = 200
"""Longest name of what is set aside: a key has 1024 bytes with its folders, a file's name 255."""

SHOWN_BYTES = 2_048
"""What is kept of an entry that is no JSON."""


class Aside(NamedTuple):
    """An entry that is not committed.

    Attributes:
        entry: its path.
        why: what is wrong with it.
        data: its bytes, or the first of them.
    """

    entry: str
    why: Rejection
    data: bytes = b""


def keep(storage: Storage, aside: Sequence[Aside], threads: int) -> list[str]:
    """Keep entries with their reasons, as far as there is room; return in which folders.

    Args:
        storage: of the inbox.
        aside: n > 0 entries.
        threads: to write at once.

    Raises:
        StorageError: not all of them are kept.
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
    """Return the name an entry has where it is set aside: its own, unless that is too long."""
    name = file_name(entry).encode(errors="surrogateescape")
    if len(name) <= NAME_BYTES:
        return file_name(entry)
    return f"{blake2b(name, digest_size=16).hexdigest()}.json"


def _with_reason(one: Aside) -> bytes:
    """Return an entry with the reason in it: moved back it is a descriptor again."""
    rejected = {"rejected": one.why.reason}
    with contextlib.suppress(msgspec.MsgspecError, ValueError, RecursionError):
        fields = msgspec.json.decode(one.data)
        if isinstance(fields, dict):
            return msgspec.json.encode(fields | rejected)
    text = re.sub(r"[^ -~]", "?", one.data[:SHOWN_BYTES].decode("latin-1"))
    return msgspec.json.encode({"entry": text, **rejected})
