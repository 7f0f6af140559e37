"""The interface of a storage: objects by path, on a disk or in a bucket.

The package's header has its two promises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otlp2parquet_ext.lake.storage.buffers import BytesLike


class StorageError(Exception):
    """The store refused or could not be reached; the message names object, cause and remedy.

    Attributes:
        lacks: the IAM actions one of which is not allowed, if that is the cause.
        of_object: the trouble may be of this one object, which somebody encrypted with a key of
            their own for example, and others can be read.
    """

    lacks: tuple[str, ...] = ()
    of_object: bool = False


class NotThereError(StorageError):
    """There is no such object: somebody removed it, or it never was."""


class ObjectTooLongError(StorageError):
    """The object is longer than its known size, or than its purpose and memory allow."""


class ForeignAddressError(StorageError):
    """The address lies outside of this storage."""


class Put(NamedTuple):
    """What lies there after a `put`.

    Attributes:
        new: False when it was there before and is kept.
        size_bytes: its length.
        stored_ms: Unix milliseconds at which it was stored, by the storage's own clock.
    """

    new: bool
    size_bytes: int
    stored_ms: int


class ObjectPart(NamedTuple):
    """Some bytes of an object.

    Attributes:
        data: fewer than asked for where the object ends.
        size_bytes: its whole length.
        stored_ms: Unix milliseconds at which it was stored, by the storage's own clock.
    """

    data: bytes
    size_bytes: int
    stored_ms: int


class ObjectEntry(NamedTuple):
    """An object as a listing tells of it.

    Attributes:
        path: of the object.
        size_bytes: its length.
        stored_ms: Unix milliseconds at which it was stored, by the storage's own clock.
    """

    path: str
    size_bytes: int
    stored_ms: int


class Storage(Protocol):
    """A place for objects; paths are relative to its root and use `/`."""

    def put(self, path: str, data: BytesLike) -> Put:
        """Write an object whole, unless there is one of that name, which is kept.

        Raises:
            StorageError: it is not stored.
        """

    def get(self, path: str, most_bytes: int | None = None, *, decoded: bool = False) -> bytes:
        """Return an object's bytes.

        Args:
            path: of the object.
            most_bytes: its length, where a manifest list, a descriptor or a listing names it, or a
                limit by its purpose; no more is read. None where nothing is known.
            decoded: it is JSON without a schema, plain or gzip, whose decoded form is bounded, too.

        Raises:
            NotThereError: there is none.
            ObjectTooLongError: it is longer, or its decoded form is.
            StorageError: it cannot be read.
        """

    def part(self, path: str, start: int, length: int) -> ObjectPart:
        """Return bytes of an object, however long it is, and what it is.

        Args:
            path: of the object; on a disk a plain file, reached through no link below the root.
            start: of the first byte, from 0.
            length: of bytes at most, n > 0.

        Raises:
            NotThereError: there is no such object.
            ForeignAddressError: it lies elsewhere, behind a link.
            StorageError: it cannot be read.
        """

    def list(self, prefix: str) -> Iterable[str]:
        """Return the paths of the objects directly below the folder `prefix`, sorted."""

    def walk(self, prefix: str, after: str = "") -> Iterable[ObjectEntry]:
        """Yield the objects anywhere below the folder `prefix`, in the order of their paths' bytes.

        However many there are, no more than a page of them is held at a time.

        Args:
            prefix: of a folder; one that does not exist is empty.
            after: only paths beyond this one, so that a walk can be taken up again.

        Raises:
            StorageError: it cannot be listed.
        """

    def delete(self, path: str) -> None:
        """Remove an object; one that is gone already is fine."""

    def delete_many(self, paths: Sequence[str]) -> None:
        """Remove objects, in as few requests as the storage allows; those gone are fine."""

    def url(self, path: str) -> str:
        """Return the address under which engines find the object."""

    def path(self, url: str) -> str:
        """Return the path of an address: what `url` was made from.

        Raises:
            ForeignAddressError: the address lies outside of this storage.
        """

    def size(self, path: str) -> int | None:
        """Return an object's length; None when there is no such object.

        Raises:
            StorageError: that cannot be found out.
        """
