"""`https://…`: a Data Tap, or a server with its protocol: NDJSON of Lambda's telemetry, unchanged.

The wire contract is that of data-taps' own extension; see `ndjson.py` and docs/forwarding.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.common.secrets.urls import shown
from otlp2parquet_ext.lake.destinations.destination import Lost, Need, Receipt
from otlp2parquet_ext.lake.destinations.forwarder import Forwarder
from otlp2parquet_ext.lake.destinations.ndjson import lines
from otlp2parquet_ext.lake.destinations.verdicts import read_tap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from otlp2parquet_ext.lake.destinations.destination import Batch
    from otlp2parquet_ext.lake.destinations.portions import Portion
    from otlp2parquet_ext.lake.destinations.verdicts import SendResult
    from otlp2parquet_ext.lake.http.client import Client
    from otlp2parquet_ext.lake.http.response import Response

BODY_BYTES = 3_145_728
"""Longest body, in bytes. A function URL accepts 6 MB after base64, and a Data Tap has 5 s for a
request."""

TOKEN_HEADER = "x-bd-authorization"  # noqa: S105 - its name


class DataTap:
    """The protocol of a Data Tap; see `Dialect`.

    Args:
        url: the Data Tap's URL.
        token: the client token of the Data Tap; "" for none.
    """

    needs = frozenset({Need.SOURCE})

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"Content-Type": "application/x-ndjson"}
        if token:
            self._headers[TOKEN_HEADER] = token

    def portions(self, batch: Batch) -> Iterable[Portion]:
        """See `Dialect.portions`."""
        return lines(batch.source, BODY_BYTES) if batch.source else ()

    def request(self, portion: Portion) -> tuple[str, Mapping[str, str]]:
        """See `Dialect.request`."""
        del portion
        return self._url, self._headers

    def read(self, response: Response, portion: Portion, now_ms: int) -> SendResult:
        """See `Dialect.read`."""
        del portion
        return read_tap(response, now_ms)


def data_tap(
    url: str, token: str, client: Callable[[], Client], *, gzip: bool, alone: bool
) -> Forwarder:
    """Return the destination.

    Args:
        url, token: see `DataTap`.
        client: returns the HTTP client.
        gzip: the server accepts gzip bodies.
        alone: no other destination accepts OTLP requests.
    """
    kind = _Alone if alone else Forwarder
    return kind(shown(url), DataTap(url, token), client, limit_bytes=BODY_BYTES, gzip=gzip)


class _Alone(Forwarder):
    """A Data Tap as the only destination: it accepts no OTLP, so OTLP is dropped and counted."""

    _otlp_warned = False

    def store(self, batch: Batch, *, commit_follows: bool = False) -> Receipt:
        """See `Destination.store`."""
        stored = super().store(batch, commit_follows=commit_follows)
        requests = batch.source.requests if batch.source else {}
        payloads = [payload for of_signal in requests.values() for payload, _ in of_signal]
        if not payloads:
            return stored
        if not self._otlp_warned:
            log(
                "error",
                f"{self}: a Data Tap takes no OTLP: it is dropped; set OTLP2PARQUET_OTLP=off",
            )
        self._otlp_warned = True
        lost = Lost("a Data Tap takes no OTLP", 0, sum(map(len, payloads)))
        return replace(stored, lost=(*stored.lost, lost))
