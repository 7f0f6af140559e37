"""The interface of a storage: objects by path, on a disk or in a bucket.

The package's header states its two guarantees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otlp2parquet_ext.lake.storage.buffers import BytesLike


class StorageError(Exception):
    """The storage refused or did not respond; the message names the object, cause and remedy.

    Attributes:
        lacks: the IAM actions of which the role lacks one, if that is the cause.
        of_object: the cause may concern this object alone, for example another encryption key;
            other objects may be readable.
    """

    lacks: tuple[str, ...] = ()
    of_object: bool = False


class NotThereError(StorageError):
    """The object does not exist: it was deleted or never written."""


class ObjectTooLongError(StorageError):
    """The object is longer than its known size, or than its purpose and memory allow."""


class ForeignAddressError(StorageError):
    """The address lies outside of this storage."""


class Put(NamedTuple):
    """The object at the path after a `put`.

    Attributes:
        new: this `put` has written it; False if it existed before, and is unchanged.
        size_bytes: its length.
        stored_ms: time of its writing in Unix milliseconds, by the storage's clock.
    """

    new: bool
    size_bytes: int
    stored_ms: int


class ObjectPart(NamedTuple):
    """Some bytes of an object.

    Attributes:
        data: the bytes; fewer than requested if the object ends before.
        size_bytes: length of the whole object.
        stored_ms: time of its writing in Unix milliseconds, by the storage's clock.
    """

    data: bytes
    size_bytes: int
    stored_ms: int


class ObjectEntry(NamedTuple):
    """An object in a listing.

    Attributes:
        path: path of the object.
        size_bytes: its length.
        stored_ms: time of its writing in Unix milliseconds, by the storage's clock.
    """

    path: str
    size_bytes: int
    stored_ms: int


class Storage(Protocol):
    """A store of objects; paths are relative to its root and use `/`."""

    def put(self, path: str, data: BytesLike) -> Put:
        """Write an object whole; an existing object of that name stays unchanged.

        Raises:
            StorageError: the object is not stored.
        """

    def get(self, path: str, most_bytes: int | None = None, *, decoded: bool = False) -> bytes:
        """Return an object's bytes.

        Args:
            path: path of the object.
            most_bytes: most bytes to read: the length in a manifest list, a descriptor or a
                listing, or a limit by purpose. None if no limit is known.
            decoded: the object is JSON without a schema, plain or gzip; its decoded form is
                bounded, too.

        Raises:
            NotThereError: the object does not exist.
            ObjectTooLongError: the object or its decoded form exceeds the limit.
            StorageError: the object cannot be read.
        """

    def part(self, path: str, start: int, length: int) -> ObjectPart:
        """Return a part of an object of any length, with its size and time.

        Args:
            path: path of the object; on a disk, a regular file without a link in the path below
                the root.
            start: offset of the first byte, from 0.
            length: most bytes to return, n > 0.

        Raises:
            NotThereError: the object does not exist.
            ForeignAddressError: the path leads through a link, or to no regular file.
            StorageError: the object cannot be read.
        """

    def list(self, prefix: str) -> Iterable[str]:
        """Return the paths of the objects directly below the folder `prefix`, sorted."""

    def walk(self, prefix: str, after: str = "") -> Iterable[ObjectEntry]:
        """Yield all objects below the folder `prefix`, in the order of their paths' bytes.

        At most one page of them is in memory at a time.

        Args:
            prefix: the folder; a missing folder is empty.
            after: yield only paths after this one, so that a walk can be continued.

        Raises:
            StorageError: the folder cannot be listed.
        """

    def delete(self, path: str) -> None:
        """Delete an object; a missing object is no error."""

    def delete_many(self, paths: Sequence[str]) -> None:
        """Delete objects, in as few requests as possible; a missing object is no error."""

    def url(self, path: str) -> str:
        """Return the object's address for query engines."""

    def path(self, url: str) -> str:
        """Return the path of an address: the inverse of `url`.

        Raises:
            ForeignAddressError: the address lies outside of this storage.
        """

    def size(self, path: str) -> int | None:
        """Return an object's length; None if the object does not exist.

        Raises:
            StorageError: the storage refused or did not respond.
        """
