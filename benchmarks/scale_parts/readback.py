"""What is in the table in the end, read by engines that did not write it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pyiceberg.catalog.sql import SqlCatalog

from otlp2parquet_ext import query

if TYPE_CHECKING:
    from pathlib import Path

    from pyiceberg.table import Table

    from scale_parts.plan import Home


class Entry(NamedTuple):
    """A data file of the table, and the snapshot that added it."""

    path: str
    snapshot_id: int


def rows(home: Home) -> Counter[str]:
    """Count each row's text, with DuckDB."""
    connection = query.connect(home.url)
    found = connection.execute("SELECT Body, count(*) FROM logs GROUP BY 1").fetchall()
    return Counter(dict(found))


def table(home: Home) -> Table:
    """Open the table with PyIceberg."""
    database: Path = home.folder / "catalog.db"
    return SqlCatalog("otlp2parquet_ext", uri=f"sqlite:///{database}").load_table(("otel", "logs"))


def entries(home: Home) -> list[Entry]:
    """Return the files of the current snapshot, as their manifests have them."""
    opened = table(home)
    snapshot = opened.current_snapshot()
    assert snapshot is not None
    return [
        Entry(entry.data_file.file_path, entry.snapshot_id)
        for manifest in snapshot.manifests(opened.io)
        for entry in manifest.fetch_manifest_entry(opened.io)
    ]


def file_of(home: Home, path: str) -> str:
    """Return where a data file can be read; of a lake on this disk, where it lies."""
    del home
    return path
