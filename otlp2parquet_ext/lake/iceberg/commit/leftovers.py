"""Files nothing refers to any more: deleted, and told of once where that is not allowed.

A file that stays harms nobody, so no commit fails for it; the sweep removes it. But a role that may
never delete leaves one behind with each commit, and nobody would know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.lake.iceberg.commit.expiry import TABLE_BUCKET
from otlp2parquet_ext.lake.storage.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otlp2parquet_ext.lake.storage.storage import Storage


class ExpiredFiles:
    """What commits leave behind in one storage.

    Args:
        storage: reaches every address the table may name.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._logged = False

    def delete(self, addresses: Iterable[str]) -> None:
        """Remove objects, but none of a table bucket, where S3 itself does that."""
        for address in addresses:
            if TABLE_BUCKET in address:
                continue
            try:
                self._storage.delete(self._storage.path(address))
            except StorageError as error:
                self._tell(error)

    def _tell(self, error: StorageError) -> None:
        if not self._logged:
            self._logged = True
            log("warning", f"old metadata of the table stays, this and maybe more: {error}")
