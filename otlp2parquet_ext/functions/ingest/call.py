"""The facts about an ingest request's body, from the request's head."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from otlp2parquet_ext.records.otlp.messages import Signal


class Format(Enum):
    """The format of a body."""

    PROTOBUF = "an OTLP request in protobuf"
    JSON = "an OTLP request in JSON"
    JSON_LINES = "OTLP requests in JSON, one a line"
    EVENTS = "telemetry events in JSON, one a line"


COUNTED = {
    None: "records_processed",
    Signal.LOGS: "records_processed",
    Signal.TRACES: "spans_processed",
    Signal.METRICS: "data_points_processed",
}


class IngestCall(Struct, frozen=True):
    """The content of a valid request head.

    Attributes:
        signal: signal of the records; None for telemetry events.
        format: format of the body.
        encoding: one of `ENCODINGS`.
    """

    signal: Signal | None
    format: Format
    encoding: str

    @property
    def json(self) -> bool:
        """Whether the response to a success is in JSON."""
        return self.format is not Format.PROTOBUF

    @property
    def counted(self) -> str:
        """The response's field with the number of records."""
        return COUNTED[self.signal]
