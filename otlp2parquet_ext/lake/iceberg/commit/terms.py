"""On what terms a table is committed to: by the settings, and by the process that commits."""

from __future__ import annotations

import msgspec

from otlp2parquet_ext.lake.iceberg.commit.expiry import SNAPSHOTS_KEPT

MANY = 1_000_000


class Terms(msgspec.Struct, frozen=True):
    """See the module.

    Attributes:
        most_conflicts: lost attempts after which a commit gives up before its deadline.
        create: create a table that does not exist.
        lower_case: of the columns of a table that is created.
        snapshots_kept: older ones expire with each commit.
        in_table_bucket: the table lies in one, which holds nothing else and cleans up itself.
    """

    most_conflicts: int = MANY
    create: bool = True
    lower_case: bool = False
    snapshots_kept: int = SNAPSHOTS_KEPT
    in_table_bucket: bool = False


USUAL = Terms()
