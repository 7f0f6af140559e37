"""The names of files that were committed lately, kept in the table itself.

Snapshots carry the names they added, and expire; a property of the table carries on: one short
digest for each name, newest commit first, before those of each commit when the latest of them was
stored. It is written in the very commit that adds the files, so the two cannot disagree.

What is forgotten is forgotten by whole commits, and another property says up to when: a file
stored later than that and unknown here was surely never committed. Of an older one the ledger
alone cannot tell.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile

NAMES = "otlp2parquet_ext.files"
"""Of a snapshot's summary: the names it added, with commas between, if they are `FEW_NAMES`."""

LEDGER = "otlp2parquet_ext.committed"
"""Of the table's properties: the digests, with spaces between, and `@<Unix ms>` before each
commit's."""

FORGOTTEN = "otlp2parquet_ext.forgotten-ms"
"""Of the table's properties: files stored until then may be committed and not in the ledger."""

DIGEST_BYTES, DIGEST_CHARACTERS = 9, 12
LENGTH = 4_096
FEW = 10
"""Names that are looked for one by one; for more it pays to take the ledger apart."""

FEW_NAMES = 100
"""Names a snapshot's summary has room for: twenty snapshots lie in every version of a table's
metadata."""

CLOCKS_MS = 2_000
"""By how much two tellings of when a file was stored may differ: S3 tells whole seconds."""


class Ledger:
    """What a table's metadata knows of our files.

    Args:
        properties: of the table.
        summaries: of its snapshots, oldest first.
    """

    def __init__(
        self, properties: Mapping[str, str], summaries: Iterable[Mapping[str, Any]]
    ) -> None:
        # Never taken apart: digests are equally long, so one can only be found as a whole.
        self._text = properties.get(LEDGER, "")
        self._forgotten_ms = int(properties.get(FORGOTTEN, 0))
        for summary in summaries:
            names = summary.get(NAMES)
            for name in names.split(",") if names else ():
                self._take_over(digest(name))

    def unseen(self, files: Sequence[DataFile]) -> list[DataFile]:
        """Return the files whose names are not here, each once."""
        by_name = {file.name: file for file in files}
        known = self._text if len(by_name) <= FEW else frozenset(self._text.split())
        return [file for name, file in by_name.items() if digest(name) not in known]

    def uncertain(self, unseen: Sequence[DataFile]) -> list[DataFile]:
        """Return those of the unseen that may have been committed before all that is known here."""
        if not self._forgotten_ms:
            return []
        return [file for file in unseen if file.stored_ms - CLOCKS_MS <= self._forgotten_ms]

    def properties_with(self, files: Sequence[DataFile]) -> dict[str, str]:
        """Return the properties as they are after `files` are committed: n > 0."""
        stamp = f"@{max(file.stored_ms for file in files)}"
        text = " ".join([stamp, *(digest(file.name) for file in files), self._text]).rstrip()
        forgotten_ms = self._forgotten_ms
        while len(text) > LENGTH * (DIGEST_CHARACTERS + 1) and (cut := text.rfind(" @")) > 0:
            forgotten_ms = max(forgotten_ms, int(text[cut + 2 :].split(" ", 1)[0]))
            text = text[:cut]
        return {LEDGER: text, FORGOTTEN: str(forgotten_ms)} if forgotten_ms else {LEDGER: text}

    def _take_over(self, entry: str) -> None:
        """Take in a name that only a snapshot has, before it expires."""
        if entry not in self._text:
            self._text = f"{entry} {self._text}"


def names_summary(files: Sequence[DataFile]) -> dict[str, str]:
    """Return the entry of the summary of a snapshot that adds `files`."""
    names = ",".join(file.name for file in files) if len(files) <= FEW_NAMES else ""
    return {NAMES: names}


def digest(name: str) -> str:
    """Return the short form of a name: two of a million are alike with odds of 1 : 10^10."""
    return b64encode(blake2b(name.encode(), digest_size=DIGEST_BYTES).digest()).decode()
