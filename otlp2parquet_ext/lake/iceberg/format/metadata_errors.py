"""Errors of metadata that violates Iceberg's specification; they concern only its own table.

A writer or a catalog can put any value anywhere into the metadata. Our code expects the form in the
specification. This module turns all exceptions from another form into one error.
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
"""Exceptions when code reads a document of another form than expected."""


@contextmanager
def understood(label: str) -> Iterator[None]:
    """Return a context for code that reads or changes a table's metadata.

    Args:
        label: the table's name.

    Raises:
        CommitError: the metadata violates the specification.
    """
    try:
        yield
    except OTHER_SHAPE as error:
        raise CommitError(
            f"the metadata of {label} cannot be understood: {type(error).__name__}: "
            f"{quote(error)}; nothing was changed, and files are kept until it is as Iceberg's "
            "specification has it"
        ) from error
