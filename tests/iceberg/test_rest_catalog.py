"""Our append through Apache Iceberg's own REST catalog: beside PyIceberg's, and read by Java."""

from __future__ import annotations

import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import counting_proxy
import pytest
import rest_fixture
from as_seen import as_seen, with_little
from counting_proxy import Cut, Proxy
from lake_bench import bodies_at, soon
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table.statistics import StatisticsFile
from pyiceberg.types import LongType, StringType
from rest_bench import RestHome, asked

from otlp2parquet_ext.lake.http.client import Client
from otlp2parquet_ext.lake.iceberg import open_table
from otlp2parquet_ext.lake.iceberg.catalogs.rest_client import RestTable
from otlp2parquet_ext.lake.iceberg.commit.catalog import OutcomeUnknownError
from otlp2parquet_ext.lake.iceberg.commit.terms import Terms
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.records.tables.logs import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = count()
COMMITS = 25
"""More than snapshots are kept."""


@pytest.fixture
def server(iceberg_rest: tuple[str, str]) -> str:
    """Return the catalog's URL."""
    return iceberg_rest[0]


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    """Start a proxy before the catalog."""
    with counting_proxy.running(server) as found:
        yield found


@pytest.fixture
def home(tmp_path: Path, server: str, proxy: Proxy) -> RestHome:
    """A table that does not exist yet."""
    return RestHome(tmp_path, f"logs{next(NAMES)}", proxy.url, server)


def test_everybody_appends_on_top_of_everybody(home: RestHome) -> None:
    """Both append in turn; PyIceberg, DuckDB and Java read the same rows."""
    home.append(bodies_at(0, "ours"), "1")
    for number, body in enumerate(("theirs", "theirs again"), 2):
        home.pyiceberg().commit(home.store(bodies_at(number, body), str(number)), soon())
    home.append(bodies_at(1, "ours again"), "4")
    home.pyiceberg().commit(home.store(bodies_at(2, "theirs at last"), "5"), soon())
    home.append(bodies_at(2, "ours at last"), "6")
    expected = ["ours", "theirs", "theirs again", "ours again", "theirs at last", "ours at last"]
    assert home.bodies() == sorted(expected)
    snapshots = home.table().metadata.snapshots
    assert [snapshot.sequence_number for snapshot in snapshots] == [1, 2, 3, 4, 5, 6]
    assert snapshots[-1].summary is not None
    assert snapshots[-1].summary["total-records"] == "6"


def test_a_table_after_our_append_is_the_one_after_pyicebergs(
    home: RestHome, tmp_path: Path, server: str
) -> None:
    """Schema, spec, order, properties, rows, files, snapshots and manifests are equal."""
    theirs = RestHome(tmp_path / "theirs", f"logs{next(NAMES)}", server, server)
    for number, bodies in enumerate((["a", "b"], ["c"], ["d" * 40])):
        files = home.store(bodies_at(number, *bodies), str(number))
        home.lean().commit(files, soon())
        theirs.pyiceberg().commit(with_little(files), soon())
    mine, reference = home.table(), theirs.table()
    assert as_seen(mine) == as_seen(reference)
    assert [(f.field_id, f.name) for f in mine.schema().fields] == [
        (column.field_id, column.name) for column in COLUMNS
    ]
    assert mine.spec() == reference.spec()
    assert mine.sort_order() == reference.sort_order()
    without_ledger = {k: v for k, v in reference.properties.items() if "otlp2parquet" not in k}
    assert without_ledger.items() <= mine.properties.items()


def test_java_prunes_by_our_bounds(home: RestHome, server: str) -> None:
    """A filter on an impossible value finds nothing; on an existing one it finds the row."""
    home.append(bodies_at(0, "a", "b"), "1")
    home.append(bodies_at(1, "c"), "2")
    found = rest_fixture.java_rows(server, "otel", home.name, "Body", "c")
    assert [row["Body"] for row in found] == ["c"]
    assert found[0]["Timestamp"] == "2024-10-05T12:00Z"
    assert rest_fixture.java_rows(server, "otel", home.name, "Body", "zz") == []


def test_a_steady_flush_is_one_request_to_the_catalog(home: RestHome, proxy: Proxy) -> None:
    """The answer to our last commit has the table for this flush."""
    table = home.lean()
    files = [home.store(bodies_at(0, body), body) for body in ("a", "b", "c")]
    table.commit(files[0], soon())
    first = asked(proxy)
    # The namespace is there where another test was first.
    assert first[2] in {"POST 200", "POST 409"}
    assert [*first[:2], *first[3:]] == ["GET 200", "GET 404", *["POST 200"] * 2]
    for later in files[1:]:
        before = stored(home)
        table.commit(later, soon())
        assert asked(proxy) == ["POST 200"]
        new = stored(home) - before
        assert sorted(name.rpartition(".")[2] for name in new) == ["avro", "avro", "json"]
    assert home.bodies() == ["a", "b", "c"]


def stored(home: RestHome) -> set[str]:
    """Return the files of the table's metadata, without Java's checksums."""
    names = {path.name for path in (home.location / "metadata").iterdir()}
    return {name for name in names if not name.endswith(".crc")}


def test_a_conflict_is_seen_and_borne(home: RestHome, proxy: Proxy) -> None:
    """Another writer commits between two of our flushes.

    We lose, read the table, and commit on top.
    """
    table = home.lean()
    table.commit(home.store(bodies_at(0, "a"), "a"), soon())
    home.pyiceberg().commit(home.store(bodies_at(0, "theirs"), "theirs"), soon())
    files = home.store(bodies_at(0, "b"), "b")
    proxy.reset()
    table.commit(files, soon())
    assert asked(proxy) == ["POST 409", "GET 200", "POST 200"]
    files = home.store(bodies_at(0, "c"), "c")
    table.commit(files, soon())
    assert asked(proxy) == ["GET 200", "POST 200"]  # others may still be there
    assert home.bodies() == ["a", "b", "c", "theirs"]


def test_a_refused_manifest_list_is_removed(home: RestHome) -> None:
    """After a lost attempt only the manifest stays, which the next attempt uses."""
    table = home.lean()
    table.commit(home.store(bodies_at(0, "a"), "a"), soon())
    home.pyiceberg().commit(home.store(bodies_at(0, "theirs"), "theirs"), soon())
    table.commit(home.store(bodies_at(0, "b"), "b"), soon())
    current = home.table()
    lists = {Path(s.manifest_list).name for s in current.metadata.snapshots}
    used = {Path(m["path"]).name for m in current.inspect.manifests().to_pylist()}
    assert {name for name in stored(home) if name.endswith(".avro")} == lists | used


COMMIT = "*/tables/*"


@pytest.mark.parametrize("cut", [Cut.AFTER, Cut.HALF])
def test_a_commit_whose_answer_is_lost_is_looked_up(home: RestHome, proxy: Proxy, cut: Cut) -> None:
    """It succeeded: the next attempt finds its own names in the table, and ends."""
    table = home.lean()
    table.commit(home.store(bodies_at(0, "a"), "a"), soon())
    files = home.store(bodies_at(0, "b"), "b")
    proxy.reset()
    proxy.fault(cut, method="POST", path=COMMIT)
    table.commit(files, soon())
    assert asked(proxy) == ["POST 0", "GET 200"]
    assert home.bodies() == ["a", "b"]


def test_a_commit_that_cannot_be_looked_up_is_recognised_by_the_next_flush(
    home: RestHome, proxy: Proxy
) -> None:
    """The deadline passes before, and the file is kept. It is not added twice later."""
    table = home.lean()
    files = home.store(bodies_at(0, "a"), "a")
    table.commit(files, soon())
    proxy.fault(Cut.AFTER, times=1_000)
    more = home.store(bodies_at(0, "b"), "b")
    with pytest.raises(CommitError):
        table.commit(more, soon(700))
    proxy.reset()
    table.commit(more, soon())
    assert home.bodies() == ["a", "b"]
    assert home.table().scan().count() == 2


def test_a_first_commit_whose_creation_is_lost_finds_the_table(
    home: RestHome, proxy: Proxy
) -> None:
    """The table is created again, and an existing one is accepted."""
    proxy.fault(Cut.AFTER, method="POST", path="*/tables")
    home.lean().commit(home.store(bodies_at(0, "a"), "a"), soon())
    assert "POST 409" in asked(proxy)
    assert home.bodies() == ["a"]


def test_many_writers_lose_and_double_nothing(home: RestHome) -> None:
    """Eight processes make three commits each to one table that does not exist at first."""
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from pathlib import Path\n"
        "from lake_bench import bodies_at, soon\n"
        "from rest_bench import RestHome\n"
        "folder, name, url, writer = sys.argv[3:]\n"
        "home = RestHome(Path(folder) / writer, name, url, url)\n"
        "table = home.lean()\n"
        "for number in range(3):\n"
        "    body = f'{writer}-{number}'\n"
        "    table.commit(home.store(bodies_at(0, body), body), soon(60_000))\n"
    )
    paths = [str(Path(__file__).parent), str(Path(rest_fixture.__file__).parent)]
    arguments = [*paths, str(home.folder), home.name, home.direct_url]
    writers = [
        subprocess.Popen([sys.executable, "-c", code, *arguments, str(number)])
        for number in range(8)
    ]
    assert [writer.wait(100) for writer in writers] == [0] * 8
    assert home.bodies() == sorted(f"{w}-{n}" for w in range(8) for n in range(3))
    snapshots = home.table().metadata.snapshots
    assert snapshots[-1].sequence_number == 24


def test_a_table_dropped_under_us_is_said_and_created_again_later(home: RestHome) -> None:
    """The files are kept, and are added to the table that the next flush creates."""
    table = home.lean()
    table.commit(home.store(bodies_at(0, "a"), "a"), soon())
    home.catalog().drop_table(("otel", home.name))
    files = home.store(bodies_at(0, "b"), "b")
    with pytest.raises(CommitError, match="the table was dropped or renamed"):
        table.commit(files, soon())
    with pytest.raises(NoSuchTableError):
        home.table()
    table.commit(files, soon())
    assert home.bodies() == ["b"]


def test_a_table_replaced_under_us_is_another(home: RestHome) -> None:
    """Name and place are equal and it has no snapshot, so only the table's id differs."""
    table = home.lean()
    table.commit(home.store(bodies_at(0, "a"), "a"), soon())
    schema = home.table().schema()
    home.catalog().drop_table(("otel", home.name))
    made = home.catalog().create_table(("otel", home.name), schema, location=str(home.location))
    table.commit(home.store(bodies_at(0, "b"), "b"), soon())
    assert home.bodies() == ["b"]
    assert home.table().metadata.table_uuid == made.metadata.table_uuid


def test_what_others_did_to_the_table_survives(home: RestHome) -> None:
    """Branch, tag, statistics, retention, properties and sort order survive 25 of our commits.

    The retention of `main` keeps each snapshot for 31 years, so none expires.
    """
    home.append(bodies_at(0, "first"), "first")
    first = home.table().metadata.current_snapshot_id
    assert first is not None
    table = home.table()
    table.manage_snapshots().create_tag(first, "release").create_branch(first, "audit").commit()
    with table.update_statistics() as update:
        update.set_statistics(statistics_of(first))
    home.update(
        {"action": "add-sort-order", "sort-order": {"order-id": 1, "fields": [SORT]}},
        {"action": "set-default-sort-order", "sort-order-id": -1},
        {"action": "set-properties", "updates": {"owner": "somebody"}},
        {
            "action": "set-snapshot-ref",
            "ref-name": "main",
            "type": "branch",
            "snapshot-id": first,
            "max-snapshot-age-ms": 10**12,
        },
    )
    ours = home.lean()
    for number in range(COMMITS):
        ours.commit(home.store(bodies_at(0, f"{number}"), f"{number}"), soon())
    after = home.table().metadata
    assert after.refs["release"].snapshot_id == after.refs["audit"].snapshot_id == first
    assert after.refs["main"].max_snapshot_age_ms == 10**12
    assert [s.snapshot_id for s in after.statistics] == [first]
    assert after.default_sort_order_id == 1
    assert after.properties["owner"] == "somebody"
    kept = {snapshot.snapshot_id for snapshot in after.snapshots}
    assert first in kept
    assert len(kept) == COMMITS + 1
    assert len(home.bodies()) == COMMITS + 1
    assert home.table().scan(snapshot_id=first).to_arrow().num_rows == 1


SORT = {"transform": "identity", "source-id": 1, "direction": "asc", "null-order": "nulls-first"}


def statistics_of(snapshot_id: int) -> StatisticsFile:
    """Describe a statistics file that no test reads."""
    described = {
        "snapshot-id": snapshot_id,
        "statistics-path": "x.puffin",
        "file-size-in-bytes": 1,
        "file-footer-size-in-bytes": 1,
        "blob-metadata": [],
    }
    return StatisticsFile.model_validate(described)


def test_a_snapshot_that_others_expired_before_us_does_not_hinder(home: RestHome) -> None:
    """S3 Tables expires snapshots, too. Expiring one twice is no error."""
    table = home.lean()
    for number in range(20):
        table.commit(home.store(bodies_at(0, f"{number}"), f"{number}"), soon())
    oldest = home.table().metadata.snapshots[0].snapshot_id
    home.update({"action": "remove-snapshots", "snapshot-ids": [oldest]})
    table.commit(home.store(bodies_at(0, "20"), "20"), soon())
    assert len(home.bodies()) == 21
    assert len(home.table().metadata.snapshots) == 20


def test_a_schema_evolved_by_others_is_kept_and_appended_to(home: RestHome) -> None:
    """Columns are renamed, widened, added and dropped while we remember the older table."""
    table = home.lean()
    table.commit(home.store(bodies_at(0, "first"), "first"), soon())
    with home.table().update_schema() as update:
        update.rename_column("Body", "Message")
        update.add_column("Team", StringType())
        update.update_column("SeverityNumber", LongType())
        update.delete_column("EventName")
    table.commit(home.store(bodies_at(0, "second"), "second"), soon())
    table.commit(home.store(bodies_at(0, "third"), "third"), soon())
    rows = home.table().scan().to_arrow()
    assert sorted(rows["Message"].to_pylist()) == ["first", "second", "third"]
    assert rows["SeverityNumber"].to_pylist() == [9, 9, 9]
    assert rows["Team"].null_count == 3
    seen = rest_fixture.java_rows(home.direct_url, "otel", home.name, "Message", "second")
    assert [(row["Message"], row["SeverityNumber"]) for row in seen] == [("second", 9)]
    assert home.table().metadata.current_schema_id == 1


def test_rows_somebody_deleted_stay_deleted(home: RestHome) -> None:
    """A file is removed and its manifest rewritten; our append copies the list unchanged."""
    table = home.lean()
    table.commit(home.store(bodies_at(0, "keep"), "1"), soon())
    table.commit(home.store(bodies_at(0, "delete me"), "2"), soon())
    home.table().delete("Body == 'delete me'")
    table.commit(home.store(bodies_at(0, "new"), "3"), soon())
    assert home.bodies() == ["keep", "new"]


def test_the_catalog_may_choose_the_location(home: RestHome) -> None:
    """S3 Tables does this, with columns in lower case."""
    disk = LocalStorage(Path("/"))
    table = open_table.rest_table(
        home.rest(), disk, label="otel.logs", terms=Terms(lower_case=True)
    )
    place = table.location(soon())
    assert place.endswith(f"otel/{home.name}")
    table.commit(home.store(bodies_at(0, "a"), "a"), soon())
    found = home.table()
    assert found.location() == place
    assert [f.name for f in found.schema().fields] == [c.name.lower() for c in COLUMNS]
    assert found.scan().to_arrow()["body"].to_pylist() == ["a"]
    java = rest_fixture.java_rows(home.direct_url, "otel", home.name, "body", "a")
    assert [row["body"] for row in java] == ["a"]


def test_a_credential_gets_its_token_from_the_catalog(home: RestHome, proxy: Proxy) -> None:
    """The fixture has the token endpoint of the specification."""
    home.append(bodies_at(0, "a"), "a")
    wanted = RestTable(home.url, "", "otel", home.name)
    proxy.reset()
    catalog = open_table.bearer_catalog(Client(), wanted, credential="me:secret")
    assert catalog.load(soon()) is not None
    assert asked(proxy) == ["POST 200", "GET 200", "GET 200"]


@pytest.mark.thorough
def test_a_catalog_that_dies_says_so_and_is_used_again_when_it_is_back(tmp_path: Path) -> None:
    """It comes back on another port, as behind a load balancer.

    The remembered state stays valid.
    """
    with (
        rest_fixture.running(tmp_path / "server") as first,
        counting_proxy.running(first) as proxy,
    ):
        home = RestHome(tmp_path, "logs", proxy.url, first)
        table = home.lean()
        table.commit(home.store(bodies_at(0, "a"), "a"), soon())
        files = home.store(bodies_at(0, "b"), "b")
    with pytest.raises((CommitError, OutcomeUnknownError)):
        table.commit(files, soon(1_000))
    with rest_fixture.running(tmp_path / "server") as second:
        again = RestHome(tmp_path, "logs", second, second)
        again.lean().commit(files, soon())
        assert again.bodies() == ["a", "b"]
