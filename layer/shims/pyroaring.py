"""Stands in for the package `pyroaring`: compressed sets of row numbers, for deletion vectors.

They belong to version 3 of the table format. Our tables have version 2; a table somebody made
version 3 can still be appended to, only rows deleted in that way cannot be read here.
"""

from typing import NoReturn


class BitMap:
    """A set that cannot be read."""

    def deserialize(self, _data: bytes) -> NoReturn:
        """Refuse.

        Raises:
            NotImplementedError: with what cannot be done.
        """
        raise NotImplementedError(
            "deletion vectors (Iceberg format version 3) cannot be read in the layer"
        )


class FrozenBitMap:
    """The empty set."""
