"""The interface of a destination, and the values that pass through it: batches in, receipts out.

Batch --store()--> Receipt --commit()--> visible
"""

from __future__ import annotations

import enum
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from otlp2parquet_ext.lake.destinations.raw_segment import RawSegment
    from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext

    Tables = Mapping[str, pa.Table]


class DestinationError(Exception):
    """The destination refused a batch or could not be reached; the batch is kept.

    The message names the destination, the cause and, where there is one, the setting to change.
    """


class BusyError(DestinationError):
    """Other writers won the compare-and-swap on each try; a later commit tries again."""


class Source(NamedTuple):
    """The unmapped input of a batch, for destinations that forward it.

    Attributes:
        context: facts about the execution environment.
        deliveries: bodies of the Telemetry API.
        requests: by signal, the accepted OTLP requests, each with its time of receipt in Unix
            microseconds.
    """

    context: EnvironmentContext
    deliveries: Sequence[Delivery] = ()
    requests: Mapping[str, Sequence[tuple[bytes, int]]] = {}


class Batch:
    """One sealed segment as tables.

    Args:
        name: 32 hex digits, a digest of the environment, the bodies and their times of receipt. A
            segment that is stored twice has the same name both times; no other segment has it.
        tables: rows by table name (`tables.registry`), only tables with rows; or a function that
            makes them. A forwarder never calls it, and so does not import pyarrow.
        source: the input that the tables are made of.
        mapped: makes the tables of `source.deliveries` alone, without OTLP requests, in parts.
            Each call gives the same parts.
        parts: makes the tables in parts, when all tables at once may not fit into memory. Each
            call gives the same parts.
        received_us: time of receipt of its last body, Unix microseconds; 0 when unknown.
        segment: packs the segment; only a destination with `Need.SEGMENT` needs it.
    """

    def __init__(
        self,
        name: str,
        tables: Tables | Callable[[], Tables],
        source: Source | None = None,
        mapped: Callable[[], Iterator[Tables]] | None = None,
        parts: Callable[[], Iterator[Tables]] | None = None,
        *,
        received_us: int = 0,
        segment: Callable[[], RawSegment] | None = None,
    ) -> None:
        self.name = name
        self.received_us = received_us
        self._segment = segment
        self._parts = parts
        self.source = source
        self._tables = tables
        self._mapped = mapped

    @cached_property
    def tables(self) -> Tables:
        """All rows by table; see `Args`."""
        return self._tables() if callable(self._tables) else self._tables

    def segment(self) -> RawSegment:
        """Return the sealed segment that the batch was read from, packed.

        Raises:
            DestinationError: a bug of ours; the batch was not made of one.
        """
        if self._segment is None:
            raise DestinationError(f"the batch {self.name} has no segment")
        return self._segment()

    def mapped_parts(self) -> Iterator[Tables]:
        """Yield the rows of Lambda's telemetry in parts, one part in memory at a time."""
        if self._mapped is None:
            yield self.tables
        else:
            yield from self._mapped()

    def parts(self) -> Iterator[Batch]:
        """Yield the batch in parts that together have all its rows; normally only itself.

        Each part is stored as a batch of its own, and only one part is in memory at a time. The
        first part has the batch's name; the name of each other part is derived from it.
        """
        if self._parts is None:
            yield self
            return
        for number, tables in enumerate(self._parts()):
            part = Batch(_part_name(self.name, number), tables, received_us=self.received_us)
            del tables
            if part.tables:
                yield part
            part.tables = {}  # free the rows now: the caller may still hold a reference to the part
            part._tables = {}


def _part_name(name: str, number: int) -> str:
    if not number:
        return name
    from _blake2 import blake2b  # noqa: PLC0415 - hashlib would load OpenSSL; few batches are large

    return str(blake2b(f"{name} {number}".encode(), digest_size=16).hexdigest())


class Lost(NamedTuple):
    """Records that a destination refused permanently.

    Attributes:
        reason: the cause, as the table of losses shows it.
        records: how many records; 0 when they were not counted.
        size_bytes: their size.
    """

    reason: str
    records: int
    size_bytes: int


class Receipt(Struct, frozen=True):
    """What became of one batch.

    Attributes:
        files, size_bytes: files this store has written; files that already existed are left out.
        safe: the rows outlive this environment. If not, the caller keeps the batch until the next
            `commit` or `describe` has returned.
        undelivered: names of destinations that failed or were skipped; the caller keeps the batch
            and sends it to them later.
        lost: records refused permanently since the last receipt.
        report_refused: the batch held a report of losses, and no destination accepted it.
        batch: name of the batch.
        damaged_bytes: bytes of the segment that could not be read as frames.
    """

    files: int = 0
    size_bytes: int = 0
    safe: bool = True
    undelivered: tuple[str, ...] = ()
    lost: tuple[Lost, ...] = ()
    report_refused: bool = False
    batch: str = ""
    damaged_bytes: int = 0


class Need(enum.Enum):
    """The form of a batch that a destination reads."""

    TABLES = "rows by table"
    SOURCE = "deliveries and OTLP requests as they came"
    SEGMENT = "the sealed segment, packed"


class Destination(Protocol):
    """One place for batches; `store` is called on one thread and `commit` on another."""

    @property
    def needs(self) -> frozenset[Need]:
        """The forms of a batch that `store` reads; the caller makes no other form."""

    def store(self, batch: Batch, *, commit_follows: bool = False) -> Receipt:
        """Make a batch durable. Storing the same batch twice is idempotent.

        Args:
            batch: the batch.
            commit_follows: the caller commits at once and keeps the batch until then, so `store`
                may leave out the descriptor, which serves only a later commit.

        Raises:
            DestinationError: the batch is not durable.
        """

    def commit(self, deadline_ms: int) -> int:
        """Make stored files visible to readers; return how many became visible.

        Args:
            deadline_ms: Unix ms; a later commit takes the files that are not visible by then.

        Raises:
            BusyError: other writers won the compare-and-swap on each try.
            DestinationError: no file became visible; stored files stay stored.
        """

    def describe(self) -> None:
        """Write the descriptors that `store` left out, when the commit that should follow failed.

        Raises:
            DestinationError: a descriptor could not be written, so its rows are not safe yet.
        """

    def warm_up(self) -> None:
        """Import the modules and open the tables that the next commit needs."""

    def close(self) -> None:
        """Close all connections."""
