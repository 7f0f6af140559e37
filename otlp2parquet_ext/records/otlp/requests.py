"""Reads OTLP requests: accepts or refuses their records, and writes the answer.

    body --read_request()--> Accepted --> the spool
                                      --response()--> the answer, in the request's encoding

A record that cannot be stored is refused and counted, without the others (OTLP calls this a partial
success). A request that cannot be read raises `OtlpError`, whose text goes into a `status()` body.
The first request imports the message classes.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from otlp2parquet_ext.records.otlp.budget import Budget
from otlp2parquet_ext.records.otlp.checks import check
from otlp2parquet_ext.records.otlp.json_pieces import json_pieces
from otlp2parquet_ext.records.otlp.json_request import read_json
from otlp2parquet_ext.records.otlp.messages import Signal, request_class
from otlp2parquet_ext.records.otlp.pieces import UNSPLIT_BYTES, counted, joined, pieces
from otlp2parquet_ext.records.otlp.refusals import BadValueError, OtlpError, Refusals, TooLargeError
from otlp2parquet_ext.records.otlp.wire import delimited, mended, varint

__all__ = [
    "Accepted",
    "OtlpError",
    "Signal",
    "TooLargeError",
    "read_request",
    "response",
    "status",
]

_REJECTED = {
    Signal.LOGS: "rejectedLogRecords",
    Signal.TRACES: "rejectedSpans",
    Signal.METRICS: "rejectedDataPoints",
}


class Accepted(Struct, frozen=True):
    """The accepted part of a request.

    Attributes:
        payload: protobuf `Export…ServiceRequest` of the accepted records; b"" if there are none.
        records: number of its log records, spans or data points.
        rejected: number of refused records.
        why: reasons for the client; "" if none was refused.
    """

    payload: bytes
    records: int
    rejected: int
    why: str


def read_request(
    signal: Signal, body: bytes, *, json: bool, budget: Budget | None = None
) -> Accepted:
    """Read a request.

    Args:
        signal: the signal in its path.
        body: any bytes, inflated; b"" is a request without records.
        json: OTLP/JSON, else protobuf.
        budget: remaining limits for it and the requests that came with it; None: full limits.

    Raises:
        OtlpError: the request cannot be read.
        TooLargeError: reading it would take too much memory, or mapping it too much time.

    Source: OTLP specification, "OTLP/HTTP Request" and "Partial Success".
    """
    refusals = Refusals()
    reader = _Reader(signal, refusals, budget or Budget(len(body)), json=json)
    try:
        return reader.read(body)
    except BadValueError as error:
        name = request_class(signal).DESCRIPTOR.name
        if json:
            raise OtlpError(f"{name} as JSON: {error}") from None
        raise OtlpError(f"{name} as protobuf: {error}") from None


class _Reader:
    """Reads one request; a large one in pieces."""

    def __init__(self, signal: Signal, refusals: Refusals, budget: Budget, *, json: bool) -> None:
        self._signal = signal
        self._budget = budget
        self._refusals = refusals
        self._json = json
        self._changed = False

    def read(self, body: bytes) -> Accepted:
        if len(body) <= UNSPLIT_BYTES:
            payload, records = self._read_piece(body, self._refusals)
            counted(records)
        elif self._json:
            kept: list[bytes] = []
            records = self._read_all(body, kept)
            payload = joined(self._signal, kept)
        else:
            records, payload = self._read_all(body, []), body
            if records and self._changed:
                quiet, self._budget = Refusals(), Budget(0, bounded=False)  # counted already
                parts = pieces(self._signal, body, quiet)
                payload = joined(self._signal, (self._read_piece(one, quiet)[0] for one in parts))
        refusals = self._refusals
        return Accepted(payload if records else b"", records, refusals.records, refusals.why())

    def _read_all(self, body: bytes, kept: list[bytes]) -> int:
        """Read a request in pieces; return the number of accepted records; from JSON, keep them."""
        records, refusals = 0, self._refusals
        cut = json_pieces if self._json else pieces
        for piece in cut(self._signal, body, refusals):
            payload, found = self._read_piece(piece, refusals)
            records += found
            refusals.behind = records + refusals.records
            self._changed |= payload is not piece
            if self._json:
                kept.append(payload)
        return records

    def _read_piece(self, body: bytes, refusals: Refusals) -> tuple[bytes, int]:
        """Return the accepted part of a piece, and its number of records."""
        request = request_class(self._signal)()
        self._budget.count_values(request.DESCRIPTOR, body, json=self._json)
        if self._json:
            read_json(body, request, refusals)
        else:
            body = _read_protobuf(body, request, refusals)
        refused = refusals.records
        records = check(self._signal, request, refusals)
        if not records:
            return b"", 0
        self._budget.count_shared(self._signal, request)
        if self._json or refusals.records > refused:
            return request.SerializeToString(), records
        return body, records


def response(signal: Signal, accepted: Accepted, *, json: bool) -> bytes:
    """Write `Export…ServiceResponse`, with `partial_success` only if records were refused."""
    if json:
        partial = {_REJECTED[signal]: str(accepted.rejected), "errorMessage": accepted.why}
        return msgspec.json.encode({"partialSuccess": partial} if accepted.rejected else {})
    if not accepted.rejected:
        return b""
    return delimited(1, _number_and_text(accepted.rejected, accepted.why))


def status(code: int, message: str, *, json: bool) -> bytes:
    """Write `google.rpc.Status`, the body of an error answer.

    Args:
        code: a gRPC code, 0 to 16.
        message: text for the client.
        json: JSON, else protobuf.
    """
    if json:
        return msgspec.json.encode({"code": code, "message": message})
    return _number_and_text(code, message)


def _read_protobuf(body: bytes, request: Any, refusals: Refusals) -> bytes:
    """Fill a request; return equivalent bytes."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415 -- with the first request

    readable = False
    try:
        request.ParseFromString(body)
        readable = True
        size = request.ByteSize()
        request.DiscardUnknownFields()
        if request.ByteSize() == size:
            return body
    except DecodeError:
        pass  # the library does not report the error or its place
    # Unknown fields belong to a newer protocol, or are known fields with a wrong type.
    try:
        whole = mended(body, request.DESCRIPTOR, refusals)
        request.ParseFromString(whole)
    except (BadValueError, DecodeError) as error:
        raise OtlpError(f"{request.DESCRIPTOR.name} as protobuf: {error}") from None
    return body if readable and not refusals.records else whole


def _number_and_text(number: int, text: str) -> bytes:
    return b"\x08" + varint(number) + delimited(2, text.encode())
