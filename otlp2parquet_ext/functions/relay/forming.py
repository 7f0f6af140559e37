"""Files of raw segments, a claim at a time, until none waits or time is up.

    claim --> read --> map --> files, descriptors --> states --> stored --> done --> delete

Each step may be the last of a killed process; another committer then does them all again, with the
same outcome: names of files follow from the claim, and an object is put only if there is none. The
rows of a claim are durable before its segments are remembered as done, and that comes before their
deletion. The next commit of the inbox makes them visible, each file exactly once.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.flush.losses import Losses
from otlp2parquet_ext.functions.relay import done, states
from otlp2parquet_ext.functions.relay.claims import TAKE_OVER_MS, next_claim, next_number
from otlp2parquet_ext.functions.relay.folder import ASIDE
from otlp2parquet_ext.functions.relay.mapping import loss_tables, map_segments, read
from otlp2parquet_ext.lake.destinations.destination import Batch, DestinationError
from otlp2parquet_ext.lake.storage.storage import StorageError
from otlp2parquet_ext.spool.raw_segments import RawSegmentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp2parquet_ext.functions.relay.claims import Claim
    from otlp2parquet_ext.functions.relay.folder import RelayFolder
    from otlp2parquet_ext.functions.relay.mapping import ReadSegment
    from otlp2parquet_ext.lake.destinations.destination import Destination
    from otlp2parquet_ext.lake.destinations.raw_segment import SegmentName

TEXT_AFTER = 2
"""Attempts at a claim that ended processes, after which its bodies are kept as rows of text."""

ASIDE_AFTER = 4
"""Attempts after which its segments are set aside: they may block no others."""

LEAST_MS = 5_000
"""A claim that could take longer than what is left is not begun."""


class Formed(msgspec.Struct):
    """What was done.

    Attributes:
        segments: whose rows are durable now.
        files: made of them.
        aside: segments that cannot be read, put out of the way.
        empty: nothing was left to claim when it ended.
        problem: why it ended before; empty otherwise.
    """

    segments: int = 0
    files: int = 0
    aside: int = 0
    empty: bool = False
    problem: str = ""


class RelayLocation(NamedTuple):
    """Where raw segments wait, and where their rows go.

    Attributes:
        folder: of the segments.
        open_destination: opens what stores rows; called with the first claim.
    """

    folder: RelayFolder
    open_destination: Callable[[], Destination]


def forming_deadline_ms(now_ms: int, deadline_ms: int) -> int:
    """Return until when files are made, so that there is time to commit them, too; Unix ms."""
    return now_ms + (deadline_ms - now_ms) * 2 // 3


def form_files(place: RelayLocation, deadline_ms: int) -> Formed:
    """Make files of what waits, oldest first.

    Args:
        place: see `RelayLocation`.
        deadline_ms: Unix ms; no claim is begun shortly before.

    Returns:
        What was done. Nothing is raised: a problem leaves things as they are, for a later call.
    """
    formed, deadline = Formed(), SteadyDeadline(deadline_ms)
    try:
        while not formed.empty and not formed.problem:
            if deadline.left_ms() < LEAST_MS:
                formed.problem = "there was no time for all raw segments"
                break
            _form_next(place, formed)
    except (StorageError, DestinationError) as error:
        formed.problem = str(error)
    return formed


def _form_next(place: RelayLocation, formed: Formed) -> None:
    """Finish a claim that was left behind, or make one and finish it."""
    folder = place.folder
    waiting = folder.waiting()  # before the claims: what is claimed meanwhile is seen there
    if not waiting:
        formed.empty = True
        return
    claims = folder.claims()
    for number, active in sorted(claims.items()):
        if _now_ms() - active.stored_ms > TAKE_OVER_MS:
            _Claimed(place, number, active.claim, formed).form()
            return
    claim = next_claim(waiting, [active.claim for active in claims.values()])
    if claim is None:
        formed.empty = True
        return
    number = next_number({number: active.claim for number, active in claims.items()})
    if folder.put_claim(number, claim):
        _Claimed(place, number, claim, formed).form()


class _Claimed:
    """One claim, from its segments to their deletion."""

    def __init__(self, place: RelayLocation, number: int, claim: Claim, formed: Formed) -> None:
        self._place = place
        self._folder = place.folder
        self._number = number
        self._claim = claim
        self._formed = formed
        self._merged: list[str] = []

    def form(self) -> None:
        """See the module."""
        attempts = self._folder.begin(self._claim)
        left = list(self._claim.names)
        # Mapped again without those that are remembered already, its files would be others.
        if not (attempts and self._folder.is_stored(self._claim)):
            remembered = self._remembered()
            left = [name for name in left if done.digest(name) not in remembered]
            segments = self._read(left, aside=attempts >= ASIDE_AFTER)
            if segments:
                self._store(segments, as_text=attempts >= TEXT_AFTER)
                self._formed.segments += len(segments)
            self._folder.note_stored(self._claim)
        self._remember(left)
        self._folder.delete(self._merged)
        self._folder.finish(self._number, self._claim)

    def _remembered(self) -> set[bytes]:
        """Return which segments of the claim's hours are done."""
        hours = {done.hour_of(name) for name in self._claim.names}
        return set[bytes]().union(*(self._folder.done(hour).digests for hour in hours))

    def _read(self, names: list[SegmentName], *, aside: bool) -> list[ReadSegment]:
        """Read segments; set aside those that cannot be read, or all of them."""
        files = [name.path.rpartition("/")[2] for name in names]
        found: list[ReadSegment] = []
        for file, data in zip(files, self._folder.read(files), strict=True):
            if data is None:
                continue  # another committer has finished the claim
            if aside:
                self._set_aside(file, data, f"{ASIDE_AFTER} committers ended while they mapped it")
                continue
            try:
                found.append(read(file, data))
            except RawSegmentError as error:
                self._set_aside(file, data, quote(error))
        return found

    def _set_aside(self, file: str, data: bytes, why: str) -> None:
        self._folder.set_aside(file, data)
        self._formed.aside += 1
        log("error", f"the raw segment {file} is set aside: {why}; it is kept in {ASIDE}")

    def _store(self, segments: list[ReadSegment], *, as_text: bool) -> None:
        """Make rows durable, then what is known after them."""
        paths, known = self._folder.states(self._claim)
        mapped = map_segments(segments, known, as_text=as_text)
        destination = self._place.open_destination()
        last_us = max(one.contents.received_us for one in segments)
        receipt = destination.store(Batch(self._claim.id, mapped.tables, received_us=last_us))
        self._formed.files += receipt.files
        losses = Losses()
        for lost in receipt.lost:
            losses.add(*lost)
        if losses:
            name = f"{int(self._claim.id, 16) ^ 1:032x}"
            destination.store(Batch(name, loss_tables(losses, last_us)))
        after = states.kept(known | mapped.states)
        self._folder.put_states(
            self._claim, {i: state for i, state in after.items() if i not in mapped.ended}
        )
        self._merged += paths

    def _remember(self, names: list[SegmentName]) -> None:
        """Remember that the rows of segments are durable, with all of the same hours."""
        by_hour: dict[int, set[bytes]] = {}
        for name in names:
            by_hour.setdefault(done.hour_of(name), set()).add(done.digest(name))
        for hour, digests in by_hour.items():
            before = self._folder.done(hour)
            path = self._folder.put_done(self._claim, hour, before.digests | digests)
            self._merged += [other for other in before.paths if other != path]
        self._merged += self._folder.old_done(_now_ms())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
