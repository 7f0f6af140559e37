"""Our storages behind PyIceberg's FileIO interface.

    PyIceberg --TableIO--> Files --one request--> the store

PyIceberg's own file access checks before each write and read whether the file exists, and writes in
parts. PyIceberg makes a new `TableIO` with each load of a table. So the longer-lived `Files` object
is in the catalog's properties, as PyIceberg's own `auth.manager` is.

Source: PyIceberg's documentation, "FileIO", `py-io-impl`.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from pyiceberg.io import FileIO, InputFile, OutputFile

from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_files import FILES, Files
from otlp2parquet_ext.lake.storage.storage import NotThereError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otlp2parquet_ext.lake.storage.storage import Storage

OUR_IO = f"{__name__}.TableIO"


class TableIO(FileIO):
    """See `FileIO`.

    Args:
        properties: properties of catalog and table, with the catalog's `Files` object.
    """

    def __init__(self, properties: dict[str, Any]) -> None:
        super().__init__(properties)
        files = properties[FILES]
        assert isinstance(files, Files)
        self.files = files

    def new_input(self, location: str) -> InputFile:
        """See `FileIO.new_input`."""
        return _Input(self, location)

    def new_output(self, location: str) -> OutputFile:
        """See `FileIO.new_output`."""
        return _Output(self, location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """See `FileIO.delete`."""
        address = location if isinstance(location, str) else location.location
        with _os_errors():
            storage = self.storage(address)
            storage.delete(storage.path(address))

    def storage(self, address: str) -> Storage:
        """Return the storage for an address."""
        return self.files.storage(address, self.properties)

    def size(self, address: str) -> int | None:
        """Return a file's length; None if the file does not exist."""
        with _os_errors():
            storage = self.storage(address)
            return storage.size(storage.path(address))


class _Input(InputFile):
    def __init__(self, table_io: TableIO, location: str) -> None:
        super().__init__(location)
        self._io = table_io

    def __len__(self) -> int:
        return _length(self._io, self.location)

    def exists(self) -> bool:
        """See `InputFile.exists`."""
        return self._io.size(self.location) is not None

    def open(self, seekable: bool = True) -> io.BytesIO:  # noqa: FBT001, FBT002 - PyIceberg's
        """See `InputFile.open`."""
        del seekable
        with _os_errors():
            return io.BytesIO(self._io.files.read(self.location, self._io.properties))


class _Output(OutputFile):
    def __init__(self, table_io: TableIO, location: str) -> None:
        super().__init__(location)
        self._io = table_io

    def __len__(self) -> int:
        return _length(self._io, self.location)

    def exists(self) -> bool:
        """See `OutputFile.exists`."""
        return self._io.size(self.location) is not None

    def to_input_file(self) -> InputFile:
        """See `OutputFile.to_input_file`."""
        return self._io.new_input(self.location)

    def create(self, overwrite: bool = False) -> _Upload:  # noqa: FBT001, FBT002 - PyIceberg's
        """See `OutputFile.create`."""
        return _Upload(self._io, self.location, overwrite=overwrite)


class _Upload:
    """A file in memory; `close` writes it as a whole."""

    def __init__(self, table_io: TableIO, address: str, *, overwrite: bool) -> None:
        self._io = table_io
        self._address = address
        self._overwrite = overwrite
        self._data: io.BytesIO | None = io.BytesIO()

    def write(self, data: bytes) -> int:
        """See `OutputStream.write`."""
        return self._open().write(data)

    def tell(self) -> int:
        """See `OutputStream.tell`."""
        return self._open().tell()

    def close(self) -> None:
        """See `OutputStream.close`; only the first call writes."""
        if self._data is None:
            return
        data, self._data = self._data.getvalue(), None
        with _os_errors():
            put = self._io.files.write(self._address, data, self._io.properties)
        if not put.new and not self._overwrite:
            raise FileExistsError(f"{self._address} is there already")

    def _open(self) -> io.BytesIO:
        if self._data is None:
            raise ValueError(f"{self._address} is closed")
        return self._data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None:
            self._data = None  # after an error, discard the incomplete file
        self.close()


def _length(table_io: TableIO, address: str) -> int:
    size = table_io.size(address)
    if size is None:
        raise FileNotFoundError(f"{address} is not there")
    return size


@contextmanager
def _os_errors() -> Iterator[None]:
    """Convert storage errors to the OS errors that PyIceberg expects."""
    try:
        yield
    except NotThereError as error:
        raise FileNotFoundError(str(error)) from error
    except StorageError as error:
        raise OSError(str(error)) from error
