"""All tables of a namespace have their turn; what is wrong with one is wrong with no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import counting_proxy
import every_table
import places
import pytest
from committer_bench import ALL_LAKES, store
from lake_bench import bodies_at
from places import Place, soon
from tiers import tiered
from wakes import SCHEDULE, s3_event, sqs_event

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.functions.committer.function import answer
from otlp2parquet_ext.functions.committer.opening import open_places
from otlp2parquet_ext.functions.committer.sweeping import Options
from otlp2parquet_ext.functions.committer.tables import care_for_all, commit_all, together
from otlp2parquet_ext.functions.committer.work import Done
from otlp2parquet_ext.lake.destinations.choose import choose
from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.records.tables.registry import TABLES
from otlp2parquet_ext.tools import query
from otlp2parquet_ext.tools.cli import main

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from otlp2parquet_ext.functions.committer import opening as committer_place


@pytest.fixture(params=tiered(ALL_LAKES))
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Every kind of table."""
    return ALL_LAKES[request.param](tmp_path, request)


@pytest.fixture
def disk(tmp_path: Path) -> Place:
    """The embedded one."""
    return places.sqlite(tmp_path)


def leave(place: Place, *names: str, letter: str = "a") -> None:
    """Leave rows of some tables to the committer, as an environment does."""
    variables = {**place.variables, "OTLP2PARQUET_COMMIT": "inbox"}
    tables = {name: every_table.rows(name) for name in names}
    choose(load(variables)[0], variables).store(Batch(letter * 32, tables))


def there(place: Place) -> dict[str, int]:
    """Count the rows of each table that is there."""
    connection = query.connect(place.url, environ=place.variables)
    views = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal")
    counts = [
        (name, connection.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0])  # noqa: S608
        for (name,) in views.fetchall()
    ]
    return dict(counts)


def test_what_waits_for_any_table_is_committed(lake: Place) -> None:
    """Whichever tables a fleet has come to use, without a word to the committer."""
    leave(lake, *TABLES)
    committer = open_places(lake.variables)
    dones = commit_all(committer, soon())
    assert dones == [Done(files=1, rows=4, snapshots=1, empty=True)] * 7
    assert there(lake) == dict.fromkeys(TABLES, 4)
    assert together(commit_all(committer, soon())) == Done(empty=True)


def test_a_table_nothing_waits_for_is_not_created(lake: Place) -> None:
    """If the inbox is in the table's location, reading it must not create the table."""
    leave(lake, "traces")
    assert together(commit_all(open_places(lake.variables), soon())).files == 1
    assert there(lake).items() >= {("traces", 4)}
    assert there(lake).keys() <= {"logs", "traces"}


def test_a_backlog_of_one_table_is_not_waited_for_by_another(disk: Place) -> None:
    """A snapshot of each in turn."""
    store(disk, *(f"{number:02}" for number in range(9)))
    leave(disk, "traces")
    told: list[tuple[int, int]] = []
    commit_all(
        open_places(disk.variables),
        soon(),
        per_snapshot=3,
        progress=lambda _: told.append((len(disk.inbox()), len(disk.table("traces").inbox()))),
    )
    assert told.index((6, 0)) < told.index((3, 0))


def test_a_limit_is_of_all_tables_together(disk: Place) -> None:
    """A careful first step."""
    store(disk, "a", "b")
    leave(disk, "traces", "metrics_sum")
    assert together(commit_all(open_places(disk.variables), soon(), limit=3)).files == 3


def test_a_table_that_cannot_be_committed_to_keeps_no_other_waiting(disk: Place) -> None:
    """A line has the reason, and its files stay in its inbox."""
    leave(disk, "logs", "traces")
    assert isinstance(disk.objects, places.Folder)
    (disk.objects.root / "metadata").write_text("a file where the folder should be")
    dones = commit_all(open_places(disk.variables), soon())
    assert dones[0].problem.startswith("commit of 1 files to otel.logs failed")
    assert dones[1] == Done(files=1, rows=4, snapshots=1, empty=True)
    assert together(dones).problem == dones[0].problem
    assert there(disk) == {"traces": 4}
    assert len(disk.inbox()) == 1


def test_messages_of_a_table_come_back_while_its_files_wait(disk: Place) -> None:
    """Messages of other tables do not: one queue serves all inboxes."""
    leave(disk, "logs", letter="a")
    leave(disk, "traces", letter="b")
    keys = [f"otel/logs/{disk.inbox()[0]}", f"otel/traces/{disk.table('traces').inbox()[0]}"]
    assert isinstance(disk.objects, places.Folder)
    blocked = disk.objects.root / "metadata"
    blocked.write_text("a file where the folder should be")
    event = sqs_event([s3_event(key) for key in keys])
    committer = open_places(disk.variables)
    failed = {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert answer(committer, event, soon()) == failed
    blocked.unlink()
    assert answer(committer, event, soon()) == {"batchItemFailures": []}


def test_care_is_taken_of_the_tables_that_are_there(disk: Place) -> None:
    """Each swept for itself."""
    leave(disk, "logs", "traces")
    committer = open_places(disk.variables)
    commit_all(committer, soon())
    cared = list(care_for_all(committer, soon(), sweeping=Options()))
    assert [place.label for place, _ in cared] == ["otel.logs", "otel.traces"]
    assert [(c.swept and c.swept.ended, c.problems) for _, c in cared] == [(True, [])] * 2


def test_rows_of_any_table_that_lost_their_descriptor_come_back(disk: Place) -> None:
    """The sweep knows each table's columns, including lists."""
    leave(disk, "traces", letter="a")
    committer = open_places(disk.variables)
    commit_all(committer, soon())
    leave(disk, "traces", letter="b")
    traces = disk.table("traces")
    traces.objects.remove(*traces.inbox())
    sweeping = Options(older_than_ms=0)
    cared = list(care_for_all(committer, soon(), sweeping=sweeping))
    assert [c.swept.adopted for _, c in cared if c.swept] == [0, 1]
    assert together(commit_all(committer, soon())).files == 1
    assert there(disk) == {"traces": 8}


def test_the_command_tells_of_each_table(disk: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """One line for what was committed, and for the care of each."""
    leave(disk, "logs", "traces")
    assert main(["commit", disk.url, "--dry-run"]) == 0
    assert capsys.readouterr().out == "2 files wait in the inbox\n"
    assert main(["commit", disk.url, "--maintain"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("2 files of 8 rows are in the table, in 2 snapshots")
    assert "\notel.traces: manifests: 0 of 1" in out


def test_an_event_has_the_tables_looked_at_that_it_names_and_a_schedule_all(disk: Place) -> None:
    """The table of logs nearly always exists, so it is always read."""
    leave(disk, "logs", "traces", "metrics_sum")
    committer = open_places(disk.variables)
    (waiting,) = disk.table("traces").inbox()
    answer(committer, sqs_event([s3_event(f"otel/traces/{waiting}")]), soon())
    assert there(disk) == {"logs": 4, "traces": 4}
    answer(committer, SCHEDULE, soon())
    assert there(disk) == {"logs": 4, "traces": 4, "metrics_sum": 4}


def test_a_fleet_without_a_table_pays_two_requests_a_scheduled_run_for_it(moto: str) -> None:
    """Whether something waits, whether there is something to take care of; nothing else."""
    place = places.glue(moto)
    destination = place.open()
    destination.store(Batch("a" * 32, {"logs": bodies_at(0, "a")}), commit_follows=True)
    destination.commit(soon())
    event = sqs_event([s3_event("lake/logs/inbox/x.json")])
    with counting_proxy.running(moto) as proxy:
        committer = open_places({**place.variables, "AWS_ENDPOINT_URL": proxy.url})

        def requests(tables: Sequence[committer_place.TableLocation], woken_by: object) -> int:
            proxy.reset()
            answer(tables, woken_by, soon())
            return len(proxy.requests)

        requests(committer, SCHEDULE)  # what is asked for once in a life
        logs_alone = requests(committer[:1], event)
        assert requests(committer, event) == logs_alone
        assert requests(committer, SCHEDULE) == logs_alone + 2 * 6
