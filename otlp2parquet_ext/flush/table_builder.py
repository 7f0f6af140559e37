"""What a batch is made of → its tables.

    Contents --logs--> every event and OTLP log record     --+
             --traces--> OTLP spans, and spans derived      +--> one table of each name
             --metrics--> OTLP points, and metrics derived --+

What lasts from batch to batch is here: the invocations of the environment, and what of them has
not ended. Making tables changes only the first, where hearing of a thing twice is no news; the
second moves on when the batch is stored. The batch stored last can be made again as it was: a
thread that was given up may end its work while the next one begins with it.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.records.mapping.exclude import EVERYTHING, exclusion
from otlp2parquet_ext.records.mapping.invocations import Invocations
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
"""Of a part of a batch: a batch has 10 000 rows by default, and one at a time is in memory."""


class BatchChange(NamedTuple):
    """What storing a batch changes: its name, and what is known before and after it."""

    batch: str
    before: OpenActivities
    after: OpenActivities


class TableBuilder:
    """Makes tables, one batch at a time.

    Args:
        settings: which signals are wanted of Lambda's telemetry, and which events.
    """

    def __init__(self, settings: Settings) -> None:
        self._signals = settings.signals
        self._exclude, problems = exclusion(settings.exclude)
        self._near_us = settings.record_time_ms * 1_000
        if LOGS not in self._signals:
            self._exclude = EVERYTHING
        for problem in problems:
            log("warning", problem)
        self._invocations = Invocations()
        self._known = OpenActivities()
        self._last: BatchChange | None = None
        self._pinned: dict[str, OpenActivities] = {}

    def make(self, contents: Contents) -> tuple[dict[str, pa.Table], BatchChange]:
        """Return the tables of what came from Lambda, and what `advance` is given.

        Only tables with rows. The same contents give the same tables, until another batch is
        stored; after that, too, while it is pinned.
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
            contents: what they are made of.
            mapped: what `make` has made of it, if it has.
            changed: told what `advance` is given, and what `make` would have made unless that
                was too much for one part.
            limits: of a part.
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
        """Yield the tables of what came from Lambda as `parts` does; those of few are one part."""
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
        """Yield tables of log rows, not empty, and whether they are the last."""
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
        """Move on to what is known after a stored batch, unless that was done already."""
        if self._known is change.before:
            self._last, self._known = change, change.after

    def pin(self, change: BatchChange) -> None:
        """Keep what was known before a batch: it will be made again for a destination."""
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
        # Who sends no OTLP does not import what reads it.
        from otlp2parquet_ext.records.otlp.messages import Signal  # noqa: PLC0415
        from otlp2parquet_ext.records.otlp.tables import otlp_parts  # noqa: PLC0415

        invocations = self._invocations
        environment = resource(contents.context, invocations.function_arn, invocations.log_stream)
        requests = {Signal(signal): payloads for signal, payloads in contents.requests.items()}
        yield from otlp_parts(requests, environment, invocations, limits)

    def make_text(self, contents: Contents, *, requests: bool = True) -> dict[str, pa.Table]:
        """Return each body as one row of text, OTLP in base64: mapping them breaks our own code."""
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
