"""`https://…`: a Data Tap, or what speaks like one: NDJSON of Lambda's telemetry, as it came.

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
"""A function URL takes six megabytes, after base64, and a Data Tap has five seconds for them."""

TOKEN_HEADER = "x-bd-authorization"  # noqa: S105 - its name


class DataTap:
    """How a Data Tap is talked to; see `Dialect`.

    Args:
        url: where to.
        token: what it knows us by; "" for none.
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
        client: sends requests.
        gzip: it inflates bodies.
        alone: nobody else takes OTLP requests.
    """
    kind = _Alone if alone else Forwarder
    return kind(shown(url), DataTap(url, token), client, limit_bytes=BODY_BYTES, gzip=gzip)


class _Alone(Forwarder):
    """A Data Tap beside which nothing takes OTLP requests: those are lost, and counted."""

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
