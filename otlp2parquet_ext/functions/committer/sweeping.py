"""Sweep a table's folders page by page, and continue where the last run stopped.

    page --> files without a reference --> metadata: deleted | rows: adopted, or left and reported

The position is an object beside the inbox, written after each page. After a killed run, the next
run repeats the last page, which is idempotent.
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
"""Longest position object, in bytes; a longer file is not ours and is ignored."""

LEAST_MS = 5_000
"""Least time before the deadline for a page to begin."""


class Options(msgspec.Struct, frozen=True):
    """The options of a sweep.

    Attributes:
        older_than_ms: least age of a file, in ms.
        every_ms: least time between the end of a sweep and the next; 0 for none.
        delete_strays: delete unreferenced data files of ours that cannot be adopted. They may hold
            rows that are nowhere else.
        dry_run: report only, from the first page on.
        files_per_page: most files of a page, n > 0.
    """

    older_than_ms: int = OLDER_THAN_MS
    every_ms: int = 0
    delete_strays: bool = False
    dry_run: bool = False
    files_per_page: int = FILES_PER_PAGE


class Swept(msgspec.Struct):
    """The result of a sweep, or of a dry run.

    Attributes:
        looked: number of files checked.
        deleted, deleted_bytes: number and bytes of deleted files: unreferenced metadata, and
            strays with `delete_strays`.
        adopted: number of data files that have a descriptor in the inbox now.
        left: number of data files that stay: they may have been in the table, or are incomplete.
        foreign: number of metadata files with an unknown form of name.
        examples: paths of some files that stay.
        ended: all pages are done.
        why: the reason why nothing was done; "" otherwise.
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
    """The position of a sweep.

    Attributes:
        written_ms: Unix ms of its writing.
        after: path after which the next run continues.
        ended: the sweep is complete.
    """

    written_ms: int
    after: str = ""
    ended: bool = False


_decode_position = msgspec.json.Decoder(Position).decode


def sweep(place: TableLocation, handle: Handle, deadline_ms: int, options: Options) -> Swept:
    """Sweep until all pages are done, or time is up.

    Args:
        place: the table and its inbox.
        handle: the table itself.
        deadline_ms: Unix ms.
        options: options of the sweep.

    Raises:
        StorageError: a file cannot be listed, read or deleted; the next run repeats the page.
        CommitError, AvroError, TimeoutError: the table cannot be read; likewise.
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
        swept: the result so far.
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
        """Delete, adopt or report the files of one page without a reference."""
        self.swept.looked += page.looked
        if not page.old:
            return
        # First the inbox, then the table: a waiting file may be committed in between, and is then
        # in the table. In the other order it would be in neither.
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
        """Adopt a stray data file, or leave it, or delete it with `delete_strays`."""
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
        """Return whether a copy of the file is in `beside/`, because the table's types clash."""
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
    """The stored positions: objects are never overwritten, so the latest one counts."""

    def __init__(self, storage: Storage, location: str) -> None:
        self._storage = storage
        self._folder = f"{location}/{FOLDER}"

    def last(self) -> Position:
        """Return the position of the last run; the beginning without one."""
        for path in sorted(self._storage.list(self._folder), reverse=True):
            try:
                return _decode_position(self._storage.part(path, 0, MARK_BYTES).data)
            except (msgspec.MsgspecError, NotThereError, ForeignAddressError):
                continue
        return Position(0)

    def put(self, position: Position) -> None:
        """Write a position, and delete all older ones."""
        path = f"{self._folder}/{position.written_ms:013}.json"
        older = [p for p in self._storage.list(self._folder) if p < path]
        self._storage.put(path, msgspec.json.encode(position))
        self._storage.delete_many(older)
