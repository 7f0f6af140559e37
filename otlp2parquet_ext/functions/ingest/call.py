"""What the head of an ingest request says about its body."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from otlp2parquet_ext.records.otlp.messages import Signal


class Format(Enum):
    """How a body is to be read."""

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
    """What the head of a request that can be read says.

    Attributes:
        signal: what it carries; None for telemetry events.
        format: of its body.
        encoding: one of `ENCODINGS`.
    """

    signal: Signal | None
    format: Format
    encoding: str

    @property
    def json(self) -> bool:
        """Whether a success is answered in JSON."""
        return self.format is not Format.PROTOBUF

    @property
    def counted(self) -> str:
        """What an answer calls the number of its records."""
        return COUNTED[self.signal]
