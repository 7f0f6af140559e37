"""The five metrics tables: one row per OTLP data point, a table for each kind of point.

Each has the columns of all points, those of its kind, and further columns of all points. The first
two groups have the names and ids of otlp2parquet's tables, for users who migrate.

Source: OpenTelemetry, "Metrics Data Model"; otlp2parquet v0.3.0, its Arrow schemas.
"""

from __future__ import annotations

from otlp2parquet_ext.records.tables.columns import Column, numbered
from otlp2parquet_ext.records.tables.shared import (
    DELTA,
    FAAS_INVOCATION_ID,
    MORE_OF_RESOURCE_AND_SCOPE,
    RESOURCE_ATTRIBUTES,
    SCOPE,
    column,
)

_POINT: tuple[Column, ...] = (
    column(
        "Timestamp",
        "timestamptz",
        "The time of the point, for sums and histograms the end of its interval, in microseconds.",
        encoding=DELTA,
    ),
    column(
        "ServiceName",
        "string",
        "Resource attribute `service.name`; `unknown_service` when nothing names it.",
    ),
    RESOURCE_ATTRIBUTES,
    *SCOPE,
    column("MetricName", "string", "Name of the metric."),
    column(
        "MetricDescription",
        "string",
        "Description of the metric; null when none.",
        nullable=True,
    ),
    column(
        "MetricUnit",
        "string",
        "Unit of the metric, as UCUM writes it; null when none.",
        nullable=True,
    ),
    column(
        "Attributes",
        "string",
        "Attributes of the point, as a JSON object.",
        bounds=False,
    ),
)
_MORE: tuple[Column, ...] = (
    *MORE_OF_RESOURCE_AND_SCOPE,
    column(
        "StartTimestamp",
        "timestamptz",
        "Beginning of the interval the point is of, in microseconds; null when unknown.",
        nullable=True,
        encoding=DELTA,
    ),
    column("Flags", "int", "Flags of the point; bit 0 says that there is no recorded value."),
    FAAS_INVOCATION_ID,
    column(
        "MetricMetadata",
        "string",
        "Metadata attributes of the metric, as a JSON object.",
        bounds=False,
    ),
)
_EXEMPLARS = column("Exemplars", "string", "Exemplars of the point, as a JSON array.", bounds=False)
_TEMPORALITY = column(
    "AggregationTemporality",
    "int",
    "0 unspecified, 1 delta (since the point before), 2 cumulative (since `StartTimestamp`).",
)
_VALUE = column(
    "Value",
    "double",
    "The value; attribute `otel.value_int` has it as text where it is a whole number that a "
    "double does not hold exactly.",
)
_COUNT = column("Count", "long", "How many values the point summarises.")
_SUM = column("Sum", "double", "Sum of those values; 0 when unset.")
_MIN_AND_MAX: tuple[Column, ...] = (
    column("Min", "double", "Least of those values; null when unset.", nullable=True),
    column("Max", "double", "Greatest of those values; null when unset.", nullable=True),
)

GAUGE: tuple[Column, ...] = numbered((*_POINT, _VALUE, *_MORE, _EXEMPLARS))

SUM: tuple[Column, ...] = numbered(
    (
        *_POINT,
        _VALUE,
        _TEMPORALITY,
        column("IsMonotonic", "boolean", "Whether the sum can only grow."),
        *_MORE,
        _EXEMPLARS,
    )
)

HISTOGRAM: tuple[Column, ...] = numbered(
    (
        *_POINT,
        _COUNT,
        _SUM,
        column(
            "BucketCounts",
            "list<long>",
            "How many values are in each bucket: one bucket more than there are bounds, or none.",
        ),
        column(
            "ExplicitBounds",
            "list<double>",
            "Greatest value of each bucket but the last, which has no bound.",
        ),
        *_MIN_AND_MAX,
        *_MORE,
        _EXEMPLARS,
        _TEMPORALITY,
    )
)

EXPONENTIAL_HISTOGRAM: tuple[Column, ...] = numbered(
    (
        *_POINT,
        _COUNT,
        _SUM,
        column(
            "Scale",
            "int",
            "Resolution: a bucket ends at 2^(2^-Scale) times where it begins.",
        ),
        column("ZeroCount", "long", "How many values are not farther from 0 than `ZeroThreshold`."),
        column("PositiveOffset", "int", "Number of the first bucket of positive values."),
        column(
            "PositiveBucketCounts",
            "list<long>",
            "How many values are in each bucket of positive values.",
        ),
        column("NegativeOffset", "int", "Number of the first bucket of negative values."),
        column(
            "NegativeBucketCounts",
            "list<long>",
            "How many values are in each bucket of negative values.",
        ),
        *_MIN_AND_MAX,
        *_MORE,
        _EXEMPLARS,
        _TEMPORALITY,
        column("ZeroThreshold", "double", "Half the width of the bucket around 0; 0 when unset."),
    )
)

SUMMARY: tuple[Column, ...] = numbered(
    (
        *_POINT,
        _COUNT,
        _SUM,
        column(
            "QuantileValues",
            "list<double>",
            "The value at each of the quantiles.",
        ),
        column(
            "QuantileQuantiles",
            "list<double>",
            "The quantiles, from 0 (the least value) to 1 (the greatest).",
        ),
        *_MORE,
    )
)
