"""A relay as a committer sees it: where segments wait, and what became of them.

form_waiting() --nothing waits--> one listing, and nothing is imported
               --segments wait--> forming.py, with the mapping
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp2parquet_ext.functions.relay.folder import RelayFolder
    from otlp2parquet_ext.lake.destinations.destination import Destination


class Formed(msgspec.Struct):
    """The result of mapping raw segments.

    Attributes:
        segments: number of segments whose rows are durable now.
        files: number of files made of them.
        aside: number of unreadable segments set aside.
        empty: no segment could be claimed at the end.
        problem: the reason why the work ended early; "" otherwise.
    """

    segments: int = 0
    files: int = 0
    aside: int = 0
    empty: bool = False
    problem: str = ""


class RelayLocation(NamedTuple):
    """The folder of raw segments, and the destination of their rows.

    Attributes:
        folder: folder of the segments.
        open_destination: opens the destination; called with the first claim.
    """

    folder: RelayFolder
    open_destination: Callable[[], Destination]
