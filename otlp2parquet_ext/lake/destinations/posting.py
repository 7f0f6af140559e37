"""POST one body in a server's protocol; the forwarders and `check` use it."""

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
    """Send one body; return the response and the body's length in bytes.

    Args:
        client: sends the request.
        dialect: the server's protocol.
        part: the records to send.
        attempt: number of earlier tries.
        gzip: compress the body.
        deadline_ms: Unix ms; without a response by then, the request fails.

    Raises:
        WebError: there is no response.
    """
    url, headers = dialect.request(part)
    body = part.body(attempt)
    if gzip:
        packer = zlib.compressobj(wbits=GZIP)
        body, headers = packer.compress(body) + packer.flush(), {**headers, **GZIPPED}
    response = client.request("POST", url, headers=headers, body=body, deadline_ms=deadline_ms)
    return response, len(body)


class Dialect(Protocol):
    """The protocol of one kind of server.

    Attributes:
        needs: see `Destination.needs`.
    """

    needs: frozenset[Need]

    def portions(self, batch: Batch) -> Iterable[Portion]:
        """Return the portions of a batch, the same ones on each call."""

    def request(self, portion: Portion) -> tuple[str, Mapping[str, str]]:
        """Return the URL and headers of a request."""

    def read(self, response: Response, portion: Portion, now_ms: int) -> SendResult:
        """Return the meaning of a response."""
