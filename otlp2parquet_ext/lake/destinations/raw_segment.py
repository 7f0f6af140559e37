"""A sealed segment in the relay: its name and its path."""

from __future__ import annotations

import re
from typing import NamedTuple

FOLDER = "_relay"
SEGMENTS = f"{FOLDER}/segments"
SUFFIX = ".o2p1"
"""End of a raw segment's name; its digit is the version of the format."""

NAME = re.compile(r"(\d{17})-([0-9a-f]{32})-([0-9a-f]{32})\.o2p1")


class SegmentName(NamedTuple):
    """The parts of a raw segment's name.

    Attributes:
        first_us: time of receipt of its first body, Unix microseconds.
        instance: id of the environment that received it, 32 hex digits.
        batch: name of its batch, 32 hex digits.
    """

    first_us: int
    instance: str
    batch: str

    @property
    def path(self) -> str:
        """The segment's path; paths sort by time."""
        return f"{SEGMENTS}/{self.first_us:017}-{self.instance}-{self.batch}{SUFFIX}"


def parse_name(file_name: str) -> SegmentName | None:
    """Return the parts of a raw segment's file name; None if it is no such name."""
    match = NAME.fullmatch(file_name)
    return SegmentName(int(match[1]), match[2], match[3]) if match else None


class RawSegment(NamedTuple):
    """A sealed segment for the relay: its name, and its packed bytes."""

    name: SegmentName
    data: bytes
