"""The conditions of a commit; they depend on the settings and on the committing process."""

from __future__ import annotations

import msgspec

from otlp2parquet_ext.lake.iceberg.commit.expiry import SNAPSHOTS_KEPT

MANY = 1_000_000


class Terms(msgspec.Struct, frozen=True):
    """The conditions of a commit.

    Attributes:
        most_conflicts: number of lost attempts after which a commit fails before its deadline.
        create: create the table if it does not exist.
        lower_case: a new table has column names in lower case.
        snapshots_kept: number of snapshots to keep; older ones expire with each commit.
        in_table_bucket: the table lies in a table bucket, where S3 itself deletes old files.
    """

    most_conflicts: int = MANY
    create: bool = True
    lower_case: bool = False
    snapshots_kept: int = SNAPSHOTS_KEPT
    in_table_bucket: bool = False


USUAL = Terms()
