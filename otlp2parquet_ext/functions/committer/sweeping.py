"""Sweep a table's folders, a page at a time, and go on where the last run stopped.

    page --> what nothing refers to --> metadata: deleted | rows: adopted, or left and told of

The position is an object beside the inbox, written after each page: a run that is killed repeats
its last page, which changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.functions.committer.adopt import descriptor
from otlp2parquet_ext.lake.destinations.refit import BESIDE
from otlp2parquet_ext.lake.iceberg.commit.handle import now_ms
from otlp2parquet_ext.lake.iceberg.upkeep.sweep import (
    FILES_PER_PAGE,
    OLDER_THAN_MS,
    look,
    places,
    sort_out,
)
from otlp2parquet_ext.lake.storage.storage import (
    ForeignAddressError,
    NotThereError,
    StorageError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.functions.committer.opening import TableLocation
    from otlp2parquet_ext.lake.iceberg.commit.handle import Handle
    from otlp2parquet_ext.lake.iceberg.upkeep.sweep import Places, Stray, SweepPage
    from otlp2parquet_ext.lake.storage.storage import ObjectEntry, Storage

FOLDER = "care/sweep"
EXAMPLES = 10
MARK_BYTES = 65_536
"""The longest position that is read; a longer file is none of ours, and is passed over."""

LEAST_MS = 5_000
"""A page that could take longer than what is left is not begun."""


class Options(msgspec.Struct, frozen=True):
    """How to sweep.

    Attributes:
        older_than_ms: age in ms from which a file counts.
        every_ms: time since the last sweep ended before which none is begun; 0 begins at once.
        delete_strays: delete data files of ours that nothing refers to and that cannot be adopted:
            they may be rows nobody has seen.
        dry_run: look only, from the beginning.
        files_per_page: n > 0.
    """

    older_than_ms: int = OLDER_THAN_MS
    every_ms: int = 0
    delete_strays: bool = False
    dry_run: bool = False
    files_per_page: int = FILES_PER_PAGE


class Swept(msgspec.Struct):
    """What was done, or would be.

    Attributes:
        looked: files looked at.
        deleted, deleted_bytes: of them, metadata nobody refers to, and strays if that was asked.
        adopted: files of rows that are in the inbox now.
        left: files of rows that were left: in the table once, or not whole.
        foreign: metadata files of names we do not know.
        examples: paths of some that were left.
        ended: all was seen.
        why: nothing was done; empty otherwise.
    """

    looked: int = 0
    deleted: int = 0
    deleted_bytes: int = 0
    adopted: int = 0
    left: int = 0
    foreign: int = 0
    examples: list[str] = msgspec.field(default_factory=list)
    ended: bool = False
    why: str = ""


class Position(msgspec.Struct, frozen=True):
    """How far a sweep has come.

    Attributes:
        written_ms: Unix ms.
        after: path after which it goes on.
        ended: there is nothing to go on with.
    """

    written_ms: int
    after: str = ""
    ended: bool = False


_decode_position = msgspec.json.Decoder(Position).decode


def sweep(place: TableLocation, handle: Handle, deadline_ms: int, options: Options) -> Swept:
    """Sweep until all was seen, or time is up.

    Args:
        place: the table and its inbox.
        handle: the table itself.
        deadline_ms: Unix ms.
        options: how.

    Raises:
        StorageError: something cannot be listed, read or deleted; the next run goes on there.
        CommitError, AvroError, TimeoutError: likewise.
    """
    deadline = SteadyDeadline(deadline_ms)
    version = handle.catalog.load(deadline_ms, fresh=True)
    if version is None:
        return Swept(why="there is no table")
    if why := handle.why_not_delete(version.metadata):
        return Swept(why=why)
    marks = _Marks(handle.storage, handle.storage.path(version.metadata["location"]))
    last = Position(0) if options.dry_run else marks.last()
    if last.ended and now_ms() - last.written_ms < options.every_ms:
        return Swept(why="the last sweep was not long ago")
    run = _SweepRun(place, handle, deadline, options)
    after = "" if last.ended else last.after
    where = places(handle, version.metadata, [place.inbox.location])
    while not run.swept.ended and deadline.left_ms() > LEAST_MS:
        page = look(handle, where, after, options.older_than_ms, options.files_per_page)
        run.page(where, page)
        after, run.swept.ended = page.after or "", page.after is None
        if not options.dry_run:
            marks.put(Position(now_ms(), after, run.swept.ended))
    return run.swept


class _SweepRun:
    """One run over some pages.

    Attributes:
        swept: what was done so far.
    """

    def __init__(
        self, place: TableLocation, handle: Handle, deadline: SteadyDeadline, options: Options
    ) -> None:
        self._place = place
        self._handle = handle
        self._deadline = deadline
        self._options = options
        self.swept = Swept()

    def page(self, where: Places, page: SweepPage) -> None:
        """Deal with what nothing refers to of one page."""
        self.swept.looked += page.looked
        if not page.old:
            return
        # In this order: what waits may become visible in between, not the other way round.
        described = self._place.inbox.names()
        version = self._handle.catalog.load(self._deadline.unix_ms(), fresh=True)
        if version is None:
            return
        found = sort_out(
            self._handle,
            version,
            where,
            page.old,
            described,
            deadline_ms=self._deadline.unix_ms(),
        )
        self._delete(found.waste)
        self.swept.foreign += len(found.foreign)
        self._add_examples(found.foreign)
        for stray in found.strays:
            self._resolve(stray)

    def _resolve(self, stray: Stray) -> None:
        """Adopt a file of rows, or leave it, or delete it if that was asked for."""
        if self._lies_beside(stray):
            self._delete([stray.entry])
            return
        file = None
        if stray.adoptable:
            file = descriptor(self._handle.storage, stray, self._handle.columns)
        if file is not None:
            if not self._options.dry_run:
                self._place.inbox.put(file)
            self.swept.adopted += 1
        elif self._options.delete_strays:
            self._delete([stray.entry])
        else:
            self.swept.left += 1
            self._add_examples([stray.entry])

    def _lies_beside(self, stray: Stray) -> bool:
        """Tell whether its rows are in a copy beside the table, whose types clash with ours."""
        below_data = stray.entry.path.rpartition("/data/")[2]
        try:
            size_bytes = self._place.inbox.storage.size(f"{BESIDE}/{below_data}")
        except StorageError:
            return False
        return size_bytes == stray.entry.size_bytes

    def _delete(self, entries: Sequence[ObjectEntry]) -> None:
        if entries and not self._options.dry_run:
            self._handle.storage.delete_many([entry.path for entry in entries])
        self.swept.deleted += len(entries)
        self.swept.deleted_bytes += sum(entry.size_bytes for entry in entries)

    def _add_examples(self, entries: Sequence[ObjectEntry]) -> None:
        room = EXAMPLES - len(self.swept.examples)
        self.swept.examples += [entry.path for entry in entries[:room]]


class _Marks:
    """Where positions are kept: an object is never overwritten, so the latest counts."""

    def __init__(self, storage: Storage, location: str) -> None:
        self._storage = storage
        self._folder = f"{location}/{FOLDER}"

    def last(self) -> Position:
        """Return the position the last run has left; the beginning when there is none."""
        for path in sorted(self._storage.list(self._folder), reverse=True):
            try:
                return _decode_position(self._storage.part(path, 0, MARK_BYTES).data)
            except (msgspec.MsgspecError, NotThereError, ForeignAddressError):
                continue
        return Position(0)

    def put(self, position: Position) -> None:
        """Leave a position in place of all others."""
        path = f"{self._folder}/{position.written_ms:013}.json"
        older = [p for p in self._storage.list(self._folder) if p < path]
        self._storage.put(path, msgspec.json.encode(position))
        self._storage.delete_many(older)
