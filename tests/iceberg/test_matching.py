"""Our columns in tables of others: matched by id if these are ours, else by name, or missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from otlp2parquet_ext.lake.iceberg.format.new_table import new_table
from otlp2parquet_ext.lake.iceberg.format.schema_match import (
    UNMAPPED_ID_OFFSET,
    Clash,
    Matched,
    match,
)
from otlp2parquet_ext.records.tables.columns import Column, Encoding
from otlp2parquet_ext.records.tables.logs import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable

Fields = list[dict[str, Any]]


def ours(*, lower_case: bool = False) -> dict[str, Any]:
    """Make the metadata of a table of ours."""
    return new_table(COLUMNS, "/x", 0, lower_case=lower_case)


def evolved(change: Callable[[Fields], Fields]) -> dict[str, Any]:
    """Make the metadata of a table of ours after its owner has changed the schema."""
    metadata = ours()
    fields = change([dict(field) for field in metadata["schemas"][0]["fields"]])
    schema = metadata["schemas"][0] | {"schema-id": 1, "fields": fields}
    return metadata | {"schemas": [*metadata["schemas"], schema], "current-schema-id": 1}


def foreign(*fields: tuple[int, str, str] | tuple[int, str, str, bool]) -> dict[str, Any]:
    """Make the metadata of a table that another user has created."""
    keys = ("id", "name", "type", "required")
    made = [dict(zip(keys, (*field, False)[:4], strict=True)) for field in fields]
    return ours() | {"schemas": [{"schema-id": 0, "type": "struct", "fields": made}]}


SHIFTED = [(c.field_id + 7, c.name, c.type) for c in COLUMNS]


def matched(metadata: dict[str, Any]) -> dict[str, tuple[int, str]]:
    """Return id and name in the table, by our names."""
    found = match(metadata, COLUMNS)
    assert isinstance(found, Matched)
    return {c.name: (f.field_id, f.name) for c, f in zip(COLUMNS, found.columns, strict=True)}


def fit(metadata: dict[str, Any]) -> Matched:
    """Match, and check that it fits."""
    found = match(metadata, COLUMNS)
    assert isinstance(found, Matched)
    return found


def clash(metadata: dict[str, Any]) -> Clash:
    """Match, and check that it clashes."""
    found = match(metadata, COLUMNS)
    assert isinstance(found, Clash)
    return found


AS_THEY_ARE = {c.name: (c.field_id, c.name) for c in COLUMNS}


def test_a_table_of_ours_is_matched_as_it_is() -> None:
    """It has exactly our columns, in any case, and no tag."""
    for lower_case in (False, True):
        found = fit(ours(lower_case=lower_case))
        assert found == Matched(COLUMNS)


def test_order_does_not_matter() -> None:
    """Iceberg resolves by id."""
    assert fit(evolved(lambda fields: fields[::-1])) == Matched(COLUMNS)


def test_a_renamed_column_keeps_its_id() -> None:
    """Files written before and after have the same."""

    def rename(fields: Fields) -> Fields:
        return [f | {"name": "Message"} if f["name"] == "Body" else f for f in fields]

    found = fit(evolved(rename))
    assert matched(evolved(rename)) == AS_THEY_ARE | {"Body": (18, "Message")}
    assert (found.tag, found.missing) == ("", ())
    forgotten = evolved(rename)
    del forgotten["schemas"][0]  # by a clean-up of unused schemas
    assert fit(forgotten) == found


def test_a_name_that_was_given_to_another_column_is_not_ours() -> None:
    """`Body` was renamed, and a column of the owner has this name now."""

    def rename(fields: Fields) -> Fields:
        body = {"id": 30, "name": "Body", "type": "int", "required": False}
        return [f | {"name": "Old"} if f["name"] == "Body" else f for f in fields] + [body]

    assert matched(evolved(rename)) == AS_THEY_ARE | {"Body": (18, "Old")}


def test_a_dropped_column_stays_dropped() -> None:
    """Its id stays ours, so files still have it. The owner decides whether to add it again."""

    def drop(fields: Fields) -> Fields:
        return [f for f in fields if f["name"] != "EventName"]

    assert fit(evolved(drop)) == Matched(COLUMNS)


def test_a_dropped_column_that_was_added_again_has_its_new_id() -> None:
    """Iceberg never gives an id twice."""

    def again(fields: Fields) -> Fields:
        return [f | {"id": 40, "name": "eventname"} if f["id"] == 20 else f for f in fields]

    assert matched(evolved(again)) == AS_THEY_ARE | {"EventName": (40, "eventname")}
    assert fit(evolved(again)).tag != ""


@pytest.mark.parametrize("name", ["Team", "Body2"])
def test_columns_of_the_owner_are_left_alone(name: str) -> None:
    """Optional ones are null in our rows."""
    extra = {"id": 23, "name": name, "type": "string", "required": False}
    assert fit(evolved(lambda fields: [*fields, extra])) == Matched(COLUMNS)


def test_a_column_the_owner_requires_is_a_clash() -> None:
    """Our rows have no value for this column."""
    extra = {"id": 23, "name": "Team", "type": "string", "required": True}
    found = clash(evolved(lambda fields: [*fields, extra]))
    assert found == Clash("Team", "the table requires a column Team, which we have not")


def test_a_foreign_table_is_matched_by_name_in_any_case() -> None:
    """Our files then have its ids and names, and a tag that tells them apart."""
    metadata = foreign(*[(field_id, name.upper(), kind) for field_id, name, kind in SHIFTED])
    found = fit(metadata)
    assert matched(metadata) == {c.name: (c.field_id + 7, c.name.upper()) for c in COLUMNS}
    assert found.missing == ()
    assert found.tag == fit(foreign(*SHIFTED)).tag != ""
    assert match(metadata, found.columns) == Matched(found.columns)


def test_what_a_foreign_table_lacks_is_parked_under_an_id_no_table_has() -> None:
    """Files keep all our columns, under ids that the table's own future columns cannot get."""
    metadata = foreign((1, "body", "string"), (2, "timestamp", "timestamptz"), (3, "x", "string"))
    found = fit(metadata)
    places = matched(metadata)
    assert places["Body"] == (1, "body")
    assert places["Timestamp"] == (2, "timestamp")
    parked = [c for c in COLUMNS if c.name not in ("Body", "Timestamp")]
    assert {places[c.name] for c in parked} == {
        (UNMAPPED_ID_OFFSET + c.field_id, f"{c.name} (unmapped)") for c in parked
    }
    assert list(found.missing) == parked
    assert len({column.name.lower() for column in found.columns}) == len(COLUMNS)


def test_equal_ids_and_types_do_not_make_a_table_ours() -> None:
    """Names decide: `TraceId` must not appear as another user's customer."""
    metadata = foreign((1, "created", "timestamptz"), (2, "customer", "string"))
    assert {place[0] for place in matched(metadata).values()} == {
        UNMAPPED_ID_OFFSET + column.field_id for column in COLUMNS
    }


def test_names_that_differ_only_in_case_are_refused() -> None:
    """The right one is unknown, and many engines cannot read such a table."""
    found = clash(foreign(*SHIFTED, (99, "body", "string")))
    assert found == Clash("Body", "the table has Body, body: expected one column that may be Body")


def test_in_a_table_of_ours_an_id_settles_that() -> None:
    """The owner's `body` has another id."""
    extra = {"id": 23, "name": "body", "type": "string", "required": False}
    assert fit(evolved(lambda fields: [*fields, extra])).columns == COLUMNS


@pytest.mark.parametrize(
    ("name", "theirs", "problem"),
    [
        ("TraceId", "binary", "the table's column TraceId is binary; ours, TraceId, is string"),
        ("Timestamp", "timestamp", "column Timestamp is timestamp; ours, Timestamp, is timestampt"),
        ("LogAttributes", {"type": "map"}, "column LogAttributes is map; ours, LogAttributes, is"),
        ("TraceFlags", "string", "column TraceFlags is string; ours, TraceFlags, is int"),
    ],
)
def test_a_type_that_cannot_hold_ours_is_a_clash(name: str, theirs: object, problem: str) -> None:
    """The message has both types, for a table of any writer."""

    def other(fields: Fields) -> Fields:
        return [f | {"type": theirs} if f["name"] == name else f for f in fields]

    for metadata in (evolved(other), ours() | {"schemas": evolved(other)["schemas"][1:]}):
        found = clash(metadata | {"current-schema-id": 1})
        assert found.name == name
        assert problem in found.problem


def test_a_wider_type_holds_ours() -> None:
    """An owner may widen a type by Iceberg's own promotions, and files stay unchanged."""

    def widen(fields: Fields) -> Fields:
        return [f | {"type": "long"} if f["type"] == "int" else f for f in fields]

    assert fit(evolved(widen)) == Matched(COLUMNS)


def test_a_column_the_table_requires_and_ours_may_lack_is_a_clash() -> None:
    """Such a column accepts no null."""

    def require(fields: Fields) -> Fields:
        return [f | {"required": True} if f["name"] == "Body" else f for f in fields]

    found = clash(evolved(require))
    assert found == Clash("Body", "the table requires Body; ours, Body, may be null")


NEW = Column(
    23, "SpanName", "string", nullable=True, doc="New.", encoding=Encoding.PLAIN, added=True
)


def test_a_column_of_a_later_version_is_missing_in_an_older_table() -> None:
    """An owner's column may have its id by then, so nothing is written under it."""
    team = {"id": 23, "name": "Team", "type": "string", "required": False}
    for metadata in (ours(), evolved(lambda fields: [*fields, team])):
        found = match(metadata, (*COLUMNS, NEW))
        assert isinstance(found, Matched)
        assert found.missing == (NEW,)
        assert found.columns[:-1] == COLUMNS
        assert found.columns[-1] == replace(
            NEW, field_id=UNMAPPED_ID_OFFSET + 23, name="SpanName (unmapped)"
        )
