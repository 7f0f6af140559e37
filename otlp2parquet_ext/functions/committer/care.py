"""Maintain a table while time is left: merge manifests, delete unneeded files, sweep.

Each part is bounded and independent, and the table stays valid if it is killed. If a part fails,
its error is logged and the other parts still run; the next run tries again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.functions.committer.sweeping import Options, Swept, sweep
from otlp2parquet_ext.lake.iceberg.commit.append import LeanTable
from otlp2parquet_ext.lake.iceberg.format.avro import AvroError
from otlp2parquet_ext.lake.iceberg.format.metadata_errors import understood
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.iceberg.upkeep.cleaning import GRACE_MS, Cleaned, clean
from otlp2parquet_ext.lake.iceberg.upkeep.merging import Merging, merge_manifests
from otlp2parquet_ext.lake.storage.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from otlp2parquet_ext.functions.committer.opening import TableLocation
    from otlp2parquet_ext.lake.iceberg.commit.handle import Handle

    T = TypeVar("T")

PROBLEM_CHARACTERS = 1_000
LEAST_MS = 5_000
"""Least time before the deadline for a part to begin."""


class Cared(msgspec.Struct):
    """The result of maintenance; None for a part that did not begin, or failed.

    Attributes:
        merging, cleaned, swept: result of each part.
        problems: one line for each failed part.
    """

    merging: Merging | None = None
    cleaned: Cleaned | None = None
    swept: Swept | None = None
    problems: list[str] = msgspec.field(default_factory=list)


def care(
    place: TableLocation,
    deadline_ms: int,
    *,
    sweeping: Options | None = None,
    grace_ms: int = GRACE_MS,
    dry_run: bool = False,
) -> Cared:
    """Maintain a table.

    Args:
        place: the table and its inbox.
        deadline_ms: Unix ms.
        sweeping: options of the sweep; None for no sweep.
        grace_ms: time for readers of an expired snapshot to finish.
        dry_run: report only, and change nothing.
    """
    cared, deadline = Cared(), SteadyDeadline(deadline_ms)
    table = place.open_table()
    if not isinstance(table, LeanTable):
        cared.problems.append("this catalog's tables are taken care of by its own tools")
        return cared
    handle = msgspec.structs.replace(table.handle, threads=place.threads)

    def attempt(what: str, work: Callable[[Handle], T]) -> T | None:
        if deadline.left_ms() < LEAST_MS:
            return None
        try:
            with understood(place.label or place.table):
                return work(handle)
        except (AvroError, CommitError, StorageError, TimeoutError) as error:
            cared.problems.append(f"{what} ended early: {quote(error, PROBLEM_CHARACTERS)}")
            return None

    cared.merging = attempt(
        "merging manifests", lambda h: merge_manifests(h, deadline.unix_ms(), dry_run=dry_run)
    )
    cared.cleaned = attempt(
        "cleaning",
        lambda h: clean(h, deadline.unix_ms(), grace_ms=grace_ms, dry_run=dry_run),
    )
    if sweeping is not None:
        cared.swept = attempt("the sweep", lambda h: sweep(place, h, deadline.unix_ms(), sweeping))
    return cared
