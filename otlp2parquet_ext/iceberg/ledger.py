"""The names of files that were committed lately, kept in the table itself.

Snapshots carry the names they added, and expire; a property of the table carries on: one short
digest for each name, newest first, at most `LENGTH`. It is written in the very commit that adds
the files, so the two cannot disagree.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from otlp2parquet_ext.iceberg import DataFile

NAMES = "otlp2parquet_ext.files"
"""Of a snapshot's summary: the names it added, with commas between."""

LEDGER = "otlp2parquet_ext.committed"
"""Of the table's properties: the digests, with spaces between."""

DIGEST_BYTES, DIGEST_CHARACTERS = 9, 12
LENGTH = 4_096
FEW = 10
"""Names that are looked for one by one; for more it pays to take the ledger apart."""


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
        for summary in summaries:
            names = summary.get(NAMES)
            for name in names.split(",") if names else ():
                self._take_over(digest(name))

    def unseen(self, files: Sequence[DataFile]) -> list[DataFile]:
        """Return the files that were not committed yet, each once."""
        by_name = {file.name: file for file in files}
        known = self._text if len(by_name) <= FEW else frozenset(self._text.split())
        return [file for name, file in by_name.items() if digest(name) not in known]

    def properties_with(self, files: Sequence[DataFile]) -> dict[str, str]:
        """Return the property as it is after `files` are committed."""
        text = " ".join([*(digest(file.name) for file in files), self._text])
        return {LEDGER: text[: LENGTH * (DIGEST_CHARACTERS + 1)].rstrip()}

    def _take_over(self, entry: str) -> None:
        """Take in a name that only a snapshot has, before it expires."""
        if entry not in self._text:
            self._text = f"{entry} {self._text}"


def names_summary(files: Sequence[DataFile]) -> dict[str, str]:
    """Return the entry of the summary of a snapshot that adds `files`."""
    return {NAMES: ",".join(file.name for file in files)}


def digest(name: str) -> str:
    """Return the short form of a name: two of a million are alike with odds of 1 : 10^10."""
    return b64encode(blake2b(name.encode(), digest_size=DIGEST_BYTES).digest()).decode()
