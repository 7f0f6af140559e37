"""The logs table as decided: 22 columns, their ids, types, nullability."""

from __future__ import annotations

import pyarrow as pa
import pytest

from otlp2parquet_ext.records.tables.columns import Encoding, TypeWord, arrow_type
from otlp2parquet_ext.records.tables.logs import COLUMNS, LOGS, log_schema

NULLABLE = {
    "TraceId",
    "SpanId",
    "ServiceNamespace",
    "ServiceInstanceId",
    "ResourceSchemaUrl",
    "ScopeVersion",
    "ScopeSchemaUrl",
    "Body",
    "EventName",
    "FaasInvocationId",
}


def test_field_ids_are_one_to_twenty_two_in_column_order() -> None:
    """Ids are the table; a catalog that numbers afresh comes to the same."""
    assert [column.field_id for column in COLUMNS] == list(range(1, 23))
    ids = [field.metadata[b"PARQUET:field_id"] for field in LOGS]
    assert ids == [str(number).encode() for number in range(1, 23)]


def test_nullability_is_that_of_the_reference() -> None:
    """An append is refused if Arrow and Iceberg disagree."""
    assert {field.name for field in LOGS if field.nullable} == NULLABLE


def test_types_exist_in_iceberg() -> None:
    """No unsigned integers, no binary, microseconds in UTC."""
    time, text, number = pa.timestamp("us", tz="UTC"), pa.string(), pa.int32()
    times = {"Timestamp", "TimestampTime", "ObservedTimestamp"}
    numbers = {"TraceFlags", "SeverityNumber", "DroppedAttributesCount"}
    for field in LOGS:
        wanted = time if field.name in times else number if field.name in numbers else text
        assert field.type == wanted, field.name


def test_lower_case_names_are_the_same_table() -> None:
    """S3 Tables and Glue allow no capitals. Ids, types and order stay, and names stay unique."""
    lower = log_schema(lower_case=True)
    assert lower.names == [name.lower() for name in LOGS.names]
    assert len(set(lower.names)) == 22
    for small, big in zip(lower, LOGS, strict=True):
        assert small.with_name(big.name).equals(big, check_metadata=True)


def test_every_column_says_what_it_is_in_one_sentence() -> None:
    """The documentation of the table is made from these."""
    for column in COLUMNS:
        assert column.doc.endswith(".")
        assert "\n" not in column.doc


def test_encodings_fit_their_types() -> None:
    """Only integers and times can be delta packed; only what readers look up has a bloom filter."""
    for column in COLUMNS:
        if column.encoding is Encoding.DELTA_BINARY_PACKED:
            assert column.type in {"timestamptz", "int", "long"}
    assert {column.name for column in COLUMNS if column.bloom_filter} == {
        "TraceId",
        "FaasInvocationId",
    }


@pytest.mark.parametrize(
    ("word", "type_"),
    [
        ("timestamptz", pa.timestamp("us", tz="UTC")),
        ("string", pa.string()),
        ("int", pa.int32()),
        ("long", pa.int64()),
        ("double", pa.float64()),
        ("boolean", pa.bool_()),
    ],
)
def test_type_words_are_icebergs(word: TypeWord, type_: pa.DataType) -> None:
    """One word, one Arrow type."""
    assert arrow_type(word) == type_
