"""What a REST catalog answers when all is well. Pure.

Source: Apache Iceberg REST catalog, OpenAPI specification, "CatalogConfig", "LoadTableResult".
"""

from __future__ import annotations

from typing import Any

import msgspec

from otlp2parquet_ext.lake.iceberg.commit.catalog import Version


class Config(msgspec.Struct, frozen=True):
    """The answer to `config_request`: properties beneath, and above, those of the client."""

    defaults: dict[str, Any] = {}
    overrides: dict[str, Any] = {}

    def get(self, name: str, own: str = "") -> str:
        """Return a property, given the client's `own`; empty when nobody says anything."""
        return str(self.overrides.get(name) or own or self.defaults.get(name) or "")

    def storage(self) -> dict[str, str]:
        """Return what it says about files."""
        return _about_files({**self.defaults, **self.overrides})


FILES = ("s3.", "client.")


class StorageCredential(msgspec.Struct, frozen=True):
    """Credentials for addresses that begin with `prefix`."""

    prefix: str
    config: dict[str, Any]


class Loaded(msgspec.Struct, frozen=True, rename="kebab"):
    """The answer to `load_request`, `create_request`, `commit_request`.

    Attributes:
        metadata: the table's.
        metadata_location: where it lies.
        config: what a client of this table should use.
        storage_credentials: likewise, and before `config`.
    """

    metadata: dict[str, Any]
    metadata_location: str | None = None
    config: dict[str, Any] | None = None
    storage_credentials: list[StorageCredential] | None = None

    @property
    def version(self) -> Version:
        """The table as it was when the catalog answered."""
        return Version(self.metadata_location or "", self.metadata)

    def storage(self) -> dict[str, str]:
        """Return how to reach the table's files; of credentials those that fit its place best."""
        location = str(self.metadata.get("location", ""))
        fitting = [c for c in self.storage_credentials or () if location.startswith(c.prefix)]
        best = max(fitting, key=lambda credential: len(credential.prefix), default=None)
        return _about_files({**(self.config or {}), **(best.config if best else {})})


decode_config = msgspec.json.Decoder(Config).decode
decode_loaded = msgspec.json.Decoder(Loaded).decode


def _about_files(properties: dict[str, Any]) -> dict[str, str]:
    """Return the properties that matter to storage; some catalogs send booleans and numbers."""
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in properties.items()
        if name.startswith(FILES)
    }
