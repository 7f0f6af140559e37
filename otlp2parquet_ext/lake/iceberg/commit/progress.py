"""The progress of one commit over all its attempts: its files, and its unknown outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
    from otlp2parquet_ext.lake.iceberg.format.manifest import Manifest
    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile


class CommitProgress(msgspec.Struct):
    """One call of `commit`, over all its attempts.

    Attributes:
        files: the files to make visible.
        deadline: deadline of the call.
        snapshot_id: the same in all attempts, so that they can share a manifest.
        manifests: the stored manifests, by the names of their data files, the table (another writer
            may replace it), its schema and its partition spec.
        written: addresses of the metadata files that this commit has written.
        used: those of `written` that the catalog refers to, or may refer to.
        unknown_outcome: why the outcome of an attempt is unknown; "" if all outcomes are known.
        conflicts: number of attempts that other writers won.
    """

    files: Sequence[DataFile]
    deadline: SteadyDeadline
    snapshot_id: int = msgspec.field(default_factory=lambda: uuid4().int >> 65)
    manifests: dict[object, Manifest] = msgspec.field(default_factory=dict)
    written: set[str] = msgspec.field(default_factory=set)
    used: set[str] = msgspec.field(default_factory=set)
    unknown_outcome: str = ""
    conflicts: int = 0
