"""Parse the footer of a Parquet file from an untrusted writer. Pure.

    the end of a file --read()--> {field id: value} | FooterError

Arrow cannot be used here. It allocates as much memory as a footer announces: 200 MB for 2 kB with a
million row groups. A changed byte can even crash the process. In this parser, a value takes no more
memory than its bytes, and malformed bytes raise an error.

Source: Apache Parquet format, "File Format", `parquet.thrift`; Apache Thrift compact protocol.
"""

from __future__ import annotations

from typing import Any

MAGIC = b"PAR1"
TRAILER_BYTES = 8
"""Bytes of a file's trailer: the footer's length and the magic number."""

FOOTER_BYTES = 65_536
"""Longest footer; our own, with up to 32 columns in one row group, have up to 5 kB."""

MOST_ELEMENTS = 4_096
"""Most elements in all lists of a footer; our own have up to 500."""

MOST_NESTED = 12

STOP, BYTE, DOUBLE, BINARY, STRUCT = 0, 3, 7, 8, 12
BOOLEANS, INTEGERS, LISTS = (1, 2), (4, 5, 6), (9, 10)

Struct = dict[int, Any]


class FooterError(Exception):
    """The bytes are no valid footer; the message states the reason."""


def footer_bytes(tail: bytes, size_bytes: int) -> int:
    """Return the length of a file's footer, from the file's last bytes.

    Args:
        tail: at least the last `TRAILER_BYTES` bytes.
        size_bytes: length of the file.

    Raises:
        FooterError: the file is no Parquet file, or the length is impossible.
    """
    if len(tail) < TRAILER_BYTES or tail[-4:] != MAGIC:
        raise FooterError("it is no Parquet file")
    length = int.from_bytes(tail[-8:-4], "little")
    if not 0 < length <= min(FOOTER_BYTES, size_bytes - TRAILER_BYTES - len(MAGIC)):
        raise FooterError(f"a footer of {length} bytes: expected 1 to {FOOTER_BYTES}, in the file")
    return length


def read(tail: bytes, size_bytes: int) -> Struct:
    """Read the footer of a file.

    Args:
        tail: the file's last bytes, with the whole footer.
        size_bytes: length of the file.

    Returns:
        Values by the field ids of `FileMetaData`: integers, bytes, booleans, lists, and structs
        in the same form.

    Raises:
        FooterError: the bytes are no footer.
    """
    length = footer_bytes(tail, size_bytes)
    footer = tail[-length - TRAILER_BYTES : -TRAILER_BYTES]
    if len(footer) != length:
        raise FooterError("the footer is not whole")
    try:
        return _ThriftReader(footer).struct(0)
    except IndexError:
        raise FooterError("its footer ends early") from None


class _ThriftReader:
    """Reads values in Thrift's compact protocol; raises IndexError after the last byte."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._elements = 0

    def struct(self, depth: int) -> Struct:
        """Return a struct; a repeated field has its last value."""
        found: Struct = {}
        field = 0
        while (header := self._byte()) != STOP:
            delta = header >> 4
            field = field + delta if delta else self._number()
            kind = header & 15
            # The kind of a boolean field holds its value.
            found[field] = kind == 1 if kind in BOOLEANS else self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if depth > MOST_NESTED:
            raise FooterError(f"its footer nests deeper than {MOST_NESTED}")
        if kind in INTEGERS:
            return self._number()
        if kind == BINARY:
            return self._bytes(self._varint())
        if kind == STRUCT:
            return self.struct(depth + 1)
        if kind in LISTS:
            return self._list(depth)
        if kind in (BYTE, *BOOLEANS):
            return self._byte()
        if kind == DOUBLE:
            return self._bytes(8)
        raise FooterError(f"its footer has a value of kind {kind}")

    def _list(self, depth: int) -> list[Any]:
        header = self._byte()
        count = header >> 4 if header >> 4 < 15 else self._varint()
        self._elements += count
        if self._elements > MOST_ELEMENTS:
            raise FooterError(f"its footer announces more than {MOST_ELEMENTS} elements")
        return [self._value(header & 15, depth + 1) for _ in range(count)]

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _varint(self) -> int:
        found = shift = 0
        while True:
            byte = self._byte()
            found |= (byte & 127) << shift
            if byte < 128:
                return found
            shift += 7
            if shift > 63:
                raise FooterError("its footer has a number of more than 64 bits")

    def _number(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)

    def _bytes(self, count: int) -> bytes:
        start = self._at
        self._at += count
        if self._at > len(self._data):
            raise FooterError("its footer ends early")
        return self._data[start : self._at]
