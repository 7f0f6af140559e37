"""A folder as storage: the default without a bucket."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.storage.storage import (
    ForeignAddressError,
    NotThereError,
    ObjectEntry,
    ObjectPart,
    ObjectTooLongError,
    Put,
    StorageError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from otlp2parquet_ext.lake.storage.buffers import BytesLike


OF_ONE_FILE = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENXIO})
"""Error numbers that concern one file only; other files may be readable."""


class LocalStorage:
    """Objects are files below `root`.

    A file is written under a temporary name and then linked to its final name. So a reader never
    sees an incomplete file, and two writers of the same file do not disturb each other.

    Args:
        root: the folder; created with the first object.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, path: str, data: BytesLike) -> Put:
        """See `Storage.put`."""
        target = self.root / path
        unfinished = target.with_name(f".{target.name}.{os.urandom(8).hex()}")
        try:
            if target.exists():
                return _put(target, new=False)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._write(unfinished, data)
            with contextlib.suppress(FileExistsError):
                os.link(unfinished, target)
            return _put(target, new=target.samefile(unfinished))
        except OSError as error:
            raise StorageError(
                f"{target} cannot be written: {quote(error.strerror or error)}"
            ) from error
        finally:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)

    def _write(self, path: Path, data: BytesLike) -> None:
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def get(self, path: str, most_bytes: int | None = None, *, decoded: bool = False) -> bytes:
        """See `Storage.get`."""
        del decoded  # a bound on responses of servers
        try:
            with (self.root / path).open("rb") as file:
                data = file.read(-1 if most_bytes is None else most_bytes + 1)
        except FileNotFoundError:
            raise NotThereError(f"{self.root / path} is not there") from None
        except OSError as error:
            raise StorageError(f"{self.root / path} cannot be read: {error.strerror}") from error
        if most_bytes is not None and len(data) > most_bytes:
            raise ObjectTooLongError(
                f"{self.root / path} cannot be read: it is longer than {most_bytes} bytes"
            )
        return data

    def part(self, path: str, start: int, length: int) -> ObjectPart:
        """See `Storage.part`."""
        place = self.root / path
        try:
            if place.resolve() != self.root.resolve() / path:
                raise ForeignAddressError(f"{str(place)!r} is reached through a link")
            with os.fdopen(_opened(place), "rb") as file:
                about = os.fstat(file.fileno())
                if not stat.S_ISREG(about.st_mode):
                    raise ForeignAddressError(f"{str(place)!r} is no plain file")
                file.seek(start)
                return ObjectPart(file.read(length), about.st_size, about.st_mtime_ns // 1_000_000)
        except (FileNotFoundError, NotADirectoryError):
            raise NotThereError(f"{place} is not there") from None
        except IsADirectoryError:
            raise ForeignAddressError(f"{str(place)!r} is no plain file") from None
        except OSError as error:
            found = StorageError(f"{place} cannot be read: {error.strerror}")
            found.of_object = error.errno in OF_ONE_FILE
            raise found from error

    def list(self, prefix: str) -> Iterable[str]:
        """See `Storage.list`; a folder that does not exist is empty."""
        folder = self.root / prefix
        try:
            names = sorted(entry.name for entry in os.scandir(folder) if _is_file(entry))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageError(f"{folder} cannot be listed: {error.strerror}") from error
        return [f"{prefix}/{name}" for name in names if not name.startswith(".")]

    def walk(self, prefix: str, after: str = "") -> Iterator[ObjectEntry]:
        """See `Storage.walk`; skips files that are deleted during the walk."""
        try:
            found = list(os.scandir(self.root / prefix))
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            folder = self.root / prefix
            raise StorageError(f"{folder} cannot be listed: {error.strerror}") from error
        # Sort a folder with its slash, as the paths below it sort.
        for entry in sorted(found, key=lambda e: os.fsencode(e.name) + b"/" * _is_folder(e)):
            path = f"{prefix}/{entry.name}".lstrip("/")
            if _is_folder(entry):
                if os.fsencode(f"{path}0") > os.fsencode(after):  # "0" is the character after "/"
                    yield from self.walk(path, after)
            elif os.fsencode(path) > os.fsencode(after):
                with contextlib.suppress(FileNotFoundError):
                    about = entry.stat(follow_symlinks=False)
                    yield ObjectEntry(path, about.st_size, about.st_mtime_ns // 1_000_000)

    def delete(self, path: str) -> None:
        """See `Storage.delete`."""
        try:
            (self.root / path).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{self.root / path} cannot be removed: {error.strerror}") from error

    def delete_many(self, paths: Sequence[str]) -> None:
        """See `Storage.delete_many`."""
        for path in paths:
            self.delete(path)

    def url(self, path: str) -> str:
        """See `Storage.url`: a plain absolute path, which every engine reads."""
        return str(Path(self.root, path).absolute())

    def path(self, url: str) -> str:
        """See `Storage.path`; also accepts `file:` addresses."""
        plain = "/" + url.removeprefix("file:").lstrip("/") if url.startswith("file:/") else url
        try:
            return str(Path(plain).relative_to(self.root.absolute()))
        except ValueError:
            raise ForeignAddressError(f"{url} does not lie in {self.root.absolute()}") from None

    def size(self, path: str) -> int | None:
        """See `Storage.size`."""
        try:
            return (self.root / path).stat().st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"{self.root / path} cannot be read: {error.strerror}") from error


def _opened(path: Path) -> int:
    """Open a file for reading; refuse a link, and do not wait for the writer of a pipe."""
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)


def _is_file(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _put(target: Path, *, new: bool) -> Put:
    """Return the `Put` of an existing file."""
    found = target.stat()
    return Put(new=new, size_bytes=found.st_size, stored_ms=found.st_mtime_ns // 1_000_000)
