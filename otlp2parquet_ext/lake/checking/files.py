"""Check a storage for files with a tiny object, which is deleted afterwards.

    write --> write once --> read --> list --> delete

The object's name is always the same. If the role may not delete, only one empty object stays after
any number of checks, and it does not disturb later checks.
"""

from __future__ import annotations

import contextlib
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from otlp2parquet_ext.lake.checking.runner import Trial
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.lake.storage.storage import NotThereError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otlp2parquet_ext.lake.storage.storage import Storage

PROBE = "otlp2parquet-ext-check"
LISTED = 1_000
"""Most waiting files to count."""


class Probe:
    """The tiny object.

    Args:
        storage: its storage.
        name: its path in the storage.
    """

    def __init__(self, storage: Storage, name: str = PROBE) -> None:
        self._storage = storage
        self._name = name
        self._foreign = False
        self._folders = _missing_folders(storage, name)

    def write(self) -> str:
        """Write the object; one that an earlier check could not delete is equally valid."""
        self._storage.put(self._name, b"")
        return f"files can be written: {self._storage.url(self._name)}"

    def write_once(self) -> str:
        """Write the object again; it must stay unchanged, for two writers may store one batch."""
        for _ in range(2):  # the check of another environment may have deleted it
            if not self._storage.put(self._name, b"").new:
                return "what is there is kept, even if it is stored again"
        raise StorageError(
            f"{self._storage.url(self._name)} was overwritten: the server does not honour "
            "If-None-Match, so that a batch stored twice could replace another's file"
        )

    def read(self) -> str:
        """Read the object."""
        with contextlib.suppress(NotThereError):
            self._foreign = bool(self._storage.get(self._name))
        return "files can be read"

    def delete(self) -> str:
        """Delete the object, if it is empty and so ours, and the folders that were made for it."""
        if self._foreign:
            raise StorageError(
                f"{self._storage.url(self._name)} is not empty, so no check wrote it: it was not "
                "deleted; give it another name"
            )
        self._storage.delete(self._name)
        for folder in self._folders:
            with contextlib.suppress(OSError):
                folder.rmdir()
        return "files can be deleted, and the check's is"


def _missing_folders(storage: Storage, name: str) -> list[Path]:
    """Return the missing folders on a disk, which the write will create, the innermost first."""
    if not isinstance(storage, LocalStorage):
        return []
    parents = Path(storage.root, name).parents
    return [folder for folder in parents if not folder.exists()]


def file_trials(
    storage: Storage,
    policy: str,
    *,
    prefix: str = "",
    name: str = PROBE,
    needs: tuple[str, ...] = (),
    service: str = "s3",
) -> Iterator[Trial]:
    """Yield the trials of a storage for files.

    Args:
        storage: the storage.
        policy: the policy that a role needs there; see `Trial`.
        prefix: prefix of the steps' names.
        name: path of the object.
        needs, service: see `Trial`.
    """
    probe = Probe(storage, name)
    write = f"{prefix}write"

    def trial(step: str, run: object, *more: str) -> Trial:
        assert callable(run)
        return Trial(f"{prefix}{step}", run, service, policy, (*needs, *more))

    yield trial("write", probe.write)
    yield trial("write once", probe.write_once, write)
    yield trial("read", probe.read, write)
    yield trial("delete", probe.delete, write)


def waiting(storage: Storage, folder: str, suffix: str = ".json") -> str:
    """Return a sentence about the number of files with a suffix in a folder."""
    found = sum(1 for path in islice(storage.list(folder), LISTED) if path.endswith(suffix))
    return f"{'at least ' if found == LISTED else ''}{found} files wait"
