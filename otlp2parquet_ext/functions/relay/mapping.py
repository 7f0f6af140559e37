"""Map segments of many environments, with the environments' states, to tables.

The same segments and states give the same tables. Rows are sorted by service, environment and time:
neighbouring rows are similar, so a file compresses well and has narrow bounds.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.flush.losses import Losses
from otlp2parquet_ext.flush.segment_contents import Contents, read_contents
from otlp2parquet_ext.flush.table_builder import TableBuilder, united
from otlp2parquet_ext.functions.relay.states import REMEMBERED, EnvironmentState
from otlp2parquet_ext.records.telemetry.values import Delivery
from otlp2parquet_ext.spool.raw_segments import RawSegmentError, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from otlp2parquet_ext.functions.relay.states import States
    from otlp2parquet_ext.spool.raw_segments import RowSettings

    Tables = dict[str, pa.Table]

DAMAGED = "the spool was damaged"


class ReadSegment(NamedTuple):
    """A segment, read.

    Attributes:
        segment: its file name.
        settings: settings of its environment.
        contents: its content.
    """

    segment: str
    settings: RowSettings
    contents: Contents

    @property
    def order(self) -> tuple[str, str, int]:
        """The sort key of its rows among those of other segments."""
        context = self.contents.context
        first_us, instance, _ = self.contents.label
        return context.service_name or context.function_name, instance, first_us


class Mapped(NamedTuple):
    """Rows by table, the states after them, and the environments that have ended."""

    tables: Tables
    states: States
    ended: frozenset[str]


def read(segment: str, data: bytes) -> ReadSegment:
    """Parse a raw segment.

    Raises:
        RawSegmentError: the bytes are no raw segment, or were changed.
    """
    settings, raw = unpack(data)
    contents = read_contents(raw)
    first_us, instance, batch = contents.label
    if segment != f"{first_us:017}-{instance}-{batch}.o2p1":
        raise RawSegmentError("the raw segment holds another batch than its name says")
    return ReadSegment(segment, settings, contents)


def map_segments(segments: Iterable[ReadSegment], known: States, *, as_text: bool) -> Mapped:
    """Map segments to tables.

    Args:
        segments: segments of any environments; sorting by `order` puts those of each environment
            in the order of time.
        known: states of environments.
        as_text: make one row of text of each body, because mapping them has killed processes.
    """
    made: dict[str, list[pa.Table]] = defaultdict(list)
    after: States = {}
    ended, losses = set[str](), Losses()
    for one in sorted(segments, key=lambda one: one.order):
        first_us, instance, _ = one.contents.label
        state = after.get(instance) or known.get(instance)
        builder = _builder(one, state)
        for name, table in _tables(one, builder, as_text=as_text).items():
            made[name].append(table)
        last_us = max(first_us, state.last_us if state else 0)
        after[instance] = EnvironmentState(last_us, builder.state(REMEMBERED))
        if one.contents.ending is not None:
            ended.add(instance)
        if one.contents.damaged_bytes:
            losses.add(DAMAGED, 0, one.contents.damaged_bytes)
    if losses:
        for name, table in loss_tables(losses, max(s.last_us for s in after.values())).items():
            made[name].append(table)
    tables = {name: united(parts) for name, parts in made.items()}
    return Mapped(tables, after, frozenset(ended))


def loss_tables(losses: Losses, time_us: int) -> Tables:
    """Return the rows that report losses.

    Args:
        losses: losses by reason.
        time_us: time of the rows, Unix microseconds.
    """
    moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=time_us)
    text = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    body = Delivery(losses.report(text), time_us)
    return TableBuilder(load({})[0]).make(Contents(deliveries=[body]))[0]


def _builder(one: ReadSegment, state: EnvironmentState | None) -> TableBuilder:
    settings, _ = load(
        {
            "OTLP2PARQUET_SIGNALS": ",".join(one.settings.signals),
            "OTLP2PARQUET_EXCLUDE": one.settings.exclude,
            "OTLP2PARQUET_RECORD_TIME_MS": str(one.settings.record_time_ms),
        }
    )
    managed = one.contents.context.managed
    return TableBuilder(settings, state.state if state else None, managed=managed)


def _tables(one: ReadSegment, builder: TableBuilder, *, as_text: bool) -> Tables:
    if as_text:
        return builder.make_text(one.contents)
    try:
        mapped, change = builder.make(one.contents)
        tables = builder.with_requests(one.contents, mapped)
    except Exception as error:  # noqa: BLE001 - one segment must not block the others
        log("error", f"{one.segment} is kept as text: {type(error).__name__}: {quote(error)}")
        return builder.make_text(one.contents)
    builder.advance(change)
    return tables
