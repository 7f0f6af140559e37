"""Choose the waiting segments of one claim. Pure.

A claim is an object with the next free number, and `put` never overwrites it. So a segment is in at
most one claim. The files of a claim depend on its segments alone, and are the same for any
committer. Segments of one environment are mapped in their order: while one of them is in a claim,
the others wait for a later claim.
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
"""Age from which another committer finishes a claim: the longest run of a Lambda function. If the
first committer is still alive, this does no harm, because both make the same files."""


class WaitingSegment(NamedTuple):
    """A segment that is not mapped yet: its name, and its number of compressed bytes."""

    name: SegmentName
    size_bytes: int


class Claim(msgspec.Struct, frozen=True):
    """The segments of one batch.

    Attributes:
        segments: their file names, oldest first.
    """

    segments: tuple[str, ...]

    @property
    def id(self) -> str:
        """The name of the batch: 32 hex digits, a digest of the segments' names."""
        return blake2b("\n".join(self.segments).encode(), digest_size=16).hexdigest()

    @property
    def names(self) -> tuple[SegmentName, ...]:
        """The valid names of segments; other names are left out."""
        found = map(parse_name, self.segments)
        return tuple(name for name in found if name is not None)


def next_claim(
    waiting: Iterable[WaitingSegment],
    active: Iterable[Claim],
    *,
    most_bytes: int = MOST_BYTES,
) -> Claim | None:
    """Return a claim of the oldest segments; None if no segment can be claimed.

    Args:
        waiting: waiting segments, oldest first.
        active: the existing claims.
        most_bytes: most compressed bytes of a claim; a single segment may be larger.
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
    """Return the number for the next claim."""
    return max(claims, default=0) + 1


def overlaps(claim: Claim, others: Iterable[Claim]) -> bool:
    """Return whether other claims hold segments of the same environments."""
    own = {name.instance for name in claim.names}
    return any(name.instance in own for other in others for name in other.names)
