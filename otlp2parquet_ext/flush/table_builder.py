"""Makes the tables of a batch from its contents.

    Contents --logs--> every event and OTLP log record     --+
             --traces--> OTLP spans, and spans derived      +--> one table of each name
             --metrics--> OTLP points, and metrics derived --+

The builder keeps state from batch to batch: the environment's invocations, and the activities that
have not ended. Making tables changes only the invocations, and adding the same facts twice has no
effect. The open activities change when the batch is stored. The last stored batch can be made again
with the same result, because an abandoned thread may end while the next one works on the same
batch.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace

from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.records.mapping.exclude import EVERYTHING, exclusion
from otlp2parquet_ext.records.mapping.invocations import Invocations, InvocationsState
from otlp2parquet_ext.records.mapping.logs import log_parts, text_table
from otlp2parquet_ext.records.mapping.open_activities import OpenActivities
from otlp2parquet_ext.records.mapping.resource import resource
from otlp2parquet_ext.records.mapping.rows import UNLIMITED, RowLimits
from otlp2parquet_ext.records.telemetry.values import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from otlp2parquet_ext.common.settings.settings import Settings
    from otlp2parquet_ext.flush.segment_contents import Contents


LOGS = "logs"

LIMITS = RowLimits(rows=32_768, size_bytes=8_388_608)
"""Limits of one part of a batch. A batch has 10 000 rows by default, and memory holds one part at a
time."""


class BatchChange(NamedTuple):
    """The state change of a stored batch: its name, and the state before and after it."""

    batch: str
    before: OpenActivities
    after: OpenActivities


class BuilderState(msgspec.Struct, frozen=True):
    """The state of a `TableBuilder` after a batch of an environment, as a value to store."""

    invocations: InvocationsState = InvocationsState()
    known: OpenActivities = OpenActivities()


class TableBuilder:
    """Makes tables, one batch at a time.

    Args:
        settings: name the signals and events of Lambda's telemetry that become rows.
        state: state of the same environment after its earlier batches; None for none.
        managed: see `EnvironmentContext`; only used with a state.
    """

    def __init__(
        self, settings: Settings, state: BuilderState | None = None, *, managed: bool = False
    ) -> None:
        self._signals = settings.signals
        self._exclude, problems = exclusion(settings.exclude)
        self._near_us = settings.record_time_ms * 1_000
        if LOGS not in self._signals:
            self._exclude = EVERYTHING
        for problem in problems:
            log("warning", problem)
        state = state or BuilderState()
        self._invocations = Invocations.resumed(state.invocations, managed=managed)
        self._known = state.known
        self._last: BatchChange | None = None
        self._pinned: dict[str, OpenActivities] = {}

    def make(self, contents: Contents) -> tuple[dict[str, pa.Table], BatchChange]:
        """Return the tables of Lambda's telemetry, and the change for `advance`.

        Tables without rows are left out. The same contents give the same tables until another batch
        is stored; if the batch is pinned, also after that.
        """
        logs = [table for table, _ in self._mapped(contents, UNLIMITED)]
        made: dict[str, list[pa.Table]] = {LOGS: logs} if logs else {}
        derived, change = self._derived(contents)
        _add(made, derived)
        return {name: united(parts) for name, parts in made.items()}, change

    def with_requests(self, contents: Contents, mapped: dict[str, pa.Table]) -> dict[str, pa.Table]:
        """Return tables by name, with the rows of OTLP requests behind the mapped ones."""
        if not contents.requests:
            return mapped
        made = {name: [table] for name, table in mapped.items()}
        for tables, _ in self._requested(contents, UNLIMITED):
            _add(made, tables)
        return {name: united(parts) for name, parts in made.items()}

    def parts(
        self,
        contents: Contents,
        mapped: dict[str, pa.Table] | None,
        changed: Callable[[BatchChange, dict[str, pa.Table] | None], None],
        limits: RowLimits = LIMITS,
    ) -> Iterator[tuple[dict[str, pa.Table], bool]]:
        """Yield all tables, those of a large batch part by part, and whether they are the last.

        Args:
            contents: the contents of the batch.
            mapped: the result of `make`, if it was called.
            changed: called with the change for `advance`, and with the tables of `make` if they are
                one part.
            limits: limits of a part.
        """
        made: dict[str, pa.Table] = dict(mapped or {})
        if mapped is None:
            for tables, last in self.mapped_parts(contents, changed, limits):
                if last:
                    made = tables
                else:
                    yield tables, False
                del tables  # before the next are made
        for tables, last in self._requested(contents, limits):
            if not last and made:
                yield made, False
                made = {}
            made = _with(made, tables)
            del tables
            yield made, last
            made = {}

    def mapped_parts(
        self,
        contents: Contents,
        changed: Callable[[BatchChange, dict[str, pa.Table] | None], None],
        limits: RowLimits = LIMITS,
    ) -> Iterator[tuple[dict[str, pa.Table], bool]]:
        """Yield the tables of Lambda's telemetry as `parts` does; a small batch is one part."""
        made: dict[str, pa.Table] = {}
        large = False
        for table, last in self._mapped(contents, limits):
            if last:
                made[LOGS] = table
            else:
                large = True
                yield {LOGS: table}, False
            del table  # before the next is made
        derived, change = self._derived(contents)
        made = _with(made, derived)
        changed(change, None if large else made)
        del derived
        yield made, True

    def _mapped(self, contents: Contents, limits: RowLimits) -> Iterator[tuple[pa.Table, bool]]:
        """Yield non-empty tables of log rows, and whether each is the last."""
        for invoke in contents.invokes:
            self._invocations.invoked(invoke)
        where = (contents.context, self._invocations, self._exclude)
        for table, _, last in log_parts(contents.deliveries, *where, limits, near_us=self._near_us):
            if table.num_rows:
                yield table, last

    def _derived(self, contents: Contents) -> tuple[dict[str, pa.Table], BatchChange]:
        known = self._pinned.get(contents.name, self._known)
        if self._last is not None and self._last.batch == contents.name:
            known = self._last.before
        derived, after = self._derive(contents, known)
        return derived, BatchChange(contents.name, known, after)

    def advance(self, change: BatchChange) -> None:
        """Set the state to that after a stored batch, unless this was done already."""
        if self._known is change.before:
            self._last, self._known = change, change.after

    def state(self, most: int) -> BuilderState:
        """Return the state after the last batch, with the `most` latest ended activities."""
        past = dict(list(self._known.past.items())[-most:])
        return BuilderState(self._invocations.state(most), replace(self._known, past=past))

    def pin(self, change: BatchChange) -> None:
        """Keep the state before a batch, because it will be made again for a destination."""
        if change.before is not change.after:
            self._pinned[change.batch] = change.before

    def unpin(self, batch: str) -> None:
        """Note that a batch will not be made again."""
        self._pinned.pop(batch, None)

    def _derive(
        self, contents: Contents, known: OpenActivities
    ) -> tuple[dict[str, pa.Table], OpenActivities]:
        if self._signals == {LOGS}:
            return {}, known
        from otlp2parquet_ext.records.mapping.derived import closing, derive  # noqa: PLC0415 - seldom

        where = (contents.context, self._invocations)
        tables, known = derive(contents.deliveries, *where, known, self._signals)
        if contents.ending is None:
            return tables, known
        ending = contents.ending
        closed, known = closing(known, ending.reason, ending.time_us, *where, self._signals)
        made = {name: [table] for name, table in tables.items()}
        _add(made, closed)
        return {name: united(parts) for name, parts in made.items()}, known

    def _requested(
        self, contents: Contents, limits: RowLimits
    ) -> Iterator[tuple[dict[str, pa.Table], bool]]:
        if not contents.requests:
            yield {}, True
            return
        # Imported only if there are OTLP requests.
        from otlp2parquet_ext.records.otlp.messages import Signal  # noqa: PLC0415
        from otlp2parquet_ext.records.otlp.tables import otlp_parts  # noqa: PLC0415

        invocations = self._invocations
        environment = resource(contents.context, invocations.function_arn, invocations.log_stream)
        requests = {Signal(signal): payloads for signal, payloads in contents.requests.items()}
        yield from otlp_parts(requests, environment, invocations, limits)

    def make_text(self, contents: Contents, *, requests: bool = True) -> dict[str, pa.Table]:
        """Return each body as one row of text, OTLP in base64, because its mapping failed."""
        bodies = list(contents.deliveries)
        for signal, payloads in contents.requests.items() if requests else ():
            for payload, received_us in payloads:
                text = f"OTLP {signal} {base64.b64encode(payload).decode()}"
                bodies.append(Delivery(text.encode(), received_us))
        logs = text_table(bodies, contents.context, self._invocations).table
        return {LOGS: logs} if logs.num_rows else {}


def _with(made: dict[str, pa.Table], more: dict[str, pa.Table]) -> dict[str, pa.Table]:
    return made | {
        name: united([made[name], table]) if name in made else table for name, table in more.items()
    }


def _add(made: dict[str, list[pa.Table]], tables: dict[str, pa.Table]) -> None:
    for name, table in tables.items():
        made.setdefault(name, []).append(table)


def united(tables: list[pa.Table]) -> pa.Table:
    """Return the rows of tables of one schema, one after the other."""
    if len(tables) == 1:
        return tables[0]
    import pyarrow as pa  # noqa: PLC0415 - they are made of it: it is there

    return pa.concat_tables(tables)
