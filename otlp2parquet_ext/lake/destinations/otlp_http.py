"""`otlp+https://…`: any collector that accepts OTLP/HTTP in protobuf.

    requests of the function's SDK --unchanged-------+
    Lambda's telemetry --the lake's rows--> export --+--> POST …/v1/logs, traces, metrics

Source: OTLP specification, "OTLP/HTTP"; OpenTelemetry protocol exporter, "Specifying headers via
environment variables".
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from otlp2parquet_ext import __version__
from otlp2parquet_ext.common.log import hide, log
from otlp2parquet_ext.common.secrets.urls import shown
from otlp2parquet_ext.lake.destinations.destination import Need
from otlp2parquet_ext.lake.destinations.forwarder import Forwarder
from otlp2parquet_ext.lake.destinations.verdicts import Verdict, read_otlp
from otlp2parquet_ext.records.otlp.messages import Signal
from otlp2parquet_ext.records.otlp.pieces import pieces
from otlp2parquet_ext.records.otlp.sending import Export, rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from otlp2parquet_ext.lake.destinations.destination import Batch
    from otlp2parquet_ext.lake.destinations.portions import Portion
    from otlp2parquet_ext.lake.destinations.verdicts import SendResult
    from otlp2parquet_ext.lake.http.client import Client
    from otlp2parquet_ext.lake.http.response import Response

BODY_BYTES = 4_000_000
"""Longest body, in bytes. Collectors accept 20 MB, many services only 4 MB."""

OURS = frozenset({"content-type", "content-encoding", "content-length", "host", "user-agent"})


class OtlpHttp:
    """The protocol of a collector; see `Dialect`.

    Args:
        base: URL before `/v1/logs`.
        headers: headers of all requests.
    """

    needs = frozenset({Need.TABLES, Need.SOURCE})

    def __init__(self, base: str, headers: Mapping[str, str]) -> None:
        self._base = base
        self._headers = {
            **headers,
            "Content-Type": "application/x-protobuf",
            "User-Agent": f"otlp2parquet-ext/{__version__}",
        }

    def portions(self, batch: Batch) -> Iterable[Portion]:
        """See `Dialect.portions`."""
        yield from _mapped(batch)
        for signal, payloads in (batch.source.requests if batch.source else {}).items():
            for payload, _ in payloads:
                for piece in pieces(Signal(signal), payload):
                    if (export := Export(Signal(signal), piece)).pieces:
                        yield export

    def request(self, portion: Portion) -> tuple[str, Mapping[str, str]]:
        """See `Dialect.request`."""
        assert isinstance(portion, Export)
        return f"{self._base}/v1/{portion.signal}", self._headers

    def read(self, response: Response, portion: Portion, now_ms: int) -> SendResult:
        """See `Dialect.read`."""
        answer = read_otlp(response, now_ms)
        if answer.verdict is not Verdict.ACCEPTED or not response.body:
            return answer
        assert isinstance(portion, Export)
        count, why = rejected(portion.signal, response.body)
        says = f"{count} records were rejected: {why}" if count else why
        return answer._replace(says=says, rejected=count)


def _mapped(batch: Batch) -> Iterator[Portion]:
    for tables in batch.mapped_parts():
        if tables:
            # Imported here: a batch without Lambda's telemetry does not need pyarrow.
            from otlp2parquet_ext.records.otlp.export import exports  # noqa: PLC0415

            yield from exports(tables)
        del tables  # free them before the next part is made


def otlp_http(base: str, headers: str, client: Callable[[], Client], *, gzip: bool) -> Forwarder:
    """Return the destination.

    Args:
        base: URL before `/v1/logs`.
        headers: the value of `OTEL_EXPORTER_OTLP_HEADERS`.
        client: returns the HTTP client.
        gzip: compress bodies.
    """
    dialect = OtlpHttp(base, read_headers(headers))
    return Forwarder(f"otlp+{shown(base)}", dialect, client, limit_bytes=BODY_BYTES, gzip=gzip)


def read_headers(text: str) -> dict[str, str]:
    """Parse `name=value,name=value` with percent-encoded values; no message quotes a value.

    A malformed entry is ignored, and a warning gives its number.
    """
    headers: dict[str, str] = {}
    for number, entry in enumerate(filter(None, map(str.strip, text.split(","))), 1):
        name, equals, value = entry.partition("=")
        name, value = unquote(name.strip()).lower(), unquote(value.strip())
        hide((value, value.partition(" ")[2]))
        if not equals or not name or name in OURS or not _sendable(name + value):
            log("warning", f"OTEL_EXPORTER_OTLP_HEADERS: entry {number} is no header; left out")
        else:
            headers[name] = value
    return headers


def _sendable(text: str) -> bool:
    return text.isascii() and text.isprintable()
