"""Files of which the ledger cannot tell whether they were committed: the table itself is asked.

A file is in doubt when it was stored before the last commit the ledger has forgotten: somebody
was frozen or dead for long, or a descriptor came back. If the table refers to it, it was
committed. If not it is new, in a table that was only ever appended to; in one that somebody
rewrote its rows may be there under another name, and then they come twice: better than not at all.
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
        storage: reaches the manifests.
        metadata: of the table.
        listing: the manifest list of the current snapshot; None when there is none.
        uncertain: n > 0 files.
        deadline_ms: Unix ms.

    Raises:
        CommitError: that cannot be found out.
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
