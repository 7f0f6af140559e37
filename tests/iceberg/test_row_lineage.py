"""Tables of format version 3: each row has an id, which other readers count as we do."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import every_table
import pytest
import rest_fixture
from lake_bench import Home, bodies_at, soon
from places import rest

from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.lake.iceberg.commit.append import LeanTable
from otlp2parquet_ext.lake.iceberg.format.avro_file import new_file, open_file
from otlp2parquet_ext.lake.iceberg.format.avro_reader import records
from otlp2parquet_ext.lake.iceberg.format.manifest_schemas import MANIFEST_FILE
from otlp2parquet_ext.lake.iceberg.format.row_lineage import numbered
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.iceberg.upkeep.merging import merge_manifests
from otlp2parquet_ext.tools import query


def upgrade(home: Home, **more: object) -> None:
    """Upgrade the table to version 3, as Iceberg's libraries do: no snapshot is written."""
    home.replace_metadata(home.metadata() | {"format-version": 3, "next-row-id": 0} | more)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A table of version 3 without a snapshot of that version: one of version 2, of 3 rows."""
    home = Home(tmp_path)
    home.append(bodies_at(0, "a", "b"), "1")
    home.append(bodies_at(0, "c"), "2")
    upgrade(home)
    return home


def row_ids(home: Home) -> list[tuple[Any, ...]]:
    """Read body, id and sequence number of each row with DuckDB, which supports version 3."""
    connection = query.connect(f"sqlite://{home.database}", {"OTLP2PARQUET_TABLE_LOGS": "logs"})
    columns = "Body, _row_id, _last_updated_sequence_number"
    sql = f"SELECT {columns} FROM iceberg_scan('{home.metadata_path()}') ORDER BY 2"  # noqa: S608
    return connection.execute(sql).fetchall()


def listed(address: str) -> bytes:
    """Read a file of the table by its address."""
    return Path(address.removeprefix("file://")).read_bytes()


def lines(home: Home) -> list[dict[int, Any]]:
    """Read the current manifest list."""
    metadata = home.metadata()
    listing = open_file(listed(metadata["snapshots"][-1]["manifest-list"]))
    return [dict(record.values) for record in records(listing, range(500, 521))]


def test_rows_have_ids_in_the_order_of_commits(home: Home) -> None:
    """Those from before the upgrade get theirs with the first commit after it, and keep them."""
    home.append(bodies_at(0, "d", "e", "f"), "3")
    first = [("a", 0, 1), ("b", 1, 1), ("c", 2, 2), ("d", 3, 3), ("e", 4, 3), ("f", 5, 3)]
    assert row_ids(home) == first
    home.append(bodies_at(1, "g"), "4")
    assert row_ids(home) == [*first, ("g", 6, 4)]
    assert home.bodies() == list("abcdefg")


def test_several_files_of_one_commit_have_ids_one_after_the_other(home: Home) -> None:
    """A file's first id is the manifest's and the rows of the files before it."""
    files = [*home.store(bodies_at(0, "d", "e"), "3"), *home.store(bodies_at(1, "f"), "4")]
    home.lean().commit(files, soon())
    assert [row[:2] for row in row_ids(home)] == [(b, n) for n, b in enumerate("abcdef")]


def test_snapshots_and_the_table_say_which_ids_are_given(home: Home) -> None:
    """The specification's rules: no id twice, and the next one is after all."""
    for number, bodies in enumerate(("def", "g", "hi")):
        home.append(bodies_at(0, *bodies), f"x{number}")
    metadata = home.metadata()
    found = [s for s in metadata["snapshots"] if "first-row-id" in s]
    assert [(s["first-row-id"], s["added-rows"]) for s in found] == [(0, 6), (6, 1), (7, 2)]
    assert metadata["next-row-id"] == 9
    spans = sorted((line[520], line[512] + line[513]) for line in lines(home))
    assert all(start + rows == after for (start, rows), (after, _) in pairwise(spans))
    assert spans[-1] == (7, 2)


def test_a_lost_attempt_gives_its_ids_to_nobody(home: Home) -> None:
    """Two writers that begin with the same metadata: the second tries again, with other ids."""
    home.append(bodies_at(0, "d"), "3")
    one, other = home.lean(), home.lean()
    files = home.store(bodies_at(0, "e"), "4"), home.store(bodies_at(0, "f"), "5")
    assert isinstance(one, LeanTable)
    catalog = one.handle.catalog
    stale = catalog.load(soon())
    other.commit(files[1], soon())
    fresh, catalog.load = catalog.load, lambda *_, **__: stale_then_fresh.pop(0)()  # type: ignore[method-assign]
    stale_then_fresh = [lambda: stale] + [lambda: fresh(soon())] * 5
    one.commit(files[0], soon())
    assert [row[:2] for row in row_ids(home)] == [(b, n) for n, b in enumerate("abcdfe")]


def test_a_steady_commit_decodes_no_line_of_the_list(home: Home) -> None:
    """A list with ids is returned unchanged; only a list from before is written again."""
    old = open_file(listed(home.metadata()["snapshots"][-1]["manifest-list"]))
    anew, free = numbered(old, 10)
    assert anew is not old
    assert free == 13
    home.append(bodies_at(0, "d"), "3")
    listing = open_file(listed(home.metadata()["snapshots"][-1]["manifest-list"]))
    assert numbered(listing, 10) == (listing, 10)
    assert numbered(listing, 10)[0] is listing


def test_manifests_of_deletes_get_no_ids() -> None:
    """Only data files have rows."""
    record = {500: "/t/m.avro", 501: 1, 502: 0, 503: 1, 504: 1, 505: 2, 506: 0, 515: 1, 516: 1}
    record |= {512: 10, 513: 20, 514: 0, 507: [{509: False, 518: None, 510: b"a", 511: b"b"}]}
    old = new_file(MANIFEST_FILE, "deflate").adding([record | {517: n} for n in (0, 1, 0)], {})
    listing, free = numbered(old, 5)
    assert listing is not None
    made = [dict(found.values) for found in records(listing, range(500, 521))]
    assert [line[520] for line in made] == [5, None, 35]
    assert free == 65
    assert made[0][507] == record[507]


@pytest.mark.parametrize("next_row_id", [None, -1, "7", True])
def test_a_table_that_does_not_know_its_next_id_is_left_alone(
    home: Home, next_row_id: object
) -> None:
    """An id would be given twice."""
    upgrade(home, **{"next-row-id": next_row_id})
    before = home.metadata()
    with pytest.raises(CommitError, match=r"next-row-id is .*: expected a whole number from 0"):
        home.append(bodies_at(0, "d"), "3")
    assert home.metadata() == before


def test_manifests_with_row_ids_are_not_merged(home: Home) -> None:
    """Merged, their files would have to carry the ids themselves."""
    for number in range(3):
        home.append(bodies_at(0, str(number)), str(number + 3))
    table = home.lean()
    assert isinstance(table, LeanTable)
    merging = merge_manifests(table.handle, soon())
    assert "not merged" in merging.why
    assert not merging.replaced


def asked(url: str, namespace: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Load the table of logs from a REST catalog, or change it; return its metadata."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(  # noqa: S310 - the server of this test
        f"{url}/v1/namespaces/{namespace}/tables/logs",
        data=data,
        headers={"content-type": "application/json"},
    )
    with urlopen(request, timeout=20) as response:  # noqa: S310 - likewise
        metadata: dict[str, Any] = json.load(response)["metadata"]
    return metadata


def test_java_takes_our_commits_to_a_table_of_version_3_and_reads_them(
    iceberg_rest: tuple[str, str],
) -> None:
    """Its catalog upgrades the table and checks the ids; its reader reads what we wrote."""
    url, warehouse = iceberg_rest
    place = rest(url, Path(warehouse))
    namespace = place.environ["OTLP2PARQUET_NAMESPACE"]
    rows = {"logs": every_table.rows("logs")}
    for batch in "abc":
        destination = place.open()
        destination.store(Batch(batch * 32, rows), commit_follows=True)
        destination.commit(soon())
        if batch == "a":
            upgraded = {"action": "upgrade-format-version", "format-version": 3}
            asked(url, namespace, {"requirements": [], "updates": [upgraded]})
    metadata, each = asked(url, namespace), every_table.ROWS
    assert (metadata["format-version"], metadata["next-row-id"]) == (3, 3 * each)
    spans = [(s.get("first-row-id"), s.get("added-rows")) for s in metadata["snapshots"]]
    assert spans == [(None, None), (0, 2 * each), (2 * each, each)]
    found = rest_fixture.java_rows(url, namespace, "logs")
    wanted = [every_table.as_java_says("logs", row) for row in range(each) for _ in "abc"]
    assert sorted(found, key=lambda row: str(row["Timestamp"])) == wanted
