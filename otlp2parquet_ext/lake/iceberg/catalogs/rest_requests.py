"""What a REST catalog is asked, as values. Pure.

    Table (where) + Metadata, Change (what) --> Request (method, URL, JSON)

A commit says what must still hold (`requirements`) and what to do (`updates`); the catalog
makes the metadata.

Source: Apache Iceberg REST catalog, OpenAPI specification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import msgspec

from otlp2parquet_ext.lake.iceberg.format.snapshot import MAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata, TableChange

SEPARATOR = "%1F"
"""Between the levels of a namespace in a URL, unless the catalog says otherwise."""

NO_SNAPSHOT = -1
RETENTION = ("max-ref-age-ms", "max-snapshot-age-ms", "min-snapshots-to-keep")


class RestRequest(msgspec.Struct, frozen=True):
    """One HTTP request.

    Attributes:
        method: GET or POST.
        url: complete.
        body: JSON; empty for GET.
    """

    method: str
    url: str
    body: bytes = b""


class Table(msgspec.Struct, frozen=True):
    """Where a catalog has a table.

    Attributes:
        uri: of the catalog, without `/v1`.
        namespace: n > 0 levels.
        name: of the table.
        prefix: path between `v1` and the rest, as the catalog says it: quoted already.
        separator: between levels, quoted.
    """

    uri: str
    namespace: tuple[str, ...]
    name: str
    prefix: str = ""
    separator: str = SEPARATOR

    def url(self, *path: str) -> str:
        """Return the address of a path below the prefix; its parts are quoted already."""
        parts = (self.uri.rstrip("/"), "v1", self.prefix.strip("/"), *path)
        return "/".join(part for part in parts if part)

    def tables_url(self, *path: str) -> str:
        """Return the address of a path below the namespace's tables."""
        levels = self.separator.join(_quoted(level) for level in self.namespace)
        return self.url("namespaces", levels, "tables", *path)


def config_request(uri: str, warehouse: str) -> RestRequest:
    """Ask how the catalog wants to be spoken to.

    Args:
        uri: of the catalog.
        warehouse: as the destination names it; empty if it does not.
    """
    query = "?" + urlencode({"warehouse": warehouse}, quote_via=quote, safe="") if warehouse else ""
    return RestRequest("GET", f"{uri.rstrip('/')}/v1/config{query}")


def load_request(table: Table) -> RestRequest:
    """Ask for a table as it is now."""
    return RestRequest("GET", table.tables_url(_quoted(table.name)))


def namespace_request(table: Table) -> RestRequest:
    """Create the namespace."""
    return _post(table.url("namespaces"), {"namespace": table.namespace, "properties": {}})


def create_request(table: Table, metadata: Metadata) -> RestRequest:
    """Create the table, in one step.

    Args:
        table: where.
        metadata: as it would be; an empty `location` leaves the place to the catalog.
    """
    spec = metadata["default-spec-id"]
    wanted = {
        "name": table.name,
        "schema": metadata["schemas"][0],
        "partition-spec": next(s for s in metadata["partition-specs"] if s["spec-id"] == spec),
        "stage-create": False,
        "properties": metadata["properties"],
    }
    location = {"location": metadata["location"]} if metadata["location"] else {}
    return _post(table.tables_url(), wanted | location)


def commit_request(table: Table, base: Metadata, change: TableChange) -> RestRequest:
    """Apply a change, provided that `main` of this very table is where it was.

    The update repeats the properties that others set for `main`, such as how long it keeps its
    snapshots: an update that leaves one out would reset it. Snapshots go one by one: catalogs with
    Iceberg's Java library before 1.10 take no more than one at a time.

    Args:
        table: where.
        base: what the change was made for.
        change: what to do.
    """
    main = base.get("refs", {}).get(MAIN, {})
    head = main.get("snapshot-id", base.get("current-snapshot-id"))
    snapshot = change.snapshot
    updates: list[dict[str, Any]] = [
        {"action": "add-snapshot", "snapshot": snapshot},
        {
            "action": "set-snapshot-ref",
            "ref-name": MAIN,
            "type": "branch",
            "snapshot-id": snapshot["snapshot-id"],
            **{rule: main[rule] for rule in RETENTION if main.get(rule) is not None},
        },
        *({"action": "remove-snapshots", "snapshot-ids": [id_]} for id_ in sorted(change.expired)),
        {"action": "set-properties", "updates": change.properties},
    ]
    requirements = [
        {"type": "assert-table-uuid", "uuid": base["table-uuid"]},
        {
            "type": "assert-ref-snapshot-id",
            "ref": MAIN,
            "snapshot-id": None if head == NO_SNAPSHOT else head,
        },
    ]
    identifier = {"namespace": table.namespace, "name": table.name}
    body = {"identifier": identifier, "requirements": requirements, "updates": updates}
    return _post(table.tables_url(_quoted(table.name)), body)


def impossible_request(table: Table, base: Metadata) -> RestRequest:
    """Change nothing, provided that the table is another one.

    Args:
        table: where.
        base: as it is.
    """
    other = f"{base['table-uuid'][:-1]}{'1' if base['table-uuid'].endswith('0') else '0'}"
    body = {
        "identifier": {"namespace": table.namespace, "name": table.name},
        "requirements": [{"type": "assert-table-uuid", "uuid": other}],
        "updates": [{"action": "set-properties", "updates": {}}],
    }
    return _post(table.tables_url(_quoted(table.name)), body)


def _post(url: str, body: Mapping[str, Any]) -> RestRequest:
    return RestRequest("POST", url, msgspec.json.encode(body))


def _quoted(part: str) -> str:
    return quote(part, safe="")
