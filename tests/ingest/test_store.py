"""200 means that the rows are in the lake: visible, or waiting for a committer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from gateway_events import function_url
from places import Folder, glue, plain_s3, soon, sqlite

from otlp2parquet_ext.functions.committer.function import answer as commit
from otlp2parquet_ext.functions.committer.opening import open_places
from otlp2parquet_ext.functions.ingest import store as store_room
from otlp2parquet_ext.functions.ingest.service import IngestService
from otlp2parquet_ext.lake.destinations.destination import BusyError, DestinationError
from otlp2parquet_ext.lake.destinations.namespace import Namespace
from otlp2parquet_ext.lake.iceberg.commit.inbox import Inbox
from otlp2parquet_ext.lake.storage.storage import StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from places import Place

INBOX = {"OTLP2PARQUET_COMMIT": "inbox"}


@pytest.fixture
def lake(tmp_path: Path) -> Place:
    """An empty table."""
    return sqlite(tmp_path)


@pytest.fixture(autouse=True)
def _retries_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give commits the time that a busy machine needs."""
    monkeypatch.setattr(store_room, "COMMIT_LIMIT_MS", 60_000)


def serving(lake: Place, **variables: str) -> IngestService:
    """Start the function again, as another environment would."""
    return IngestService({**lake.variables, **variables})


def post(service: IngestService, *bodies: str, within_ms: int = 20_000) -> int:
    """Send log records; return the status."""
    records = [{"timeUnixNano": "1773480413510000000", "body": {"stringValue": b}} for b in bodies]
    request = {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}
    headers = {"Content-Type": "application/json"}
    event = function_url("POST", "/v1/logs", json.dumps(request).encode(), headers)
    status: int = service.answer(event, soon(within_ms))["statusCode"]
    return status


def sweep(lake: Place) -> dict[str, Any]:
    """Let a committer of its own make visible what waits."""
    return commit(open_places(lake.variables), {}, soon())


def test_a_request_is_visible_when_it_is_answered(lake: Place) -> None:
    """That is what `direct` means; nothing is left to wait."""
    service = serving(lake)
    assert [post(service, "a"), post(service, "b", "c")] == [200, 200]
    assert lake.bodies() == ["a", "b", "c"]
    assert lake.inbox() == []


def test_with_an_inbox_requests_wait_for_a_committer_and_become_one_snapshot(lake: Place) -> None:
    """So many small requests do not make as many commits."""
    service = serving(lake, **INBOX)
    assert [post(service, str(number)) for number in range(5)] == [200] * 5
    assert len(lake.inbox()) == 5
    assert sweep(lake) == {"files": 5, "rows": 5, "snapshots": 1}
    assert lake.bodies() == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("variables", [{}, INBOX], ids=["direct", "inbox"])
def test_a_request_that_comes_again_is_stored_once(lake: Place, variables: dict[str, str]) -> None:
    """By the same environment, by another one, before and after it was committed."""
    first, second = serving(lake, **variables), serving(lake, **variables)
    assert [post(first, "a"), post(first, "a"), post(second, "a")] == [200] * 3
    sweep(lake)
    assert [post(first, "a"), post(second, "a")] == [200] * 2
    sweep(lake)
    assert lake.bodies() == ["a"]
    assert lake.inbox() == []
    assert len(lake.objects.names("data/")) == 1


def test_without_time_for_a_commit_the_rows_wait(lake: Place) -> None:
    """The client has its answer in time, and the rows are safe."""
    assert post(serving(lake), "a", within_ms=1_000) == 200
    assert len(lake.inbox()) == 1
    assert post(serving(lake), "b") == 200  # the next commit adds both
    assert lake.bodies() == ["a", "b"]


def test_a_catalog_in_trouble_costs_no_request(
    lake: Place, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Files are stored anyway. One line is logged, and the catalog is not called for a while."""
    catalog = tmp_path / "catalog.db"
    catalog.write_bytes(b"no database at all, but long enough to be one" * 100)
    service = serving(lake)
    assert [post(service, "a"), post(service, "b")] == [200, 200]
    assert capfd.readouterr().err.count("waits in the inbox") == 1
    assert len(lake.inbox()) == 2
    catalog.unlink()
    assert sweep(lake)["rows"] == 2
    assert lake.bodies() == ["a", "b"]


def test_others_being_faster_is_no_trouble(
    lake: Place, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The rows wait, commits pause for a moment, and nothing is logged."""
    commits: list[int] = []

    def busy(self: Namespace, deadline_ms: int) -> int:
        del self
        commits.append(deadline_ms)
        raise BusyError("others were faster")

    service = serving(lake)
    with monkeypatch.context() as patch:
        patch.setattr(Namespace, "commit", busy)
        assert [post(service, "a"), post(service, "b")] == [200, 200]
    assert len(commits) == 1
    assert len(lake.inbox()) == 2
    assert capfd.readouterr().err == ""


def test_a_commit_has_a_bound_of_its_own(lake: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that waits longer than ten seconds sends everything again."""
    deadlines: list[int] = []
    commit_ = Namespace.commit

    def noting(self: Namespace, deadline_ms: int) -> int:
        deadlines.append(deadline_ms)
        return commit_(self, deadline_ms)

    monkeypatch.setattr(Namespace, "commit", noting)
    assert post(serving(lake), "a", within_ms=600_000) == 200
    assert deadlines[0] < soon(600_000 - 60_000)


def test_what_is_safe_nowhere_is_not_answered_200(
    lake: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit failed and the descriptor, too: the client keeps what it has."""

    def refused(*_: object) -> None:
        raise DestinationError("no")

    service = serving(lake)
    with monkeypatch.context() as patch:
        patch.setattr(Namespace, "commit", refused)
        patch.setattr(Namespace, "describe", refused)
        assert post(service, "a") == 503
    assert post(service, "a") == 200
    assert sweep(lake)["rows"] in {0, 1}
    assert lake.bodies() == ["a"]


def test_a_bug_in_the_commit_does_not_undo_what_is_stored(
    lake: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 would make the client drop what we have."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(Namespace, "commit", broken)
        assert post(serving(lake), "a") == 200
    assert sweep(lake)["rows"] == 1
    assert lake.bodies() == ["a"]


def test_all_signals_go_to_their_tables(lake: Place) -> None:
    """Each is made with its first rows."""
    service = serving(lake)
    span = {"name": "s", "traceId": "0" * 31 + "1", "spanId": "0" * 15 + "1"}
    point = {"timeUnixNano": "1773480413510000000", "asInt": "7"}
    metric = {"name": "m", "gauge": {"dataPoints": [point]}}
    for path, request in (
        ("traces", {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}),
        ("metrics", {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}),
    ):
        event = function_url(
            "POST",
            f"/v1/{path}",
            json.dumps(request).encode(),
            {"Content-Type": "application/json"},
        )
        assert service.answer(event, soon())["statusCode"] == 200
    assert post(service, "a") == 200
    assert isinstance(lake.objects, Folder)
    made = sorted(path.name for path in lake.objects.root.parent.iterdir())
    assert made == ["logs", "metrics_gauge", "traces"]


def test_a_bucket_of_plain_files_takes_requests(moto: str) -> None:
    """Visible as soon as they are stored, and stored once."""
    lake = plain_s3(moto)
    assert [post(serving(lake), "a"), post(serving(lake), "a"), post(serving(lake), "b")] == [
        200
    ] * 3
    assert lake.bodies() == ["a", "b"]
    assert len(lake.objects.names()) == 2


def test_glue_takes_requests_directly_and_through_the_inbox(moto: str) -> None:
    """Requests that wait become visible with the committer's next snapshot."""
    lake = glue(moto)
    assert post(serving(lake), "a") == 200
    assert lake.bodies() == ["a"]
    assert [post(serving(lake, **INBOX), "b"), post(serving(lake, **INBOX), "c")] == [200, 200]
    assert lake.bodies() == ["a"]
    assert sweep(lake) == {"files": 2, "rows": 2, "snapshots": 1}
    assert lake.bodies() == ["a", "b", "c"]


def test_a_bucket_that_is_not_there_is_trouble_of_the_moment(moto: str) -> None:
    """It may be created later, and the client tries again until then."""
    lake = plain_s3(moto)
    missing = {"OTLP2PARQUET_INGEST_DESTINATION": f"s3://no-such-bucket-here?endpoint={moto}"}
    assert post(serving(lake, **missing), "a") == 503


def test_where_nothing_can_wait_a_request_is_committed_or_refused(
    lake: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 Tables has no inbox of its own: a commit is begun even when time is short."""

    def refused(*_: object) -> None:
        raise StorageError("there is no inbox")

    monkeypatch.setattr(Inbox, "usable", False)
    monkeypatch.setattr(Inbox, "put", refused)
    assert post(serving(lake), "a", within_ms=1_900) == 200
    assert lake.bodies() == ["a"]
    with monkeypatch.context() as patch:
        patch.setattr(Namespace, "commit", refused)
        assert post(serving(lake), "b") == 503
    assert post(serving(lake), "b") == 200
    assert lake.bodies() == ["a", "b"]
