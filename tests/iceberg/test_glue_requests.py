"""The parts of Glue's table, and those that a commit does not change."""

from __future__ import annotations

from otlp2parquet_ext.lake.iceberg.catalogs.glue_requests import (
    GlueTable,
    headers,
    moved_input,
    new_input,
)
from otlp2parquet_ext.records.tables.logs import COLUMNS

TABLE = {
    "Name": "logs",
    "DatabaseName": "otel",
    "Description": "whose",
    "Owner": "somebody",
    "Retention": 0,
    "LastAccessTime": 1.5e9,
    "StorageDescriptor": {"Columns": [{"Name": "body", "Type": "string"}], "Location": "s3://b/t"},
    "PartitionKeys": [],
    "TableType": "EXTERNAL_TABLE",
    "Parameters": {
        "table_type": "ICEBERG",
        "metadata_location": "s3://b/t/metadata/1.json",
        "previous_metadata_location": "s3://b/t/metadata/0.json",
        "optimizer": "on",
    },
    "CreateTime": 1.5e9,
    "UpdateTime": 1.5e9,
    "CreatedBy": "arn:aws:iam::1:role/x",
    "IsRegisteredWithLakeFormation": True,
    "CatalogId": "123456789012",
    "VersionId": "7",
    "IsMultiDialectView": False,
}


def test_a_commit_moves_the_pointer_and_nothing_else() -> None:
    """Entries of Athena, Spark or Lake Formation stay.

    Fields that Glue sets itself are left out.
    """
    moved = moved_input(GlueTable(TABLE), "s3://b/t/metadata/2.json")
    parameters = TABLE["Parameters"]
    assert isinstance(parameters, dict)
    assert moved["Parameters"] == parameters | {
        "metadata_location": "s3://b/t/metadata/2.json",
        "previous_metadata_location": "s3://b/t/metadata/1.json",
    }
    kept = ("Name", "Description", "Owner", "Retention", "LastAccessTime", "StorageDescriptor")
    assert {name: moved[name] for name in kept} == {name: TABLE[name] for name in kept}
    assert not moved.keys() & {"VersionId", "CatalogId", "CreatedBy", "UpdateTime", "DatabaseName"}


def test_a_created_table_shows_its_columns_in_lower_case() -> None:
    """Consoles, and tools that do not read Iceberg's metadata, show them."""
    made = new_input("logs", COLUMNS, "s3://b/t", "s3://b/t/metadata/0.json")
    descriptor = made["StorageDescriptor"]
    assert isinstance(descriptor, dict)
    assert descriptor["Location"] == "s3://b/t"
    assert descriptor["Columns"][0] == {
        "Name": "timestamp",
        "Type": "timestamp",
        "Comment": COLUMNS[0].doc,
        "Parameters": {
            "iceberg.field.id": "1",
            "iceberg.field.optional": "false",
            "iceberg.field.current": "true",
        },
    }
    assert [c["Name"] for c in descriptor["Columns"]] == [c.name.lower() for c in COLUMNS]
    assert made["Parameters"] == {
        "table_type": "ICEBERG",
        "metadata_location": "s3://b/t/metadata/0.json",
    }
    assert made["TableType"] == "EXTERNAL_TABLE"


def test_only_an_iceberg_table_has_metadata() -> None:
    """Glue has many other tables."""
    assert GlueTable(TABLE).location == "s3://b/t/metadata/1.json"
    assert GlueTable({"Parameters": {"table_type": "iceberg", "metadata_location": "x"}}).location
    assert GlueTable({"Parameters": {"metadata_location": "x"}}).location is None
    assert GlueTable({"Name": "x"}).location is None


def test_an_operation_is_named_in_a_header() -> None:
    """Glue speaks JSON 1.1."""
    assert headers("GetTable") == {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": "AWSGlue.GetTable",
    }
