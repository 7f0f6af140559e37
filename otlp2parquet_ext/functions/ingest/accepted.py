"""What of a request is worth keeping, as tables: the same for every format.

Taken --> store() --> success()
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
        name: 32 hex digits that follow from what is stored: a request that comes again has the
            same in every environment.
        tables: rows by table, those of `tables.registry`; only tables with rows.
        accepted: how many records, and how many were refused and why; its payload is not used.
    """

    name: str
    tables: Mapping[str, pa.Table]
    accepted: Accepted

    def without(self, lost: Sequence[Lost]) -> AcceptedRequest:
        """Return what was taken when the destination has refused some of it for ever."""
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
    """Return the lines of a body that are not empty, each with its number, from 1.

    Raises:
        TooManyError: there are more than `MOST_RECORDS`.
    """
    counted(body.count(b"\n") + 1)
    lines = enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1)
    return [(number, stripped) for number, line in lines if (stripped := line.strip())]
