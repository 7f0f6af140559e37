"""The successful responses of a REST catalog. Pure.

Source: Apache Iceberg REST catalog, OpenAPI specification, "CatalogConfig", "LoadTableResult".
"""

from __future__ import annotations

from typing import Any

import msgspec

from otlp2parquet_ext.lake.iceberg.commit.catalog import Version


class Config(msgspec.Struct, frozen=True):
    """The response to `config_request`: defaults for the client's properties, and overrides."""

    defaults: dict[str, Any] = {}
    overrides: dict[str, Any] = {}

    def get(self, name: str, own: str = "") -> str:
        """Return a property: the override, else the client's `own`, else the default, else ""."""
        return str(self.overrides.get(name) or own or self.defaults.get(name) or "")

    def storage(self) -> dict[str, str]:
        """Return the properties about file access."""
        return _about_files({**self.defaults, **self.overrides})


FILES = ("s3.", "client.")


class StorageCredential(msgspec.Struct, frozen=True):
    """Credentials for addresses that begin with `prefix`."""

    prefix: str
    config: dict[str, Any]


class Loaded(msgspec.Struct, frozen=True, rename="kebab"):
    """The response to `load_request`, `create_request`, `commit_request`.

    Attributes:
        metadata: the table's metadata.
        metadata_location: address of the metadata.
        config: properties for clients of this table.
        storage_credentials: credentials for its files, with precedence over `config`.
    """

    metadata: dict[str, Any]
    metadata_location: str | None = None
    config: dict[str, Any] | None = None
    storage_credentials: list[StorageCredential] | None = None

    @property
    def version(self) -> Version:
        """The table at the time of the response."""
        return Version(self.metadata_location or "", self.metadata)

    def storage(self) -> dict[str, str]:
        """Return the properties for file access, with the credentials of the longest prefix."""
        location = str(self.metadata.get("location", ""))
        fitting = [c for c in self.storage_credentials or () if location.startswith(c.prefix)]
        best = max(fitting, key=lambda credential: len(credential.prefix), default=None)
        return _about_files({**(self.config or {}), **(best.config if best else {})})


decode_config = msgspec.json.Decoder(Config).decode
decode_loaded = msgspec.json.Decoder(Loaded).decode


def _about_files(properties: dict[str, Any]) -> dict[str, str]:
    """Return the properties about storage as text; some catalogs send booleans and numbers."""
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in properties.items()
        if name.startswith(FILES)
    }
