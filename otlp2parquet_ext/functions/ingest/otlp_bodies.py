"""Convert bodies of OTLP requests to rows; the clients' resources stay unchanged.

body --read_request, for each envelope--> payloads --masked--> tables
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.functions.ingest.accepted import AcceptedRequest, lines_of
from otlp2parquet_ext.functions.ingest.call import Format
from otlp2parquet_ext.records.digests import batch_name, strong_digest_of
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.resource import Resource
from otlp2parquet_ext.records.otlp.budget import Budget
from otlp2parquet_ext.records.otlp.pieces import counted
from otlp2parquet_ext.records.otlp.requests import Accepted, OtlpError, Signal, read_request
from otlp2parquet_ext.records.otlp.tables import otlp_tables

if TYPE_CHECKING:
    from otlp2parquet_ext.records.telemetry.redact import Redactor

UNKNOWN_RESOURCE = Resource("", None, "", "{}")
"""An empty resource: this function's attributes must not complete a client's resource."""

SHOWN_REASONS = 3


def take_otlp(
    signal: Signal, format_: Format, body: bytes, received_us: int, redactor: Redactor | None
) -> AcceptedRequest:
    """Parse a body.

    Args:
        signal: the signal, from the path.
        format_: any format except `EVENTS`.
        body: decompressed body.
        received_us: time of receipt, Unix microseconds; also the time of records without one.
        redactor: masks sensitive text; None for no masking.

    Raises:
        OtlpError: the body cannot be read.
        TooLargeError: the body has more than `MOST_RECORDS`, or needs too much memory or time.
    """
    if format_ is Format.JSON_LINES:
        accepted = _read_lines(signal, body)
    else:
        accepted = [read_request(signal, body, json=format_ is Format.JSON)]
    counted(sum(one.records for one in accepted))
    payloads = [one.payload for one in accepted if one.payload]
    if redactor is not None:
        from otlp2parquet_ext.records.otlp.redact import redacted  # noqa: PLC0415 - seldom

        payloads = [redacted(signal, payload, redactor) for payload in payloads]
    received = [(payload, received_us) for payload in payloads]
    tables = otlp_tables(signal, received, UNKNOWN_RESOURCE, Invocations()) if payloads else {}
    name = batch_name([strong_digest_of(part) for part in (signal.encode(), *payloads)])
    return AcceptedRequest(name, tables, _together(accepted))


def _read_lines(signal: Signal, body: bytes) -> list[Accepted]:
    """Parse one envelope in each line; an unreadable line is refused, and counts as one record.

    Raises:
        OtlpError: no line can be read.
        TooManyError: see `lines_of`.
    """
    found: list[Accepted] = []
    problems, budget = 0, Budget(len(body))
    for number, line in lines_of(body):
        try:
            found.append(read_request(signal, line, json=True, budget=budget))
        except OtlpError as error:
            problems += 1
            found.append(Accepted(b"", 0, 1, f"line {number}: {error}"))
    if len(found) == problems:
        raise OtlpError(found[0].why if found else "the body has no line: expected one a request")
    return found


def _together(accepted: list[Accepted]) -> Accepted:
    whys = [one.why for one in accepted if one.why]
    why = "; ".join(whys[:SHOWN_REASONS]) + ("; and others" if len(whys) > SHOWN_REASONS else "")
    records = sum(one.records for one in accepted)
    return Accepted(b"", records, sum(one.rejected for one in accepted), why)
