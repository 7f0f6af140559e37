"""The folder of a table's metadata files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata

METADATA_FOLDER = "write.metadata.path"


def metadata_folder(metadata: Metadata) -> str:
    """Return the address of the folder for a table's metadata."""
    default = metadata["location"].rstrip("/") + "/metadata"
    return str(metadata.get("properties", {}).get(METADATA_FOLDER, default)).rstrip("/")
