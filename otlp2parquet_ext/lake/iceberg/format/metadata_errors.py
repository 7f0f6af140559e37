"""Metadata that is not as Iceberg's specification has it: a problem of its table, of no other.

A writer of a table's metadata, or a catalog, can put anything anywhere in it. The code that reads
it expects the specification's shape; all errors that another shape leads to become one kind here.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.iceberg.format.avro import AvroError
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHER_SHAPE = (
    ArithmeticError,
    AttributeError,
    AvroError,
    LookupError,
    RecursionError,
    StopIteration,
    TypeError,
    ValueError,
)
"""What reading a document of another shape than expected leads to."""


@contextmanager
def understood(label: str) -> Iterator[None]:
    """Read or change a table's metadata.

    Args:
        label: the table's name.

    Raises:
        CommitError: it is of another shape.
    """
    try:
        yield
    except OTHER_SHAPE as error:
        raise CommitError(
            f"the metadata of {label} cannot be understood: {type(error).__name__}: "
            f"{quote(error)}; nothing was changed, and files are kept until it is as Iceberg's "
            "specification has it"
        ) from error
