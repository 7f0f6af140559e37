"""How many requests each act takes, by kind of destination.

Counted on the wire, not guessed: `tests/cost` holds these numbers against what a proxy between
our client and a real server sees. Deleting is free on S3 and is not counted.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class RequestKind(enum.Enum):
    """Destinations that differ in what they cost; the value is for people."""

    PLAIN = "plain Parquet on S3"
    S3_TABLES = "S3 Tables"
    GLUE = "Glue Data Catalog, files on S3"
    REST = "REST catalog, files on S3"
    DISK = "this machine's disk"


class Requests(NamedTuple):
    """Requests of one act: to the bucket, and to a catalog that is not the bucket."""

    put: float = 0
    get: float = 0
    list: float = 0
    catalog: float = 0

    def times(self, number: float) -> Requests:
        """Return what `number` such acts take."""
        return Requests(*(number * count for count in self))

    def plus(self, other: Requests) -> Requests:
        """Return what both take together."""
        return Requests(*(a + b for a, b in zip(self, other, strict=True)))


STORE = Requests(put=1)
"""A data file. The name follows from the content: If-None-Match in the same request."""

DESCRIBE = Requests(put=1)
"""Its descriptor in the inbox, where no commit follows at once."""

LOOK = Requests(list=1)
"""A look into the inbox: direct environments take what others had to leave."""

COMMIT: Mapping[RequestKind, Requests] = {
    RequestKind.PLAIN: Requests(),
    RequestKind.S3_TABLES: Requests(put=3),
    RequestKind.REST: Requests(put=2, catalog=1),
    RequestKind.GLUE: Requests(put=3, catalog=2),
    RequestKind.DISK: Requests(put=3, catalog=2),
}
"""A commit while nobody else commits: manifest and manifest list, and the catalog told. Where the
catalog only knows where the table's metadata lies (Glue, SQL), we write that, too, and have to ask
first. S3 Tables is itself the catalog: each request to it is counted as a PUT of its own."""

REFRESH: Mapping[RequestKind, Requests] = {
    RequestKind.PLAIN: Requests(),
    RequestKind.S3_TABLES: Requests(get=2),
    RequestKind.REST: Requests(get=1, catalog=1),
    RequestKind.GLUE: Requests(get=2),
    RequestKind.DISK: Requests(get=2),
}
"""More when somebody else has committed since: what the table is now, and its manifest list."""

TAKE = Requests(get=2)
"""Each descriptor a committer takes from the inbox: it reads the descriptor, and the end of the
file, which has to have the rows and columns that the descriptor claims."""

RUN = Requests(get=2, list=3, catalog=3)
"""Each run of a committer, even for nothing: a look into the inbox, and the care of the table."""

AGAIN = Requests(list=1)
"""After each commit of a committer it looks whether more waits."""


def at(kind: RequestKind, requests: Requests) -> Requests:
    """Return what requests are where the bucket is itself the catalog."""
    if kind is not RequestKind.S3_TABLES:
        return requests
    return requests._replace(get=requests.get + requests.catalog, catalog=0)
