"""The requests to a REST catalog, as values. Pure.

    Table (address) + Metadata, TableChange --> RestRequest (method, URL, JSON)

A commit holds conditions (`requirements`) and changes (`updates`); the catalog writes the metadata.

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
"""Default separator of a namespace's levels in a URL; the catalog may set another."""

NO_SNAPSHOT = -1
RETENTION = ("max-ref-age-ms", "max-snapshot-age-ms", "min-snapshots-to-keep")


class RestRequest(msgspec.Struct, frozen=True):
    """One HTTP request.

    Attributes:
        method: GET or POST.
        url: the complete URL.
        body: JSON; empty for GET.
    """

    method: str
    url: str
    body: bytes = b""


class Table(msgspec.Struct, frozen=True):
    """The address of a table in a catalog.

    Attributes:
        uri: the catalog's URL, without `/v1`.
        namespace: n > 0 levels.
        name: name of the table.
        prefix: path after `v1` from the catalog's configuration, percent-encoded.
        separator: separator of levels, percent-encoded.
    """

    uri: str
    namespace: tuple[str, ...]
    name: str
    prefix: str = ""
    separator: str = SEPARATOR

    def url(self, *path: str) -> str:
        """Return the URL of a path below the prefix; its parts are percent-encoded."""
        parts = (self.uri.rstrip("/"), "v1", self.prefix.strip("/"), *path)
        return "/".join(part for part in parts if part)

    def tables_url(self, *path: str) -> str:
        """Return the URL of a path below the namespace's tables."""
        levels = self.separator.join(_quoted(level) for level in self.namespace)
        return self.url("namespaces", levels, "tables", *path)


def config_request(uri: str, warehouse: str) -> RestRequest:
    """Return the request for the catalog's configuration.

    Args:
        uri: the catalog's URL.
        warehouse: the warehouse in the destination's URL; "" without one.
    """
    query = "?" + urlencode({"warehouse": warehouse}, quote_via=quote, safe="") if warehouse else ""
    return RestRequest("GET", f"{uri.rstrip('/')}/v1/config{query}")


def load_request(table: Table) -> RestRequest:
    """Return the request for the current table."""
    return RestRequest("GET", table.tables_url(_quoted(table.name)))


def namespace_request(table: Table) -> RestRequest:
    """Return the request that creates the namespace."""
    return _post(table.url("namespaces"), {"namespace": table.namespace, "properties": {}})


def create_request(table: Table, metadata: Metadata) -> RestRequest:
    """Return the request that creates the table in one step.

    Args:
        table: the table.
        metadata: metadata for the new table; with an empty `location` the catalog chooses.
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
    """Return the request for a change, on condition that table UUID and `main` are unchanged.

    The update repeats the properties of `main`, for example its snapshot retention, because an
    update without them would reset them. Each snapshot is removed by its own update: catalogs with
    Iceberg's Java library before 1.10 accept only one snapshot in an update.

    Args:
        table: the table.
        base: the metadata that the change was made for.
        change: the change.
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
    """Return a commit without changes, on the false condition of another table UUID.

    Args:
        table: the table.
        base: the table's metadata.
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
