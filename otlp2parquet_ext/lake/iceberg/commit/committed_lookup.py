"""Look up in the table itself whether files are committed, if the ledger cannot tell.

The ledger cannot tell for a file that was stored before the last commit it has forgotten: an
environment was frozen or dead for long, or a descriptor was moved back. If the table refers to the
file, it is committed. Otherwise it counts as new. If another program has rewritten the table, the
rows may already be there in a file of another name. They are then in the table twice, which is
better than a loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.iceberg.format.avro import AvroError
from otlp2parquet_ext.lake.iceberg.format.contents import lines, live, may_have, original
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.storage.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.lake.iceberg.format.avro_file import AvroFile
    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata
    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile
    from otlp2parquet_ext.lake.storage.storage import Storage


def committed(
    storage: Storage,
    metadata: Metadata,
    listing: AvroFile | None,
    uncertain: Sequence[DataFile],
    deadline_ms: int,
) -> set[str]:
    """Return the names of those files that the table refers to.

    Args:
        storage: storage of the manifests.
        metadata: the table's metadata.
        listing: the manifest list of the current snapshot; None without a snapshot.
        uncertain: n > 0 files.
        deadline_ms: Unix ms.

    Raises:
        CommitError: the manifests cannot be read.
    """
    if listing is None:
        return set()
    by_path = {original(file.path): file.name for file in uncertain}
    days = {file.day for file in uncertain}
    try:
        some = [line for line in lines(listing) if may_have(line, metadata, days)]
        found = live(storage, some, by_path, deadline_ms, threads=1, named=original)
        return {by_path[original(path)] for path in found}
    except (AvroError, StorageError, TimeoutError) as error:
        raise CommitError(
            f"whether {len(uncertain)} files were committed long ago cannot be found out: "
            f"{quote(error)}"
        ) from error
