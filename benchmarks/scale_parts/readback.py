"""Reads the table at the end, with engines that did not write it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pyiceberg.catalog import load_catalog

from otlp2parquet_ext.tools import query

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from scale_parts.plan import Home


class Entry(NamedTuple):
    """A data file of the table, and the snapshot that added it."""

    path: str
    snapshot_id: int


def rows(home: Home) -> Counter[str]:
    """Count the rows of each text, with DuckDB."""
    connection = query.connect(home.near_url, environ=home.near_variables)
    found = connection.execute("SELECT Body, count(*) FROM logs GROUP BY 1").fetchall()
    return Counter(dict(found))


def table(home: Home) -> Table:
    """Open the table with PyIceberg."""
    kind, _, url = home.near_url.partition(":")
    if kind == "sqlite":
        options = {"type": "sql", "uri": f"sqlite:///{home.folder}/catalog.db"}
    else:
        options = {
            "type": "rest",
            "uri": f"{kind.removeprefix('rest+')}:{url}",
            "s3.endpoint": home.near["AWS_ENDPOINT_URL_S3"],
            "s3.access-key-id": home.near["AWS_ACCESS_KEY_ID"],
            "s3.secret-access-key": home.near["AWS_SECRET_ACCESS_KEY"],
            "s3.region": home.near["AWS_REGION"],
        }
    return load_catalog("otlp2parquet_ext", **options).load_table(("otel", "logs"))


def entries(home: Home) -> list[Entry]:
    """Return the files of the current snapshot from its manifests."""
    opened = table(home)
    snapshot = opened.current_snapshot()
    assert snapshot is not None
    return [
        Entry(entry.data_file.file_path, entry.snapshot_id)
        for manifest in snapshot.manifests(opened.io)
        for entry in manifest.fetch_manifest_entry(opened.io)
    ]
