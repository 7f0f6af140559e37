"""Make files of raw segments, claim by claim, until no segment waits or time is up.

    claim --> read --> map --> files, descriptors --> states --> stored --> done --> delete

A process may be killed after any step. Another committer then repeats all steps with the same
result, because the names of files are derived from the claim, and `put` never overwrites. First the
rows of a claim become durable, then its segments are listed as done, then they are deleted. The
next commit of the inbox makes each file visible exactly once.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.flush.losses import Losses
from otlp2parquet_ext.functions.relay import done, states
from otlp2parquet_ext.functions.relay.claims import TAKE_OVER_MS, next_claim, next_number, overlaps
from otlp2parquet_ext.functions.relay.folder import ASIDE
from otlp2parquet_ext.functions.relay.location import Formed
from otlp2parquet_ext.functions.relay.mapping import loss_tables, map_segments, read
from otlp2parquet_ext.lake.destinations.destination import Batch, DestinationError
from otlp2parquet_ext.lake.destinations.raw_segment import parse_name
from otlp2parquet_ext.lake.storage.storage import StorageError
from otlp2parquet_ext.spool.raw_segments import RawSegmentError

if TYPE_CHECKING:
    from otlp2parquet_ext.functions.relay.claims import Claim
    from otlp2parquet_ext.functions.relay.location import RelayLocation
    from otlp2parquet_ext.functions.relay.mapping import ReadSegment
    from otlp2parquet_ext.lake.destinations.raw_segment import SegmentName

TEXT_AFTER = 2
"""Killed attempts at a claim after which its bodies become rows of text, without mapping."""

ASIDE_AFTER = 4
"""Killed attempts after which a claim's segments are set aside, so that they block no others."""

LEAST_MS = 5_000
"""Least time before the deadline for a claim to begin."""


def form_files(place: RelayLocation, deadline_ms: int) -> Formed:
    """Make files of the waiting segments, oldest first.

    Args:
        place: see `RelayLocation`.
        deadline_ms: Unix ms; shortly before it, no claim begins.

    Returns:
        The result. An error is in its `problem`, and is not raised; a later call tries again.
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
    """Finish an abandoned claim, or make a new claim and finish it."""
    folder = place.folder
    waiting = folder.waiting()  # listed first, so that the claims include those made in between
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
    if not folder.put_claim(number, claim):
        return
    # A finished claim frees its number, so another committer may have counted differently.
    others = [other.claim for at, other in folder.claims().items() if at != number]
    if overlaps(claim, others):
        folder.withdraw(number)
        return
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
        self._aside: set[SegmentName] = set()

    def form(self) -> None:
        """See the module."""
        attempts = self._folder.begin(self._claim)
        try:
            left = self._stored(attempts)
            self._remember(left)
            self._folder.delete(self._merged)
            self._folder.finish(self._number, self._claim)
        except (StorageError, DestinationError):
            self._folder.forget(self._claim, attempts)  # an outage is no kill
            raise

    def _stored(self, attempts: int) -> list[SegmentName]:
        """Make the rows of the claim durable; return the segments that are done then.

        A segment that is set aside is not done: a person may move it back.
        """
        names = list(self._claim.names)
        if self._folder.is_stored(self._claim):
            # Mapped again without those that are remembered already, its files would be others.
            aside = self._folder.names_aside()
            return [name for name in names if name not in aside]
        remembered = self._remembered()
        left = [name for name in names if done.digest(name) not in remembered]
        segments = self._read(left, aside=attempts >= ASIDE_AFTER)
        if segments:
            self._store(segments, as_text=attempts >= TEXT_AFTER)
            self._formed.segments += len(segments)
        self._folder.note_stored(self._claim)
        return [name for name in left if name not in self._aside]

    def _remembered(self) -> set[bytes]:
        """Return the digests of done segments in the claim's hours."""
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
        if (name := parse_name(file)) is not None:
            self._aside.add(name)
        log("error", f"the raw segment {file} is set aside: {why}; it is kept in {ASIDE}")

    def _store(self, segments: list[ReadSegment], *, as_text: bool) -> None:
        """Make the rows durable, then the states after them."""
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
        """Add segments to the lists of their hours: their rows are durable."""
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
