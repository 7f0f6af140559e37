"""One body, sent to a server as it wants it: by the forwarders, and by `check`."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from otlp2parquet_ext.lake.destinations.destination import Batch, Need
    from otlp2parquet_ext.lake.destinations.portions import Portion
    from otlp2parquet_ext.lake.destinations.verdicts import SendResult
    from otlp2parquet_ext.lake.http.client import Client
    from otlp2parquet_ext.lake.http.response import Response

GZIP = 16 + zlib.MAX_WBITS
GZIPPED: Mapping[str, str] = {"Content-Encoding": "gzip"}


def post(
    client: Client,
    dialect: Dialect,
    part: Portion,
    *,
    attempt: int = 0,
    gzip: bool,
    deadline_ms: int,
) -> tuple[Response, int]:
    """Send one body; return the answer, and how long the body was.

    Args:
        client: sends it.
        dialect: of the server.
        part: what to send.
        attempt: how often it was sent before.
        gzip: compress it.
        deadline_ms: Unix ms after which there is no answer.

    Raises:
        WebError: there is none.
    """
    url, headers = dialect.request(part)
    body = part.body(attempt)
    if gzip:
        packer = zlib.compressobj(wbits=GZIP)
        body, headers = packer.compress(body) + packer.flush(), {**headers, **GZIPPED}
    response = client.request("POST", url, headers=headers, body=body, deadline_ms=deadline_ms)
    return response, len(body)


class Dialect(Protocol):
    """What differs between servers.

    Attributes:
        needs: see `Destination.needs`.
    """

    needs: frozenset[Need]

    def portions(self, batch: Batch) -> Iterable[Portion]:
        """Give what is to be sent of a batch, the same for the same batch."""

    def request(self, portion: Portion) -> tuple[str, Mapping[str, str]]:
        """Give URL and headers."""

    def read(self, response: Response, portion: Portion, now_ms: int) -> SendResult:
        """Say what an answer means."""
