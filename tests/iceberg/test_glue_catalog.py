"""Our append through Glue, with moto made to check versions, beside PyIceberg's GlueCatalog."""

from __future__ import annotations

import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import counting_proxy
import moto_glue
import pytest
from counting_proxy import Cut, Proxy
from glue_bench import GlueHome
from lake_bench import bodies_at, soon
from rest_bench import asked

from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.records.tables.logs import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otlp2parquet_ext.lake.storage.buffers import BytesLike
    from otlp2parquet_ext.lake.storage.storage import Put

NAMES = count()
COMMITS = 25
"""More than snapshots and metadata files are kept."""


@pytest.fixture
def proxy(moto: str) -> Iterator[Proxy]:
    """Start a proxy before Glue."""
    with counting_proxy.running(moto) as found:
        yield found


@pytest.fixture
def home(tmp_path: Path, moto: str, proxy: Proxy) -> GlueHome:
    """A table that does not exist yet."""
    return GlueHome(tmp_path, f"logs{next(NAMES)}", proxy.url, moto)


def test_everybody_appends_on_top_of_everybody(home: GlueHome) -> None:
    """Our append, PyIceberg's, and ours again: PyIceberg and DuckDB read the same rows."""
    home.append(bodies_at(0, "ours"), "1")
    home.pyiceberg().commit(home.store(bodies_at(1, "theirs"), "2"), soon())
    home.append(bodies_at(2, "ours again"), "3")
    home.pyiceberg().commit(home.store(bodies_at(0, "theirs at last"), "4"), soon())
    home.append(bodies_at(0, "ours at last"), "5")
    expected = ["ours", "theirs", "ours again", "theirs at last", "ours at last"]
    assert home.bodies() == sorted(expected)


def test_the_table_is_made_as_athena_needs_it(home: GlueHome) -> None:
    """Columns are in lower case, in Glue and in Iceberg; ids and location are set.

    It is external.
    """
    home.append(bodies_at(0, "a"), "a")
    made = home.glue_table()
    assert made["TableType"] == "EXTERNAL_TABLE"
    assert made["Parameters"]["table_type"] == "ICEBERG"
    assert made["StorageDescriptor"]["Location"] == str(home.location)
    names = [column["Name"] for column in made["StorageDescriptor"]["Columns"]]
    assert names == [column.name.lower() for column in COLUMNS]
    assert [field.name for field in home.table().schema().fields] == names
    assert home.table().spec().fields[0].name == "timestamp_day"


def test_a_steady_flush_is_two_requests_to_glue(home: GlueHome, proxy: Proxy) -> None:
    """It also writes three files: manifest, manifest list, metadata."""
    table = home.lean()
    files = [home.store(bodies_at(0, body), body) for body in ("a", "b", "c")]
    table.commit(files[0], soon())
    proxy.reset()
    for later in files[1:]:
        before = set((home.location / "metadata").iterdir())
        table.commit(later, soon())
        assert asked(proxy) == ["GetTable 200", "UpdateTable 200"]
        new = set((home.location / "metadata").iterdir()) - before
        assert sorted(path.suffix for path in new) == [".avro", ".avro", ".json"]


def test_what_others_put_into_the_table_stays(home: GlueHome) -> None:
    """Parameters, description, owner and columns' comments survive 25 commits."""
    home.append(bodies_at(0, "first"), "first")
    table = home.glue_table()
    given = {
        "Name": home.name,
        "Description": "what it is for",
        "Owner": "somebody",
        "TableType": "EXTERNAL_TABLE",
        "Parameters": table["Parameters"] | {"optimizer": "on"},
        "StorageDescriptor": table["StorageDescriptor"] | {"AdditionalLocations": ["s3://x/"]},
        "PartitionKeys": [],
        "Retention": 3,
    }
    home.glue().update_table(DatabaseName="otel", TableInput=given)
    ours = home.lean()
    for number in range(COMMITS):
        ours.commit(home.store(bodies_at(0, f"{number}"), f"{number}"), soon())
    after = home.glue_table()
    for name in ("Description", "Owner", "StorageDescriptor", "Retention", "TableType"):
        assert after[name] == given[name]
    assert after["Parameters"]["optimizer"] == "on"
    previous = Path(after["Parameters"]["previous_metadata_location"])
    assert previous.name.startswith(f"{COMMITS:05}-")
    assert len(home.bodies()) == COMMITS + 1
    assert len(home.table().metadata.snapshots) == 20
    metadata = list((home.location / "metadata").glob("*.metadata.json"))
    assert len(metadata) == 21  # the current one, and as many as the table wants to keep


def test_a_commit_whose_answer_is_lost_is_looked_up(home: GlueHome, proxy: Proxy) -> None:
    """It succeeded: the next attempt finds its own names in the table, and ends."""
    table = home.lean()
    table.commit(home.store(bodies_at(0, "a"), "a"), soon())
    files = home.store(bodies_at(0, "b"), "b")
    proxy.reset()
    proxy.fault(Cut.AFTER, target="*.UpdateTable")
    table.commit(files, soon())
    assert asked(proxy) == ["GetTable 200", "UpdateTable 0", "GetTable 200"]
    assert home.bodies() == ["a", "b"]


def test_somebody_who_commits_in_between_is_not_overwritten(home: GlueHome, proxy: Proxy) -> None:
    """The version changes between our GetTable and our UpdateTable."""
    home.append(bodies_at(0, "a"), "a")
    theirs = home.store(bodies_at(0, "theirs"), "theirs")
    disk = Interrupted(lambda: home.pyiceberg().commit(theirs, soon()))
    files = home.store(bodies_at(0, "b"), "b")
    proxy.reset()
    home.lean(disk).commit(files, soon())
    assert asked(proxy) == ["GetTable 200", "UpdateTable 400", "GetTable 200", "UpdateTable 200"]
    assert home.bodies() == ["a", "b", "theirs"]


class Interrupted(LocalStorage):
    """A disk on which something happens when the first metadata is stored."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__(Path("/"))
        self._happens = [happens]

    def put(self, path: str, data: BytesLike) -> Put:
        """See `Storage.put`."""
        if path.endswith(".json") and self._happens:
            self._happens.pop()()
        return super().put(path, data)


@pytest.mark.thorough
def test_many_writers_lose_and_double_nothing(home: GlueHome) -> None:
    """Eight processes make five commits each to one table that does not exist at first."""
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from pathlib import Path\n"
        "from lake_bench import bodies_at, soon\n"
        "from glue_bench import GlueHome\n"
        "folder, name, url, writer = sys.argv[3:]\n"
        "home = GlueHome(Path(folder) / writer, name, url, url)\n"
        "table = home.lean()\n"
        "for number in range(5):\n"
        "    body = f'{writer}-{number}'\n"
        "    table.commit(home.store(bodies_at(0, body), body), soon(60_000))\n"
    )
    paths = [str(Path(__file__).parent), str(Path(moto_glue.__file__).parent)]
    arguments = [*paths, str(home.folder), home.name, home.direct_url]
    writers = [
        subprocess.Popen([sys.executable, "-c", code, *arguments, str(number)])
        for number in range(8)
    ]
    assert [writer.wait(100) for writer in writers] == [0] * 8
    assert home.bodies() == sorted(f"{w}-{n}" for w in range(8) for n in range(5))
    assert home.table().metadata.snapshots[-1].sequence_number == 40


def test_without_the_check_of_versions_commits_would_be_lost(home: GlueHome) -> None:
    """This is why the tests change moto: an update of an old version has to be refused."""
    home.append(bodies_at(0, "a"), "a")
    old = home.glue_table()
    home.append(bodies_at(0, "b"), "b")
    given = {name: old[name] for name in ("Name", "Parameters", "StorageDescriptor")}
    glue = home.glue()
    with pytest.raises(glue.exceptions.ConcurrentModificationException):
        glue.update_table(DatabaseName="otel", TableInput=given, VersionId=old["VersionId"])
    assert home.bodies() == ["a", "b"]


def test_a_table_dropped_under_us_is_made_anew(home: GlueHome) -> None:
    """Every flush reads the table, so the next one notices."""
    table = home.lean()
    table.commit(home.store(bodies_at(0, "a"), "a"), soon())
    home.glue().delete_table(DatabaseName="otel", Name=home.name)
    table.commit(home.store(bodies_at(0, "b"), "b"), soon())
    assert home.bodies() == ["b"]


def test_a_table_that_is_not_icebergs_is_left_alone(home: GlueHome) -> None:
    """A crawler has created it."""
    home.append(bodies_at(0, "a"), "a")
    other = GlueHome(home.folder, f"{home.name}x", home.url, home.direct_url)
    given = {"Name": other.name, "Parameters": {"classification": "parquet"}}
    home.glue().create_table(DatabaseName="otel", TableInput=given)
    with pytest.raises(CommitError, match="not Iceberg's"):
        other.append(bodies_at(0, "b"), "b")
    assert other.glue_table()["Parameters"] == {"classification": "parquet"}
