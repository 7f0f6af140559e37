"""Numbers of requests of each operation, by kind of destination.

The numbers are measured: `tests/cost` compares them with the requests that a proxy sees between our
client and a real server. Deletes are free on S3 and not counted.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class RequestKind(enum.Enum):
    """Kinds of destinations with different costs; the value is the displayed name."""

    PLAIN = "plain Parquet on S3"
    S3_TABLES = "S3 Tables"
    GLUE = "Glue Data Catalog, files on S3"
    REST = "REST catalog, files on S3"
    DISK = "this machine's disk"


class Requests(NamedTuple):
    """Requests of one operation: to the bucket, and to a catalog that is not the bucket."""

    put: float = 0
    get: float = 0
    list: float = 0
    catalog: float = 0

    def times(self, number: float) -> Requests:
        """Return the requests of `number` such operations."""
        return Requests(*(number * count for count in self))

    def plus(self, other: Requests) -> Requests:
        """Return the sum of both."""
        return Requests(*(a + b for a, b in zip(self, other, strict=True)))


STORE = Requests(put=1)
"""Requests to store a data file. Its name depends on its content, so the same request checks
If-None-Match."""

DESCRIBE = Requests(put=1)
"""Requests to write its descriptor to the inbox, if no commit follows at once."""

LOOK = Requests(list=1)
"""Requests of one inbox listing, with which direct environments find files that others left."""

COMMIT: Mapping[RequestKind, Requests] = {
    RequestKind.PLAIN: Requests(),
    RequestKind.S3_TABLES: Requests(put=3),
    RequestKind.REST: Requests(put=2, catalog=1),
    RequestKind.GLUE: Requests(put=3, catalog=2),
    RequestKind.DISK: Requests(put=3, catalog=2),
}
"""Requests of an uncontended commit: manifest, manifest list, and the catalog's update. If the
catalog only stores the location of the metadata (Glue, SQL), we also read and write the metadata
file. S3 Tables is itself the catalog, so each request to it counts as a PUT."""

REFRESH: Mapping[RequestKind, Requests] = {
    RequestKind.PLAIN: Requests(),
    RequestKind.S3_TABLES: Requests(get=2),
    RequestKind.REST: Requests(get=1, catalog=1),
    RequestKind.GLUE: Requests(get=2),
    RequestKind.DISK: Requests(get=2),
}
"""Further requests after another writer's commit: the table's current metadata and its manifest
list."""

TAKE = Requests(get=2)
"""Requests for each descriptor in the inbox: a committer reads the descriptor and the end of the
file, to check the rows and columns that the descriptor claims."""

RUN = Requests(get=2, list=3, catalog=3)
"""Requests of each run of a committer, even with an empty inbox: a listing of the inbox, and the
table's maintenance."""

AGAIN = Requests(list=1)
"""Requests after each commit of a committer: it lists the inbox again."""


def at(kind: RequestKind, requests: Requests) -> Requests:
    """Return the requests for a kind of destination; in S3 Tables the bucket is the catalog."""
    if kind is not RequestKind.S3_TABLES:
        return requests
    return requests._replace(get=requests.get + requests.catalog, catalog=0)
