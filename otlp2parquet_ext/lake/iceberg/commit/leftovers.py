"""Delete files without a reference, and log once if deleting is not allowed.

A file that stays does no harm, so the commit succeeds, and the sweep deletes the file later. But a
role without the permission leaves one file behind with each commit; the log line makes that known.
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
    """Deletes the unreferenced files of commits in one storage.

    Args:
        storage: storage for all addresses in the table's metadata.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._logged = False

    def delete(self, addresses: Iterable[str]) -> None:
        """Delete objects, except in a table bucket, where S3 itself deletes them."""
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
            log("warning", f"old metadata files of the table stay, perhaps more than this: {error}")
