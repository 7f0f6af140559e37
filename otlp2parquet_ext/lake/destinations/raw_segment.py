"""A sealed segment on its way through the relay: its name, and where it lies."""

from __future__ import annotations

import re
from typing import NamedTuple

FOLDER = "_relay"
SEGMENTS = f"{FOLDER}/segments"
SUFFIX = ".o2p1"
"""End of a raw segment's name; its digit is the version of the format."""

NAME = re.compile(r"(\d{17})-([0-9a-f]{32})-([0-9a-f]{32})\.o2p1")


class SegmentName(NamedTuple):
    """What the name of a raw segment says.

    Attributes:
        first_us: Unix microseconds at which its first body was received.
        instance: 32 hex digits: of the environment that received it.
        batch: its batch's name, 32 hex digits.
    """

    first_us: int
    instance: str
    batch: str

    @property
    def path(self) -> str:
        """Where the segment lies; names sort by time."""
        return f"{SEGMENTS}/{self.first_us:017}-{self.instance}-{self.batch}{SUFFIX}"


def parse_name(file_name: str) -> SegmentName | None:
    """Return what a raw segment's file name says; None where it is no such name."""
    match = NAME.fullmatch(file_name)
    return SegmentName(int(match[1]), match[2], match[3]) if match else None


class RawSegment(NamedTuple):
    """A sealed segment on its way to the relay: its name, and its packed bytes."""

    name: SegmentName
    data: bytes
