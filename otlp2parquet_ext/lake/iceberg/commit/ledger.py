"""The ledger: names of recently committed files, in properties of the table itself.

A snapshot holds the names it added, but snapshots expire. So a property of the table holds a short
digest of each name, newest commit first. Each commit's digests follow the time at which the latest
of its files was stored. The commit that adds the files also writes the ledger, so the two always
agree.

The ledger forgets whole commits, and another property holds the latest time in them. A file that
was stored later, and is not in the ledger, was never committed. For an older file, the ledger alone
cannot tell.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile

NAMES = "otlp2parquet_ext.files"
"""Entry of a snapshot's summary: the added names, comma-separated, if at most `FEW_NAMES`."""

LEDGER = "otlp2parquet_ext.committed"
"""Table property: the digests, separated by spaces, with `@<Unix ms>` before those of a commit."""

FORGOTTEN = "otlp2parquet_ext.forgotten-ms"
"""Table property: files stored until this Unix ms may be committed, but not in the ledger."""

DIGEST_BYTES, DIGEST_CHARACTERS = 9, 12
LENGTH = 4_096
FEW = 10
"""Most names to search for in the ledger's text; for more names, splitting it is faster."""

FEW_NAMES = 100
"""Most names in a snapshot's summary, because each version of a table's metadata holds twenty
snapshots."""

CLOCKS_MS = 2_000
"""Most difference of two readings of the time a file was stored: S3 gives whole seconds."""


class Ledger:
    """The committed names in a table's metadata.

    Args:
        properties: properties of the table.
        summaries: summaries of its snapshots, oldest first.
    """

    def __init__(
        self, properties: Mapping[str, str], summaries: Iterable[Mapping[str, Any]]
    ) -> None:
        # A substring search is exact: all digests have one length, with spaces between them.
        self._text = properties.get(LEDGER, "")
        self._forgotten_ms = int(properties.get(FORGOTTEN, 0))
        for summary in summaries:
            names = summary.get(NAMES)
            for name in names.split(",") if names else ():
                self._take_over(digest(name))

    def unseen(self, files: Sequence[DataFile]) -> list[DataFile]:
        """Return the files whose names are not in the ledger, without duplicates."""
        by_name = {file.name: file for file in files}
        known = self._text if len(by_name) <= FEW else frozenset(self._text.split())
        return [file for name, file in by_name.items() if digest(name) not in known]

    def uncertain(self, unseen: Sequence[DataFile]) -> list[DataFile]:
        """Return the unseen files that a forgotten commit may have committed."""
        if not self._forgotten_ms:
            return []
        return [file for file in unseen if file.stored_ms - CLOCKS_MS <= self._forgotten_ms]

    def properties_with(self, files: Sequence[DataFile]) -> dict[str, str]:
        """Return the properties' new values when n > 0 `files` are committed."""
        stamp = f"@{max(file.stored_ms for file in files)}"
        text = " ".join([stamp, *(digest(file.name) for file in files), self._text]).rstrip()
        forgotten_ms = self._forgotten_ms
        while len(text) > LENGTH * (DIGEST_CHARACTERS + 1) and (cut := text.rfind(" @")) > 0:
            forgotten_ms = max(forgotten_ms, int(text[cut + 2 :].split(" ", 1)[0]))
            text = text[:cut]
        return {LEDGER: text, FORGOTTEN: str(forgotten_ms)} if forgotten_ms else {LEDGER: text}

    def _take_over(self, entry: str) -> None:
        """Add a name that only a snapshot holds, before the snapshot expires."""
        if entry not in self._text:
            self._text = f"{entry} {self._text}"


def names_summary(files: Sequence[DataFile]) -> dict[str, str]:
    """Return the entry of the summary of a snapshot that adds `files`."""
    names = ",".join(file.name for file in files) if len(files) <= FEW_NAMES else ""
    return {NAMES: names}


def digest(name: str) -> str:
    """Return a name's digest; two of a million names collide with a probability of 10^-10."""
    return b64encode(blake2b(name.encode(), digest_size=DIGEST_BYTES).digest()).decode()
