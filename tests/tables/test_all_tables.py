"""All tables as decided: names, ids, types, nullability; and that they can be stored and read."""

from __future__ import annotations

import pyarrow as pa
import pytest

from otlp2parquet_ext.records.tables.columns import Column, Encoding, arrow_schema, named
from otlp2parquet_ext.records.tables.logs import LOGS
from otlp2parquet_ext.records.tables.registry import TABLES, arrow
from otlp2parquet_ext.records.tables.traces import TRACES

RESOURCE_AND_SCOPE = (
    "ServiceNamespace ServiceInstanceId ResourceSchemaUrl ScopeAttributes ScopeSchemaUrl"
)
POINT = (
    "Timestamp ServiceName ResourceAttributes ScopeName ScopeVersion MetricName MetricDescription "
    "MetricUnit Attributes"
)
MORE = f"{RESOURCE_AND_SCOPE} StartTimestamp Flags FaasInvocationId MetricMetadata"
NAMES = {
    "traces": "Timestamp TraceId SpanId ServiceName ResourceAttributes ScopeName ScopeVersion "
    "ParentSpanId TraceState SpanName SpanKind SpanAttributes Duration StatusCode StatusMessage "
    "EventsTimestamp EventsName EventsAttributes LinksTraceId LinksSpanId LinksTraceState "
    f"LinksAttributes {RESOURCE_AND_SCOPE} TraceFlags FaasInvocationId DroppedAttributesCount "
    "DroppedEventsCount DroppedLinksCount",
    "metrics_gauge": f"{POINT} Value {MORE} Exemplars",
    "metrics_sum": f"{POINT} Value AggregationTemporality IsMonotonic {MORE} Exemplars",
    "metrics_histogram": f"{POINT} Count Sum BucketCounts ExplicitBounds Min Max {MORE} Exemplars "
    "AggregationTemporality",
    "metrics_exponential_histogram": f"{POINT} Count Sum Scale ZeroCount PositiveOffset "
    "PositiveBucketCounts NegativeOffset NegativeBucketCounts Min Max "
    f"{MORE} Exemplars AggregationTemporality ZeroThreshold",
    "metrics_summary": f"{POINT} Count Sum QuantileValues QuantileQuantiles {MORE}",
}
ELEMENT_IDS = {
    "traces": range(33, 40),
    "metrics_gauge": (),
    "metrics_sum": (),
    "metrics_histogram": (27, 28),
    "metrics_exponential_histogram": (32, 33),
    "metrics_summary": (23, 24),
}
NULLABLE = {
    "ServiceNamespace",
    "ServiceInstanceId",
    "ResourceSchemaUrl",
    "ScopeName",
    "ScopeVersion",
    "ScopeSchemaUrl",
    "FaasInvocationId",
}
NULLABLE_OF_SPANS = {"ServiceName", "ParentSpanId", "TraceState", "StatusCode", "StatusMessage"}
NULLABLE_OF_POINTS = {"MetricDescription", "MetricUnit", "StartTimestamp", "Min", "Max"}
EVERY = pytest.mark.parametrize("name", TABLES)
NEW = pytest.mark.parametrize("name", NAMES)


def ids(columns: tuple[Column, ...]) -> list[int]:
    """Return all ids of a table, elements' included."""
    return [i for c in columns for i in (c.field_id, c.element_id) if i]


@NEW
def test_columns_are_those_of_the_reference_in_their_order(name: str) -> None:
    """Names and order are the contract with every query ever written."""
    assert [column.name for column in TABLES[name]] == NAMES[name].split()


@EVERY
def test_ids_are_column_numbers_then_elements_of_lists(name: str) -> None:
    """A catalog that numbers afresh comes to the same, and no id is given twice."""
    columns = TABLES[name]
    assert [column.field_id for column in columns] == list(range(1, len(columns) + 1))
    elements = [column.element_id for column in columns if column.element_type]
    assert elements == list(ELEMENT_IDS.get(name, ()))
    assert sorted(ids(columns)) == list(range(1, len(columns) + len(elements) + 1))
    assert not any(column.element_id for column in columns if not column.element_type)


@EVERY
def test_names_are_unique_in_lower_case(name: str) -> None:
    """S3 Tables and Glue allow no capitals, and two columns must not become one."""
    lower = [column.name for column in named(TABLES[name], lower_case=True)]
    assert len(set(lower)) == len(lower)


@NEW
def test_nullability_is_that_of_the_reference(name: str) -> None:
    """An append is refused if Arrow and Iceberg disagree."""
    wanted = NULLABLE | (NULLABLE_OF_SPANS if name == "traces" else NULLABLE_OF_POINTS)
    found = {column.name for column in TABLES[name] if column.nullable}
    assert found == wanted & set(NAMES[name].split())


@EVERY
def test_the_first_column_is_the_time_rows_are_partitioned_by(name: str) -> None:
    """Folders, days and bounds all begin with it."""
    first = TABLES[name][0]
    assert (first.name, first.type, first.nullable) == ("Timestamp", "timestamptz", False)


@EVERY
def test_every_column_says_what_it_is_in_one_sentence(name: str) -> None:
    """The documentation of the tables is made from these."""
    for column in TABLES[name]:
        assert column.doc.endswith(".")
        assert "\n" not in column.doc


@EVERY
def test_encodings_bounds_and_filters_fit_their_types(name: str) -> None:
    """Only integers and times can be delta packed; lists have neither bounds nor filters."""
    for column in TABLES[name]:
        if column.encoding is Encoding.DELTA_BINARY_PACKED:
            assert column.type.removeprefix("list<").rstrip(">") in {"timestamptz", "int", "long"}
        if column.element_type:
            assert not column.bounds
            assert not column.bloom_filter
        assert column.bloom_filter == (column.name in {"TraceId", "FaasInvocationId"})


def test_a_list_of_the_arrow_schema_carries_the_id_and_nullability_of_its_elements() -> None:
    """DuckDB fails on a table whose list elements have no id."""
    states, names = (TRACES.field(name).type for name in ("LinksTraceState", "EventsName"))
    assert (states.value_field.name, names.value_field.name) == ("element", "element")
    assert states.value_field.metadata == {b"PARQUET:field_id": b"38"}
    assert (states.value_field.nullable, names.value_field.nullable) == (True, False)
    assert TRACES.field("EventsTimestamp").type.value_type == pa.timestamp("us", tz="UTC")


def test_lower_case_leaves_elements_as_they_are() -> None:
    """Names are only names, in lists as elsewhere."""
    lower = arrow_schema(named(TABLES["traces"], lower_case=True))
    assert lower.names == [name.lower() for name in TRACES.names]
    for small, big in zip(lower, TRACES, strict=True):
        assert small.with_name(big.name).equals(big, check_metadata=True)


def test_tables_are_known_by_name() -> None:
    """All rooms except `records` find a table through the registry."""
    assert arrow("logs").equals(LOGS, check_metadata=True)
    assert arrow("traces") is arrow("traces")
    with pytest.raises(KeyError):
        arrow("spans")
