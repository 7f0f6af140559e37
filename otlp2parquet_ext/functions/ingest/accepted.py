"""The accepted records of a request as tables, the same for all formats.

AcceptedRequest --> store() --> success()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from otlp2parquet_ext.records.otlp.pieces import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from otlp2parquet_ext.lake.destinations.destination import Lost
    from otlp2parquet_ext.records.otlp.requests import Accepted


class AcceptedRequest(Struct, frozen=True):
    """See the module.

    Attributes:
        name: 32 hex digits, a digest of the stored content. A repeated request has the same name in
            all environments.
        tables: rows by table name (`tables.registry`), only tables with rows.
        accepted: number of records, number of refused ones, and the reason; its payload is unused.
    """

    name: str
    tables: Mapping[str, pa.Table]
    accepted: Accepted

    def without(self, lost: Sequence[Lost]) -> AcceptedRequest:
        """Return the request without the records that the destination refused permanently."""
        records = sum(one.records for one in lost)
        if not records:
            return self
        accepted = self.accepted
        whys = [accepted.why] if accepted.why else []
        return replace(
            self,
            accepted=replace(
                accepted,
                records=accepted.records - records,
                rejected=accepted.rejected + records,
                why="; ".join(dict.fromkeys([*whys, *(one.reason for one in lost)])),
            ),
        )


def lines_of(body: bytes) -> list[tuple[int, bytes]]:
    """Return the non-empty lines of a body, each with its number, from 1.

    Raises:
        TooManyError: there are more than `MOST_RECORDS`.
    """
    counted(body.count(b"\n") + 1)
    lines = enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1)
    return [(number, stripped) for number, line in lines if (stripped := line.strip())]
