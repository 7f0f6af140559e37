"""Requests to a REST catalog: the JSON and the addresses of the specification."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from otlp2parquet_ext.lake.iceberg.catalogs.rest_requests import (
    Table,
    commit_request,
    config_request,
    create_request,
    load_request,
    namespace_request,
)
from otlp2parquet_ext.lake.iceberg.format.new_table import new_table
from otlp2parquet_ext.lake.iceberg.format.snapshot import TableChange
from otlp2parquet_ext.records.tables.logs import COLUMNS

TABLE = Table("http://host/catalog", ("otel",), "logs", prefix="main")
SNAPSHOT = {"snapshot-id": 7, "sequence-number": 1}
CHANGE = TableChange(SNAPSHOT, frozenset({5, 3}), {"name": "value"})


def body(data: bytes) -> Any:
    """Parse the body of a request."""
    return msgspec.json.decode(data)


def base(**changes: object) -> dict[str, Any]:
    """Return the metadata of a table without snapshots, with changes."""
    return new_table(COLUMNS, "s3://bucket/otel/logs", 1) | {"table-uuid": "u"} | changes


@pytest.mark.parametrize(
    ("table", "url"),
    [
        (TABLE, "http://host/catalog/v1/main/namespaces/otel/tables/logs"),
        (Table("http://host/", ("otel",), "logs"), "http://host/v1/namespaces/otel/tables/logs"),
        (
            Table("http://host", ("a", "b c"), "l/g"),
            "http://host/v1/namespaces/a%1Fb%20c/tables/l%2Fg",
        ),
        (
            Table("http://host", ("a", "b"), "logs", separator="%2E"),
            "http://host/v1/namespaces/a%2Eb/tables/logs",
        ),
        (
            Table("http://host", ("a",), "t", prefix="arn%3Aaws%3Abucket%2Fb"),
            "http://host/v1/arn%3Aaws%3Abucket%2Fb/namespaces/a/tables/t",
        ),
    ],
)
def test_names_are_quoted_and_the_prefix_is_taken_as_it_came(table: Table, url: str) -> None:
    """A catalog's prefix is quoted already: S3 Tables puts an ARN there, with its slash."""
    assert load_request(table).url == url


def test_the_warehouse_of_a_table_bucket_is_quoted_whole() -> None:
    """Unquoted colons and slashes would change the signature."""
    request = config_request("http://host/iceberg/", "arn:aws:s3tables:r:1:bucket/b")
    assert request.url == (
        "http://host/iceberg/v1/config?warehouse=arn%3Aaws%3As3tables%3Ar%3A1%3Abucket%2Fb"
    )
    assert config_request("http://host", "").url == "http://host/v1/config"


def test_a_commit_asserts_the_table_and_where_main_is() -> None:
    """Both are the fence: the table may be replaced, or have a new snapshot."""
    main = {"type": "branch", "snapshot-id": 5}
    sent = body(commit_request(TABLE, base(refs={"main": main}), CHANGE).body)
    assert sent["requirements"] == [
        {"type": "assert-table-uuid", "uuid": "u"},
        {"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": 5},
    ]
    assert sent["identifier"] == {"namespace": ["otel"], "name": "logs"}


@pytest.mark.parametrize(
    "changes", [{}, {"current-snapshot-id": -1}, {"current-snapshot-id": None}]
)
def test_the_first_commit_asserts_that_there_is_no_main(changes: dict[str, object]) -> None:
    """Catalogs write "no snapshot" in three ways."""
    sent = body(commit_request(TABLE, base(**changes), CHANGE).body)
    assert sent["requirements"][1]["snapshot-id"] is None


def test_metadata_without_refs_has_main_at_its_current_snapshot() -> None:
    """The field came with version 2 of the format, and is optional there."""
    metadata = base(**{"current-snapshot-id": 5})
    del metadata["refs"]
    sent = body(commit_request(TABLE, metadata, CHANGE).body)
    assert sent["requirements"][1]["snapshot-id"] == 5


def test_expired_snapshots_go_one_by_one() -> None:
    """Iceberg's Java library before 1.10 refuses more than one id in an update."""
    updates = body(commit_request(TABLE, base(), CHANGE).body)["updates"]
    assert [update["action"] for update in updates] == [
        "add-snapshot",
        "set-snapshot-ref",
        "remove-snapshots",
        "remove-snapshots",
        "set-properties",
    ]
    assert [u["snapshot-ids"] for u in updates if "snapshot-ids" in u] == [[3], [5]]
    assert updates[0]["snapshot"] == SNAPSHOT
    assert updates[-1]["updates"] == {"name": "value"}


def test_how_long_main_keeps_its_snapshots_is_said_again() -> None:
    """An update without it would reset the setting of another user."""
    rules = {"max-ref-age-ms": 1, "max-snapshot-age-ms": 2, "min-snapshots-to-keep": 3}
    main = {"type": "branch", "snapshot-id": 5, **rules}
    updates = body(commit_request(TABLE, base(refs={"main": main}), CHANGE).body)["updates"]
    assert updates[1] == {
        "action": "set-snapshot-ref",
        "ref-name": "main",
        "type": "branch",
        "snapshot-id": 7,
        **rules,
    }


def test_a_table_is_created_in_one_step() -> None:
    """Some catalogs take a missing `stage-create` for true."""
    request = create_request(TABLE, base())
    sent = body(request.body)
    assert request.url == "http://host/catalog/v1/main/namespaces/otel/tables"
    assert sent["stage-create"] is False
    assert sent["location"] == "s3://bucket/otel/logs"
    assert sent["name"] == "logs"
    assert [field["id"] for field in sent["schema"]["fields"]] == [c.field_id for c in COLUMNS]
    assert sent["partition-spec"]["fields"][0]["name"] == "Timestamp_day"
    assert sent["properties"] == base()["properties"]


def test_the_catalog_may_choose_the_location() -> None:
    """S3 Tables accepts no other location."""
    assert "location" not in body(create_request(TABLE, base(location="")).body)


def test_columns_can_be_in_lower_case() -> None:
    """S3 Tables and Glue allow nothing else, also for the partition's name."""
    metadata = new_table(COLUMNS, "", 1, lower_case=True)
    sent = body(create_request(TABLE, metadata).body)
    names = [field["name"] for field in sent["schema"]["fields"]]
    assert names == [column.name.lower() for column in COLUMNS]
    assert sent["partition-spec"]["fields"][0]["name"] == "timestamp_day"


def test_a_namespace_has_levels() -> None:
    """Polaris and Nessie have deeper ones than S3 Tables."""
    request = namespace_request(Table("http://host", ("a", "b"), "logs"))
    assert request.url == "http://host/v1/namespaces"
    assert body(request.body) == {"namespace": ["a", "b"], "properties": {}}
