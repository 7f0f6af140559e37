"""What of a request is worth keeping, as tables: the same for every format.

Taken --> store() --> success()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from otlp2parquet_ext.otlp.requests import Accepted

MOST_RECORDS = 100_000
"""In a request: 6 MiB of the shortest records that say anything have no more."""


class TooManyError(Exception):
    """The body has more records than are taken: rows could take memory the function has not."""


class Taken(Struct, frozen=True):
    """See the module.

    Attributes:
        name: 32 hex digits that follow from what is stored: a request that comes again has the
            same, whoever takes it.
        tables: rows by table, those of `tables.registry`; only tables with rows.
        accepted: how many records, and how many were refused and why; its payload is not used.
    """

    name: str
    tables: Mapping[str, pa.Table]
    accepted: Accepted


def lines_of(body: bytes) -> list[tuple[int, bytes]]:
    """Return the lines of a body that are not empty, each with its number, from 1.

    Raises:
        TooManyError: there are more than `MOST_RECORDS`.
    """
    if body.count(b"\n") >= MOST_RECORDS:
        raise TooManyError
    lines = enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1)
    return [(number, stripped) for number, line in lines if (stripped := line.strip())]
