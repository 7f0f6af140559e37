"""Types of the events that the extension itself adds to the telemetry."""

from __future__ import annotations

from typing import Literal

EVENT_TYPE: Literal["otlp2parquet_ext.dropped"] = "otlp2parquet_ext.dropped"
