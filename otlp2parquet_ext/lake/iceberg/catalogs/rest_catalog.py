"""A table in a REST catalog for the lean append, mostly from memory.

    load:   the result of our last commit, if no other writer is active; else a request
    commit: sends the change; the response holds the new table

The remembered table may be out of date, because a commit asserts the current snapshot of `main`.
But a commit could expire a snapshot that another program has tagged in the meantime, so the memory
is used for `FRESH_MS` only. While other writers are active, a request costs less than a lost
commit. So if another writer has changed the table within `FRESH_MS`, each commit loads it first.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.lake.iceberg.catalogs.rest_answers import Loaded
    from otlp2parquet_ext.lake.iceberg.catalogs.rest_client import RestClient
    from otlp2parquet_ext.lake.iceberg.commit.catalog import Version
    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata, TableChange

FRESH_MS = 60_000


class RestCatalog:
    """See `Catalog`.

    Args:
        client: sends the requests to the catalog.
    """

    def __init__(self, client: RestClient) -> None:
        self._client = client
        self._latest: Version | None = None
        self._latest_ms = 0
        self._alone = True
        self._storage: Mapping[str, str] | None = None

    def load(self, deadline_ms: int, *, fresh: bool = False) -> Version | None:
        """See `Catalog.load`; without a request if the result of our last commit is enough."""
        age_ms = _now_ms() - self._latest_ms
        if not fresh and self._latest is not None and self._alone and 0 <= age_ms < FRESH_MS:
            return self._latest
        return self._ask(deadline_ms)

    def create(self, metadata: Metadata, deadline_ms: int) -> None:
        """See `Catalog.create`; the catalog may choose another location."""
        made = self._client.create(metadata, deadline_ms)
        if made is not None:
            self._know(made)

    def commit(self, base: Version, change: TableChange, deadline_ms: int) -> bool:
        """See `Catalog.commit`."""
        self._latest = None
        committed = self._client.commit(base.metadata, change, deadline_ms)
        self._alone = self._alone and committed.landed
        if committed.table is not None:
            self._remember(committed.table)
        return committed.landed

    def try_commit(self, base: Version, deadline_ms: int) -> bool:
        """See `catalog.Trying`."""
        self._client.try_commit(base.metadata, deadline_ms)
        return True

    def storage_config(self, deadline_ms: int, *, again: bool = False) -> Mapping[str, str]:
        """Return the catalog's properties for access to the table's files: `s3.…`, `client.…`.

        Args:
            deadline_ms: Unix ms.
            again: ask the catalog even if a result is remembered, because credentials expire.

        Raises:
            CommitError: the catalog refused or could not be reached.
        """
        if again or self._storage is None:
            self._ask(deadline_ms)
        return self._client.config(deadline_ms).storage() | dict(self._storage or {})

    def _ask(self, deadline_ms: int) -> Version | None:
        """Load the table, and note whether other writers are active."""
        left, self._latest = self._latest, None
        found = self._client.load(deadline_ms)
        if found is None:
            return None
        changed_ms = found.metadata.get("last-updated-ms", 0)
        as_left = left is not None and _mark(left) == _mark(found.version)
        self._alone = as_left or _now_ms() - changed_ms >= FRESH_MS
        self._know(found)
        return self._latest

    def _know(self, table: Loaded) -> None:
        self._remember(table)
        self._storage = table.storage()

    def _remember(self, table: Loaded) -> None:
        self._latest, self._latest_ms = table.version, _now_ms()


def _mark(version: Version) -> tuple[object, ...]:
    """Return a value that differs after each change of the table."""
    return version.location, version.metadata.get("last-updated-ms")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
