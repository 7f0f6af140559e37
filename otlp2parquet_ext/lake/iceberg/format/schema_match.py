"""Match our columns with the columns of a table, which another program may have made. Pure.

    table's schemas + our columns --match()--> Matched: the ids and names for our files
                                           or  Clash: the reason why our files cannot fit

A table made from our columns is matched by field id: an id stays the same when the table's owner
renames, adds, drops or reorders columns. Any other table is matched by name, ignoring case, and
files for it have *its* ids. If the table lacks a column, that column is *unmapped*: files have it
under an id that no table has. So no query shows it, but its values are kept.

Source: Apache Iceberg table specification, "Schema Evolution", "Column Projection".
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from otlp2parquet_ext.lake.iceberg.format.new_table import field_type
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.records.tables.columns import Column  # noqa: TC001 - msgspec reads the annotation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata

Field = dict[str, Any]

PROMOTIONS = frozenset({("int", "long"), ("float", "double")})
UNMAPPED_ID_OFFSET = 1_000_000
"""Offset of the ids of unmapped columns; a table's own ids never become so large."""


class Matched(msgspec.Struct, frozen=True):
    """The columns with which files fit a table.

    Attributes:
        columns: our columns, in our order, with the ids and names of the table.
        missing: our columns that the table never had; `care.evolve` can add them.
        tag: "" for our own ids; else a digest of the ids.
    """

    columns: tuple[Column, ...]
    missing: tuple[Column, ...] = ()
    tag: str = ""


class Clash(msgspec.Struct, frozen=True):
    """The reason why our files cannot fit a table.

    Attributes:
        name: name of the table's column.
        problem: one sentence with both types and the expected one.
    """

    name: str
    problem: str


def current_fields(metadata: Metadata) -> list[Field]:
    """Return the fields of a table's current schema."""
    current = metadata["current-schema-id"]
    schema = next(s for s in metadata["schemas"] if s["schema-id"] == current)
    fields: list[Field] = schema["fields"]
    return fields


def ours_as_they_are(fields: Iterable[Field], columns: Sequence[Column]) -> bool:
    """Return whether a table has all our columns unchanged: a fast check for the usual case."""
    ours = {column.field_id: column for column in columns}
    same = 0
    for field in fields:
        column = ours.get(field["id"])
        if column is None:
            if field["required"]:
                return False
        elif (
            field["name"].lower() == column.name.lower()
            and field["type"] == field_type(column)
            and not (field["required"] and column.nullable)
        ):
            same += 1
    return same == len(ours)


def match(metadata: Metadata, columns: Sequence[Column]) -> Matched | Clash:
    """Find our columns in a table.

    Args:
        metadata: the table's metadata; its earlier schemas show renamed and dropped columns.
        columns: our columns.
    """
    fields = current_fields(metadata)
    if ours_as_they_are(fields, columns):
        return Matched(tuple(columns))
    history = {(f["id"], f["name"].lower()) for s in metadata["schemas"] for f in s["fields"]}
    pairs = _paired(fields, columns, history)
    if isinstance(pairs, Clash):
        return pairs
    clash = next(
        filter(None, (_clash(c, pairs[c.field_id]) for c in columns if c.field_id in pairs)), None
    )
    return clash or _required(fields, pairs) or _matched(columns, pairs, history)


def _paired(
    fields: Sequence[Field], columns: Sequence[Column], history: set[tuple[int, str]]
) -> dict[int, Field] | Clash:
    """Return the table's fields by our ids, for the columns that the table has."""
    pairs = _by_id(fields, columns, history) if made_from(columns, history) else {}
    taken = {field["id"] for field in pairs.values()}
    for column in columns:
        if column.field_id in pairs:
            continue
        named = [
            f for f in fields if f["name"].lower() == column.name.lower() and f["id"] not in taken
        ]
        if len(named) > 1:
            names = ", ".join(field["name"] for field in named)
            return Clash(
                column.name, f"the table has {names}: expected one column that may be {column.name}"
            )
        if named:
            pairs[column.field_id] = named[0]
    return pairs


def made_from(columns: Sequence[Column], history: set[tuple[int, str]]) -> bool:
    """Return whether a table was made from our columns: it has or had most by id and name."""
    known = sum((column.field_id, column.name.lower()) in history for column in columns)
    return known * 2 >= len(columns)


def _by_id(
    fields: Sequence[Field], columns: Sequence[Column], history: set[tuple[int, str]]
) -> dict[int, Field]:
    """Pair our columns with fields of the same id, if the field has our name or was renamed.

    If the field has the name of another of our columns, the table was renumbered, so names decide.
    A renamed field counts as ours if all our tables had it from the start, or if an earlier schema
    has our name for it.
    """
    by_id = {field["id"]: field for field in fields}
    names = {column.name.lower() for column in columns}
    pairs = {}
    for column in columns:
        field_id, name = column.field_id, column.name.lower()
        field = by_id.get(field_id)
        if field is None:
            continue
        now = field["name"].lower()
        was_ours = not column.added or (field_id, name) in history
        if now == name or (now not in names and was_ours):
            pairs[field_id] = field
    return pairs


def _clash(column: Column, field: Field) -> Clash | None:
    """Return a clash if values of our column do not fit a field."""
    name, theirs = field["name"], field["type"]
    shown = _shown(theirs)
    if column.type != shown and (column.type, shown) not in PROMOTIONS:
        return Clash(
            name, f"the table's column {name} is {shown}; ours, {column.name}, is {column.type}"
        )
    if column.nullable and field["required"]:
        return Clash(name, f"the table requires {name}; ours, {column.name}, may be null")
    if column.element_nullable and theirs["element-required"]:
        return Clash(name, f"the table requires what {name} holds; in ours it may be null")
    return None


def _shown(theirs: str | Field) -> str:
    """Return a type of the table in one word."""
    if isinstance(theirs, str):
        return theirs
    if theirs.get("type") == "list":
        return f"list<{_shown(theirs['element'])}>"
    return str(theirs.get("type", "nested"))


def _required(fields: Sequence[Field], pairs: Mapping[int, Field]) -> Clash | None:
    """Return a clash if the table requires a column that we do not have."""
    taken = {field["id"] for field in pairs.values()}
    for field in fields:
        if field["required"] and field["id"] not in taken:
            name = field["name"]
            return Clash(name, f"the table requires a column {name}, which we have not")
    return None


def _matched(
    columns: Sequence[Column], pairs: Mapping[int, Field], history: set[tuple[int, str]]
) -> Matched:
    known = {name for _, name in history}
    fitted = tuple(_fitted(column, pairs.get(column.field_id), history) for column in columns)
    missing = (c for c in columns if c.field_id not in pairs and c.name.lower() not in known)
    return Matched(fitted, tuple(missing), _tag(columns, fitted))


def written(columns: Sequence[Column], found: Sequence[tuple[str, int, int]]) -> Matched:
    """Return the columns of an existing file.

    Args:
        columns: our columns, in our order.
        found: name, id and id of elements (0 if no list) of each column of the file.
    """
    fitted = tuple(
        replace(column, name=name, field_id=field_id, element_id=element_id)
        for column, (name, field_id, element_id) in zip(columns, found, strict=True)
    )
    return Matched(fitted, (), _tag(columns, fitted))


def _fitted(column: Column, field: Field | None, history: set[tuple[int, str]]) -> Column:
    if field is not None:
        element_id = field["type"]["element-id"] if column.element_type else 0
        return replace(column, field_id=field["id"], name=field["name"], element_id=element_id)
    element_id = column.element_id and UNMAPPED_ID_OFFSET + column.element_id
    if (column.field_id, column.name.lower()) in history:
        # A dropped column keeps its id, which no other column gets. That is not sure for the id of
        # its elements.
        return replace(column, element_id=element_id)
    return replace(
        column,
        field_id=UNMAPPED_ID_OFFSET + column.field_id,
        name=f"{column.name} (unmapped)",
        element_id=element_id,
    )


def _tag(columns: Sequence[Column], fitted: Sequence[Column]) -> str:
    ids = _ids(fitted)
    if ids == _ids(columns):
        return ""
    return blake2b(",".join(map(str, ids)).encode(), digest_size=6).hexdigest()


def _ids(columns: Sequence[Column]) -> list[int]:
    return [c.field_id for c in columns] + [c.element_id for c in columns if c.element_id]


class ClashError(CommitError):
    """A column of the table does not fit our files; the message names it, and both types."""


class MisfitError(CommitError):
    """The table has our columns under other ids than the files; a rewrite makes the files fit.

    Attributes:
        fit: the columns with which the files fit.
        names: names of the files.
    """

    def __init__(self, fit: Matched, names: Sequence[str]) -> None:
        super().__init__(
            f"{len(names)} files carry other field ids than the table, for example {names[0]}: "
            "they must be rewritten"
        )
        self.fit = fit
        self.names = names
