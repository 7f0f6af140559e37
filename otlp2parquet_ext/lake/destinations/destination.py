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

    from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext

    Tables = Mapping[str, pa.Table]


class DestinationError(Exception):
    """The destination refused a batch or could not be reached; the batch is kept.

    The message names the destination, the cause and, where there is one, the setting to change.
    """


class BusyError(DestinationError):
    """Other writers were faster: nothing is wrong, and it is tried again a little later."""


class Source(NamedTuple):
    """What a batch is made of, as it came: what is forwarded rather than stored.

    Attributes:
        context: of the environment.
        deliveries: bodies of the Telemetry API.
        requests: by signal, accepted OTLP requests and Unix microseconds when each was received.
    """

    context: EnvironmentContext
    deliveries: Sequence[Delivery] = ()
    requests: Mapping[str, Sequence[tuple[bytes, int]]] = {}


class Batch:
    """One sealed segment as tables.

    Args:
        name: 32 hex digits that follow from the environment, the bodies it was made of, and when
            they were received: a segment stored twice lands under the same name, no other one does.
        tables: rows by table, the names those of `tables.registry`; only tables with rows. Or
            what makes them: who only forwards never does, and needs no pyarrow.
        source: what they are made of.
        mapped: makes the tables of `source.deliveries` alone, without those of OTLP requests, part
            by part, the same ones each time.
        parts: makes the tables part by part, the same ones each time: where all of them at once
            may take more memory than there is.
    """

    def __init__(
        self,
        name: str,
        tables: Tables | Callable[[], Tables],
        source: Source | None = None,
        mapped: Callable[[], Iterator[Tables]] | None = None,
        parts: Callable[[], Iterator[Tables]] | None = None,
    ) -> None:
        self.name = name
        self._parts = parts
        self.source = source
        self._tables = tables
        self._mapped = mapped

    @cached_property
    def tables(self) -> Tables:
        """All rows; see above."""
        return self._tables() if callable(self._tables) else self._tables

    def mapped_parts(self) -> Iterator[Tables]:
        """Yield the rows of what came from Lambda; only one part needs to be in memory."""
        if self._mapped is None:
            yield self.tables
        else:
            yield from self._mapped()

    def parts(self) -> Iterator[Batch]:
        """Yield batches that together have its rows; normally itself alone.

        Each is stored as a batch of its own, and only one of them is in memory. The first has the
        name of the whole, each other one a name that follows from it.
        """
        if self._parts is None:
            yield self
            return
        for number, tables in enumerate(self._parts()):
            part = Batch(_part_name(self.name, number), tables)
            del tables
            if part.tables:
                yield part
            part.tables = {}  # before the next is made, also where somebody still has this one
            part._tables = {}


def _part_name(name: str, number: int) -> str:
    if not number:
        return name
    from _blake2 import blake2b  # noqa: PLC0415 - hashlib would load OpenSSL, and few are large

    return str(blake2b(f"{name} {number}".encode(), digest_size=16).hexdigest())


class Lost(NamedTuple):
    """What a destination refused for ever: `reason` names it; 0 records where nobody counted."""

    reason: str
    records: int
    size_bytes: int


class Receipt(Struct, frozen=True):
    """What became of one batch.

    Attributes:
        files, size_bytes: written by this store; files that were there already are not counted.
        safe: the rows outlive this environment; else the caller keeps the batch until the next
            `commit` or `describe` has returned.
        undelivered: names of destinations that failed or were skipped; the caller keeps the batch
            and sends it to them later.
        lost: what was refused for ever, since the last receipt.
        report_refused: the batch held a report of losses, and no destination has taken it.
        batch: its name.
        damaged_bytes: bytes of its segment that were no frames any more.
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
    """What a destination is given of a batch."""

    TABLES = "rows by table"
    SOURCE = "deliveries and OTLP requests as they came"


class Destination(Protocol):
    """One place for batches; `store` is called on one thread and `commit` on another."""

    @property
    def needs(self) -> frozenset[Need]:
        """What `store` reads of a batch; the caller makes nothing else."""

    def store(self, batch: Batch, *, commit_follows: bool = False) -> Receipt:
        """Make a batch durable; calling it again with the same batch changes nothing.

        Args:
            batch: its rows.
            commit_follows: the caller commits at once, and keeps the batch until then: what only
                serves a later commit can be left out.

        Raises:
            DestinationError: it is not durable.
        """

    def commit(self, deadline_ms: int) -> int:
        """Make visible what is stored; return how many files became so.

        Args:
            deadline_ms: Unix ms; what is not visible by then is left for a later commit.

        Raises:
            BusyError: other writers were faster.
            DestinationError: nothing became visible; what is stored stays stored.
        """

    def describe(self) -> None:
        """Make safe what `store` left to a commit that did not come about.

        Raises:
            DestinationError: it is not safe yet.
        """

    def warm_up(self) -> None:
        """Import and open what the next commit needs, if anything waits for one."""

    def close(self) -> None:
        """Give connections back."""
