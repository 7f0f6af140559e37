"""The Lambda function: it commits all waiting files, and returns the unfinished messages."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from committer_bench import committer, store
from places import Folder, Place, soon, sqlite
from wakes import SCHEDULE, eventbridge_event, s3_event, sqs_event

from otlp2parquet_ext.functions.committer import function as committer_room
from otlp2parquet_ext.functions.committer.function import CommitterError, answer, handler
from otlp2parquet_ext.lake.iceberg.upkeep.merge import FEWEST_SMALL

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def lake(tmp_path: Path) -> Place:
    """An empty table."""
    return sqlite(tmp_path)


def keys(lake: Place) -> list[str]:
    """Return the keys of all that waits, as a bucket would have them."""
    return [f"prefix/otel/logs/{name}" for name in lake.inbox()]


def ask(lake: Place, event: object, within_ms: int = 20_000) -> dict[str, Any]:
    """Let the committer answer an event."""
    return answer([committer(lake)], event, soon(within_ms))


def test_a_batch_of_messages_commits_all_that_waits(lake: Place) -> None:
    """Not only what the messages tell of: others' events may be late."""
    store(lake, "a", "b", "c")
    event = sqs_event([s3_event(key) for key in keys(lake)[:1]])
    assert ask(lake, event) == {"batchItemFailures": []}
    assert lake.bodies() == ["a", "b", "c"]


def test_late_and_repeated_messages_are_done_already(lake: Place) -> None:
    """Queues deliver at least once, in any order."""
    store(lake, "a")
    event = sqs_event([s3_event(*keys(lake))] * 3)
    for _ in range(3):
        assert ask(lake, event) == {"batchItemFailures": []}
    assert lake.bodies() == ["a"]


def test_foreign_messages_do_not_come_back(lake: Place, capfd: pytest.CaptureFixture[str]) -> None:
    """Another try would not help, so they are logged once."""
    store(lake, "a")
    event = sqs_event(["no JSON", {"order": 7}, s3_event(*keys(lake)), s3_event("else/x.json")])
    assert ask(lake, event) == {"batchItemFailures": []}
    assert lake.bodies() == ["a"]
    assert capfd.readouterr().err.count("2 messages of the queue name no object") == 1


def test_without_time_the_messages_come_back(lake: Place) -> None:
    """Exactly those whose files still wait."""
    store(lake, "a", "b")
    waiting = keys(lake)
    event = sqs_event(["foreign", s3_event(waiting[0]), s3_event("x/gone.json")])
    assert ask(lake, event, 500) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert ask(lake, sqs_event([s3_event(*waiting)])) == {"batchItemFailures": []}


def break_catalog(lake: Place) -> Path:
    """Make the catalog unusable; return its path."""
    assert isinstance(lake.objects, Folder)
    catalog = lake.objects.root.parents[2] / "catalog.db"
    catalog.write_bytes(b"no database at all, but long enough to be one" * 100)
    return catalog


def test_when_the_table_cannot_be_committed_to_the_messages_come_back(
    lake: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    """When the cause is gone, they succeed."""
    store(lake, "a", "b")
    catalog = break_catalog(lake)
    event = sqs_event([s3_event(key) for key in keys(lake)])
    failures = [{"itemIdentifier": "m0"}, {"itemIdentifier": "m1"}]
    assert ask(lake, event) == {"batchItemFailures": failures}
    assert "file is not a database" in capfd.readouterr().err
    catalog.unlink()
    assert ask(lake, event) == {"batchItemFailures": []}
    assert lake.bodies() == ["a", "b"]


@pytest.mark.parametrize("make", [s3_event, eventbridge_event])
def test_an_event_without_a_queue_fails_as_a_whole(lake: Place, make: Any) -> None:
    """Lambda repeats it. An event about a descriptor that was committed before succeeds."""
    store(lake, "a")
    event = make(keys(lake)[0])
    catalog = break_catalog(lake)
    with pytest.raises(CommitterError, match="file is not a database"):
        ask(lake, event)
    catalog.unlink()
    for files in (1, 0):
        assert ask(lake, event) == {"files": files, "rows": files, "snapshots": files}


def test_a_schedule_takes_the_whole_inbox_and_fails_if_it_cannot(lake: Place) -> None:
    """It also finds files that were stored before there were events."""
    store(lake, "a", "b")
    with pytest.raises(CommitterError, match="there was no time for more"):
        ask(lake, SCHEDULE, 500)
    assert ask(lake, SCHEDULE) == {"files": 2, "rows": 2, "snapshots": 1}
    assert ask(lake, SCHEDULE) == {"files": 0, "rows": 0, "snapshots": 0}


def fill(lake: Place) -> None:
    """Commit so often that there is something to merge."""
    for number in range(FEWEST_SMALL):
        store(lake, f"{number:02}")
        ask(lake, {})


@pytest.mark.parametrize("maintain", ["on", "off"])
def test_time_that_is_left_goes_into_the_care_of_the_table(lake: Place, maintain: str) -> None:
    """Settings can switch this off."""
    wanted = Place(lake.kind, lake.url, lake.objects, {"OTLP2PARQUET_MAINTAIN": maintain})
    fill(wanted)
    snapshots = lake.objects.names("metadata/snap-")
    merged = lake.objects.names("care/replaced/")
    assert bool(merged) == (maintain == "on")
    assert len(snapshots) == FEWEST_SMALL + (maintain == "on")
    assert bool(lake.objects.names("care/sweep/")) == (maintain == "on")
    assert lake.bodies() == [f"{number:02}" for number in range(FEWEST_SMALL)]


def test_care_that_fails_is_told_of_and_fails_no_message(
    lake: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    """The rows are visible: to report them as failed would only repeat the trouble."""
    store(lake, "a")
    ask(lake, {})
    (listing,) = lake.objects.names("metadata/snap-")
    kept = lake.objects.read(listing)
    lake.objects.write(listing, b"no Avro")
    assert ask(lake, sqs_event([s3_event("inbox/x.json")])) == {"batchItemFailures": []}
    assert "merging manifests ended early" in capfd.readouterr().err
    lake.objects.write(listing, kept)


class Context:
    """Lambda's, as far as we use it."""

    def __init__(self, remaining_ms: int) -> None:
        self._remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self) -> int:
        """See Lambda."""
        return self._remaining_ms


def test_the_function_reads_its_settings_once_and_keeps_within_lambdas_time(
    lake: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment of the process is the function's configuration."""
    for name, value in lake.variables.items():
        monkeypatch.setenv(name, value)
    committer_room._places.cache_clear()
    store(lake, "a")
    assert handler({}, Context(20_000))["files"] == 1
    store(lake, "b")
    event = sqs_event([s3_event(*keys(lake))])
    failed = {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert handler(event, Context(2_500)) == failed
    monkeypatch.setenv("OTLP2PARQUET_DESTINATION", "sqlite:///nowhere/c.db")
    assert handler(event, Context(20_000)) == {"batchItemFailures": []}
    committer_room._places.cache_clear()


def test_a_locked_catalog_is_waited_for_no_longer_than_there_is_time(lake: Place) -> None:
    """Otherwise Lambda would end the function without an answer, and every message would return."""
    store(lake, "a")
    ask(lake, {})
    store(lake, "b")
    assert isinstance(lake.objects, Folder)
    database = lake.objects.root.parents[2] / "catalog.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        event = sqs_event([s3_event(*keys(lake))])
        assert ask(lake, event, 1_500) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
