"""A table in a REST catalog, as the lean append needs it: mostly from memory.

    load:   what our last commit returned, while nobody else writes; asked for else
    commit: the change; what comes back is the table as it is then

What is remembered need not be current: a commit asserts that `main` is where it was. But a
catalog drops a tag that somebody has since put on a snapshot the commit expires, so memory is
trusted for `FRESH_MS` only. And while others write, too, asking is cheaper than losing to them:
a table that somebody else has changed within that time is asked for before every commit.
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
        client: speaks to the catalog.
    """

    def __init__(self, client: RestClient) -> None:
        self._client = client
        self._latest: Version | None = None
        self._latest_ms = 0
        self._alone = True
        self._storage: Mapping[str, str] | None = None

    def load(self, deadline_ms: int, *, fresh: bool = False) -> Version | None:
        """See `Catalog.load`; free when our own last commit is good enough."""
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
        """Return what the catalog says about reaching the table's files: `s3.…`, `client.…`.

        Args:
            deadline_ms: Unix ms.
            again: ask, even if something is remembered: credentials end.

        Raises:
            CommitError: the catalog refused or could not be reached.
        """
        if again or self._storage is None:
            self._ask(deadline_ms)
        return self._client.config(deadline_ms).storage() | dict(self._storage or {})

    def _ask(self, deadline_ms: int) -> Version | None:
        """Ask for the table, and find out whether others are writing to it."""
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
    """Return what changes whenever a table does."""
    return version.location, version.metadata.get("last-updated-ms")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
