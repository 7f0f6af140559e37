"""The AWS Glue Data Catalog: the location of a table's metadata, as Iceberg's AWS module stores it.

    current: GetTable     swap: UpdateTable with the VersionId from GetTable

A commit could guess the next VersionId (one more than the last) and save GetTable. But the versions
start again when a table is dropped and created. A guess that fits by chance would then replace the
new table's metadata with ours. So each commit begins with GetTable.

Source: AWS Glue web API reference, "GetTable", "UpdateTable", "CreateTable", "CreateDatabase".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.http.errors import UNREADABLE
from otlp2parquet_ext.lake.http.limits import ACKNOWLEDGED, DOCUMENT
from otlp2parquet_ext.lake.http.response import WebError
from otlp2parquet_ext.lake.iceberg.catalogs.glue_requests import (
    INPUT_FIELDS,
    KIND,
    GlueTable,
    headers,
    moved_input,
    new_input,
)
from otlp2parquet_ext.lake.iceberg.catalogs.outcomes import (
    DONE,
    CatalogFailure,
    CatalogOutcome,
    failure,
    outcome,
)
from otlp2parquet_ext.lake.iceberg.catalogs.remedies import Operation, Remedies
from otlp2parquet_ext.lake.iceberg.commit.catalog import OutcomeUnknownError
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otlp2parquet_ext.lake.iceberg.catalogs.rest_client import Sender
    from otlp2parquet_ext.records.tables.columns import Column


class GlueName(msgspec.Struct, frozen=True):
    """The name of a table in Glue.

    Attributes:
        endpoint: Glue's endpoint, with its scheme.
        database, table: names in lower case.
        catalog_id: id of another account's catalog; "" for the caller's own.
    """

    endpoint: str
    database: str
    table: str
    catalog_id: str = ""


class GluePointer:
    """See `Pointer`.

    Args:
        sender: sends signed requests to Glue.
        name: name of the table.
        remedies: advice for messages.
        columns: columns for a new table.
        location: location for a new table.
    """

    def __init__(
        self,
        sender: Sender,
        name: GlueName,
        remedies: Remedies,
        columns: Sequence[Column],
        location: str,
    ) -> None:
        self._sender = sender
        self._name = name
        self._remedies = remedies
        self._columns = columns
        self._location = location
        self._seen: GlueTable | None = None

    def current(self, deadline_ms: int) -> str | None:
        """See `Pointer.current`."""
        asked = {"DatabaseName": self._name.database, "Name": self._name.table}
        found = self._call(Operation.LOAD, "GetTable", asked, deadline_ms)
        if isinstance(found, CatalogFailure):
            if outcome(found) is CatalogOutcome.ABSENT:
                return None
            raise self._remedies.refusal(Operation.LOAD, found)
        self._seen = GlueTable(found["Table"])
        if self._seen.location is None:
            kind = self._seen.parameters.get(KIND, "nothing")
            raise CommitError(
                f"the name is taken by a table that is not Iceberg's: its parameter {KIND} says "
                f"{kind}, expected ICEBERG and a metadata_location"
            )
        return self._seen.location

    def create(self, location: str, deadline_ms: int) -> None:
        """See `Pointer.create`."""
        table = new_input(self._name.table, self._columns, self._location, location)
        asked = {"DatabaseName": self._name.database, "TableInput": table}
        made = self._call(Operation.CREATE, "CreateTable", asked, deadline_ms)
        if isinstance(made, CatalogFailure) and outcome(made) is CatalogOutcome.ABSENT:
            database = {"DatabaseInput": {"Name": self._name.database}}
            new = self._call(Operation.NAMESPACE, "CreateDatabase", database, deadline_ms)
            self._check(Operation.NAMESPACE, new)
            made = self._call(Operation.CREATE, "CreateTable", asked, deadline_ms)
        self._check(Operation.CREATE, made)

    def _check(self, operation: Operation, made: Mapping[str, Any] | CatalogFailure) -> None:
        """Raise unless the object exists now, made by us or by another writer."""
        if isinstance(made, CatalogFailure) and outcome(made) is not CatalogOutcome.CONFLICT:
            raise self._remedies.refusal(operation, made)

    def swap(self, old: str, new: str, deadline_ms: int) -> bool:
        """See `Pointer.swap`."""
        if self._seen is None or self._seen.location != old:
            return False
        asked = {
            "DatabaseName": self._name.database,
            "TableInput": moved_input(self._seen, new),
            "VersionId": self._seen.fields["VersionId"],
            "SkipArchive": True,
        }
        self._seen = None
        done = self._call(Operation.COMMIT, "UpdateTable", asked, deadline_ms)
        if not isinstance(done, CatalogFailure):
            return True
        match outcome(done):
            case CatalogOutcome.CONFLICT:
                return False
            case CatalogOutcome.UNKNOWN:
                raise OutcomeUnknownError(f"the commit: {done}")
            case _:
                raise self._remedies.refusal(Operation.COMMIT, done)

    def try_swap(self, deadline_ms: int) -> None:
        """See `TryingPointer`: an update without changes, under a VersionId that is not current."""
        if self._seen is None:
            raise CommitError("the table was dropped at this moment")
        fields = self._seen.fields
        asked = {
            "DatabaseName": self._name.database,
            "TableInput": {field: fields[field] for field in INPUT_FIELDS if field in fields},
            "VersionId": f"1{fields['VersionId']}000",
            "SkipArchive": True,
        }
        answer = self._call(Operation.COMMIT, "UpdateTable", asked, deadline_ms)
        harmless = (CatalogOutcome.CONFLICT, CatalogOutcome.REFUSED)
        if isinstance(answer, CatalogFailure) and outcome(answer) not in harmless:
            raise self._remedies.refusal(Operation.COMMIT, answer)

    def _call(
        self, operation: Operation, action: str, asked: Mapping[str, Any], deadline_ms: int
    ) -> Mapping[str, Any] | CatalogFailure:
        """Send a request to Glue; return the response's document, or the failure."""
        commit = operation is Operation.COMMIT
        account = {"CatalogId": self._name.catalog_id} if self._name.catalog_id else {}
        try:
            answer = self._sender.request(
                "POST",
                self._name.endpoint,
                headers=headers(action),
                body=msgspec.json.encode({**account, **asked}),
                deadline_ms=deadline_ms,
                retry=not commit,
                limit=ACKNOWLEDGED if commit else DOCUMENT,
            )
        except WebError as error:
            if commit and error.sent:
                raise OutcomeUnknownError(f"the commit: {error}") from error
            raise CommitError(f"{operation.value}: {error}") from error
        if answer.status not in DONE:
            return failure(answer)
        try:
            return msgspec.json.decode(answer.body or b"{}", type=dict[str, Any])
        except UNREADABLE as error:
            if commit:
                return {}
            raise CommitError(
                f"{operation.value}: Glue's answer is not JSON: {quote(error)}"
            ) from error
