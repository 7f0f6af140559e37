"""Which waiting segments become one claim; pure.

A claim is an object with the next free number, put only if there is none: so a segment is in one
claim at most, and the files of a claim follow from its segments alone, whichever committer makes
them. Segments of one environment are mapped in their order: while one of its segments is in a
claim, its others wait for the next one.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from otlp2parquet_ext.lake.destinations.raw_segment import SegmentName, parse_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_SEGMENTS = 2_000
MOST_BYTES = 8_388_608
"""Most compressed bytes of a claim: text compresses to a tenth, and its columns take three times
its bytes, so a claim takes some 300 MB."""

TAKE_OVER_MS = 900_000
"""Age from which another committer finishes a claim: the longest that a Lambda function runs.
Finishing one whose committer is still alive is harmless: both make the same files."""


class WaitingSegment(NamedTuple):
    """A segment that nobody has mapped: its name, and its compressed bytes."""

    name: SegmentName
    size_bytes: int


class Claim(msgspec.Struct, frozen=True):
    """Segments that one batch is made of.

    Attributes:
        segments: their file names, oldest first.
    """

    segments: tuple[str, ...]

    @property
    def id(self) -> str:
        """The name of the batch: 32 hex digits that follow from the segments."""
        return blake2b("\n".join(self.segments).encode(), digest_size=16).hexdigest()

    @property
    def names(self) -> tuple[SegmentName, ...]:
        """The names that are names of ours."""
        found = map(parse_name, self.segments)
        return tuple(name for name in found if name is not None)


def next_claim(
    waiting: Iterable[WaitingSegment],
    active: Iterable[Claim],
    *,
    most_bytes: int = MOST_BYTES,
) -> Claim | None:
    """Return the oldest segments that may be claimed together; None when there are none.

    Args:
        waiting: oldest first.
        active: the claims that are there.
        most_bytes: of all their compressed bytes; one segment may be larger.
    """
    claimed = {segment for claim in active for segment in claim.segments}
    busy = {name.instance for claim in active for name in claim.names}
    chosen: list[str] = []
    size_bytes = 0
    for segment in waiting:
        file_name = segment.name.path.rpartition("/")[2]
        if segment.name.instance in busy or file_name in claimed:
            continue
        size_bytes += segment.size_bytes
        if chosen and (size_bytes > most_bytes or len(chosen) >= MOST_SEGMENTS):
            break
        chosen.append(file_name)
    return Claim(tuple(chosen)) if chosen else None


def next_number(claims: Mapping[int, Claim]) -> int:
    """Return the number that the next claim must have."""
    return max(claims, default=0) + 1
