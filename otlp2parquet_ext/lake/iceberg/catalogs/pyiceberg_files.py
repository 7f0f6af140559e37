"""The files of a PyIceberg catalog: one request to write a file, one request to read it.

    address + properties --> a storage of ours, or PyIceberg's own if ours does not support it

The last written or read metadata file is cached: PyIceberg reads a new metadata file twice before
it writes the next one, and such files never change.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyiceberg.io import load_file_io

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.http.client import new_client
from otlp2parquet_ext.lake.http.limits import memory_limit_bytes
from otlp2parquet_ext.lake.iceberg.catalogs import pyiceberg_s3
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_foreign import ForeignStorage
from otlp2parquet_ext.lake.storage import s3_address
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.lake.storage.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from otlp2parquet_ext.lake.http.client import Client
    from otlp2parquet_ext.lake.storage.buffers import BytesLike
    from otlp2parquet_ext.lake.storage.storage import ObjectEntry, ObjectPart, Put, Storage

IO_IMPL = "py-io-impl"
FILES = "otlp2parquet_ext.files"
"""The property that holds the `Files` object, as PyIceberg's own `auth.manager` holds one."""

METADATA = ".metadata.json"
REMEMBERED_BYTES = 4_194_304


VENDED = "the token of s3.session-token"


class Files:
    """The storages of files, chosen by address, and a cache of the last metadata file.

    It is itself a storage for all addresses in a table's metadata. It uses the properties and
    credentials of the table's last load.

    Args:
        environ: environment variables of the process: credentials, regions, endpoints.
        foreign_io: the user's own `py-io-impl`; used for all files.

    Attributes:
        written: the last address that PyIceberg wrote to.
        properties: properties of the last loaded table, credentials included.
    """

    def __init__(self, environ: Mapping[str, str], foreign_io: str | None = None) -> None:
        self._environ = environ
        self._foreign_io = foreign_io
        self._disk = LocalStorage(Path("/"))
        self._s3: tuple[Mapping[str, Any], Storage] | None = None
        self._metadata: tuple[str, bytes] | None = None
        self.written: str | None = None
        self.properties: Mapping[str, Any] = {}

    def storage(self, address: str, properties: Mapping[str, Any]) -> Storage:
        """Return the storage for an address.

        Args:
            address: address of a file.
            properties: properties of catalog and table, credentials included.
        """
        if self._foreign_io is None:
            if "://" not in address or address.startswith("file:"):
                return self._disk
            if address.startswith(s3_address.SCHEMES) and pyiceberg_s3.reachable(properties):
                return self._bucket(properties)
        try:
            return ForeignStorage(
                load_file_io(self._foreign(properties), address),
                memory_limit_bytes(self._environ),
            )
        except Exception as error:  # a missing library, or a `py-io-impl` that is no FileIO
            raise StorageError(
                f"{address} cannot be reached: neither by us nor by PyIceberg, which says: "
                f"{quote(error)}"
            ) from error

    def _bucket(self, properties: Mapping[str, Any]) -> Storage:
        """Return a storage for all of S3, the same object while the S3 properties are equal."""
        said = {k: v for k, v in properties.items() if k.startswith(("s3.", "client."))}
        if self._s3 is None or self._s3[0] != said:
            vended = str(properties.get("s3.session-token") or "") and VENDED
            self._client.warn_of_clear_text(str(said.get("s3.endpoint", "")), vended)
            storage = pyiceberg_s3.s3_storage(said, self._environ, self._client)
            self._s3 = (said, storage)
        return self._s3[1]

    @cached_property
    def _client(self) -> Client:
        return new_client(self._environ)

    def close(self) -> None:
        """Close all connections."""
        if "_client" in vars(self):
            self._client.close()

    def _foreign(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        others = {key: value for key, value in properties.items() if key not in (IO_IMPL, FILES)}
        return others if self._foreign_io is None else others | {IO_IMPL: self._foreign_io}

    def read(self, address: str, properties: Mapping[str, Any]) -> bytes:
        """Return a file's bytes; the last metadata file comes from the cache."""
        if self._metadata is not None and self._metadata[0] == address:
            return self._metadata[1]
        storage = self.storage(address, properties)
        data = storage.get(storage.path(address), decoded=True)
        self._remember(address, data)
        return data

    def write(self, address: str, data: bytes, properties: Mapping[str, Any]) -> Put:
        """Write a file."""
        storage = self.storage(address, properties)
        put = storage.put(storage.path(address), data)
        if put.new:
            self.written = address
            self._remember(address, data)
        return put

    def _remember(self, address: str, data: bytes) -> None:
        if address.endswith(METADATA) and len(data) <= REMEMBERED_BYTES:
            self._metadata = (address, data)

    def put(self, path: str, data: BytesLike) -> Put:
        """See `Storage.put`; a path is an address here."""
        storage = self.storage(path, self.properties)
        return storage.put(storage.path(path), data)

    def get(self, path: str, most_bytes: int | None = None, *, decoded: bool = False) -> bytes:
        """See `Storage.get`."""
        storage = self.storage(path, self.properties)
        return storage.get(storage.path(path), most_bytes, decoded=decoded)

    def delete(self, path: str) -> None:
        """See `Storage.delete`."""
        storage = self.storage(path, self.properties)
        storage.delete(storage.path(path))

    def delete_many(self, paths: Sequence[str]) -> None:
        """See `Storage.delete_many`; all paths are in one storage, as one table's files are."""
        if paths:
            storage = self.storage(paths[0], self.properties)
            storage.delete_many([storage.path(path) for path in paths])

    def size(self, path: str) -> int | None:
        """See `Storage.size`."""
        storage = self.storage(path, self.properties)
        return storage.size(storage.path(path))

    def part(self, path: str, start: int, length: int) -> ObjectPart:
        """See `Storage.part`."""
        storage = self.storage(path, self.properties)
        return storage.part(storage.path(path), start, length)

    def list(self, prefix: str) -> Iterable[str]:
        """See `Storage.list`."""
        storage = self.storage(prefix, self.properties)
        return [storage.url(path) for path in storage.list(storage.path(prefix))]

    def walk(self, prefix: str, after: str = "") -> Iterable[ObjectEntry]:
        """See `Storage.walk`."""
        storage = self.storage(prefix, self.properties)
        later = storage.path(after) if after else ""
        for entry in storage.walk(storage.path(prefix), later):
            yield entry._replace(path=storage.url(entry.path))

    def url(self, path: str) -> str:
        """See `Storage.url`."""
        return path

    def path(self, url: str) -> str:
        """See `Storage.path`."""
        return url
