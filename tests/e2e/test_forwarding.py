"""Forwarding from a real function: to a Data Tap, to a collector, and to a lake beside them.

The rows are compared with the platform's deliveries. No event may be missing, and in the lake none
may be there twice, even if one of the three fails meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from reserved_port import ReservedPort
from scripted_lambda import COMMAND
from telemetry_sinks import FIELDS, TOKEN, Collector, Reply, Tap, running

from otlp2parquet_ext.tools import local, query
from otlp2parquet_ext.tools.commit import commit_quietly
from otlp2parquet_ext.tools.local import ExtensionProgram, Outcome, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.e2e

HANDLER = """
count = 0


def handler(event, context):
    global count
    count += 1
    print(f"line {count}")
    return count
"""


def run(folder: Path, invocations: int, variables: Mapping[str, str], gap_ms: int = 20) -> Outcome:
    """Run the function in a local execution environment with one whole CPU."""
    (folder / "app.py").write_text(HANDLER)
    port = ReservedPort()
    plan = Plan(
        handler="app.handler",
        code=folder,
        memory_mb=1_769,
        timeout_s=10,
        invocations=invocations,
        gap_ms=gap_ms,
        env={"RECEIVER_PORT": str(port), **variables},
        extensions=(ExtensionProgram(name="otlp2parquet", command=COMMAND),),
    )
    outcome = local.run(plan)
    assert [i.status for i in outcome.invocations] == ["success"] * invocations
    return outcome


def expected(outcome: Outcome) -> Counter[tuple[str, str]]:
    """Count what the platform delivered by (type, time); we do not subscribe to `extension`."""
    return Counter(
        (event.type, event.time) for event in outcome.events if event.type != "extension"
    )


@pytest.fixture
def tap() -> Iterator[Tap]:
    """Give a Data Tap that listens."""
    with running(Tap()) as server:
        assert isinstance(server, Tap)
        yield server


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Give a collector that listens."""
    with running(Collector()) as server:
        assert isinstance(server, Collector)
        yield server


def told_to_tap(tap: Tap) -> Counter[tuple[str, str]]:
    """Count the events that a Data Tap received."""
    return Counter((line["type"], line["time"]) for line in tap.lines)


def told_to_collector(collector: Collector) -> Counter[tuple[str, str]]:
    """Count the events that a collector received."""
    return Counter(
        (record.event_name, milliseconds(record.time_unix_nano)) for record in collector.log_records
    )


def milliseconds(time_ns: int) -> str:
    """Return a time as the platform writes it."""
    second, rest = divmod(time_ns, 1_000_000_000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    return f"{text}.{rest // 1_000_000:03}Z"


def in_lake(url: str, folder: Path) -> Counter[tuple[str, str]]:
    """Count the rows of the lake, after a committer has committed its inbox."""
    commit_quietly({"OTLP2PARQUET_DESTINATION": url}, 30)
    sql = "SELECT EventName, strftime(Timestamp, '%Y-%m-%dT%H:%M:%S.%gZ') FROM logs"
    assert folder.exists()
    return Counter(query.connect(url).execute(sql).fetchall())


def test_the_variables_of_a_data_taps_user_are_enough(tap: Tap, tmp_path: Path) -> None:
    """Only the layer is replaced: all rows arrive, with the fields of data-taps."""
    variables = {
        "BD_DATA_TAP_URL": tap.url,
        "BD_TAP_CLIENT_TOKEN": TOKEN,
        "EXTENSION_NAME": "data-taps-lambda-extension",
        "RECEIVER_ADDRESS": "sandbox",
        "MAX_ITEMS": "10000",
        "MAX_BYTES": "262144",
        "TIMEOUT_MS": "1000",
        "AWS_LAMBDA_RUNTIME_EXTENSION_API_VERSION": "2020-01-01",
        "AWS_LAMBDA_RUNTIME_TELEMETRY_API_VERSION": "2022-07-01",
        "NODE_ENV": "staging",
    }
    outcome = run(tmp_path, 10, variables)
    assert outcome.extensions[0].lines == ()
    assert told_to_tap(tap) == expected(outcome)
    assert {tuple(line) for line in tap.lines} == {tuple(FIELDS)}
    assert {line["logGroup"] for line in tap.lines} == {"local"}


@pytest.mark.parametrize("out_of_order", ["nobody", "tap", "collector", "lake"])
@pytest.mark.thorough
def test_each_of_three_destinations_has_everything(
    tap: Tap, collector: Collector, tmp_path: Path, out_of_order: str
) -> None:
    """One of them refuses for a while. The others continue, and it gets the rest later."""
    lake = tmp_path / "lake"
    url = f"sqlite://{lake}/catalog.db?warehouse={lake}/warehouse"
    _break(out_of_order, tap, collector, lake)
    variables = {
        "OTLP2PARQUET_DESTINATION": f"{url}, otlp+{collector.url}",
        "BD_DATA_TAP_URL": tap.url,
        "BD_TAP_CLIENT_TOKEN": TOKEN,
    }
    outcome = run(tmp_path, 20, variables, gap_ms=300)
    assert told_to_tap(tap) == expected(outcome)
    assert told_to_collector(collector) == expected(outcome)
    assert in_lake(url, lake) == expected(outcome)
    said = [line for line in outcome.extensions[0].lines if '"error"' in line]
    assert bool(said) == (out_of_order != "nobody"), outcome.extensions[0].lines


def _break(what: str, tap: Tap, collector: Collector, lake: Path) -> None:
    """Let one destination fail for the first batch, which the others have by then."""
    if what == "tap":
        tap.refuses = lambda _: Reply(503) if len(tap.requests) == 1 else None
    elif what == "collector":
        collector.refuses = lambda _: Reply(503) if len(collector.requests) == 1 else None
    elif what == "lake":
        lake.write_text("in the way")

        def mend() -> None:
            while not tap.taken:
                time.sleep(0.005)
            lake.unlink()

        threading.Thread(target=mend, daemon=True).start()


def test_what_a_tap_refuses_for_ever_is_a_row_of_the_lake(tap: Tap, tmp_path: Path) -> None:
    """With an expired token the Data Tap loses its lines. The lake has them, and their number."""
    lake = tmp_path / "lake"
    url = f"sqlite://{lake}/catalog.db?warehouse={lake}/warehouse"
    variables = {
        "OTLP2PARQUET_DESTINATION": url,
        "BD_DATA_TAP_URL": tap.url,
        "BD_TAP_CLIENT_TOKEN": "another-token",
    }
    outcome = run(tmp_path, 5, variables, gap_ms=300)
    found = in_lake(url, lake)
    dropped = {key for key in found if key[0] == "otlp2parquet_ext.dropped"}
    assert dropped
    assert Counter({key: n for key, n in found.items() if key not in dropped}) == expected(outcome)
    told = query.connect(url).execute(
        "SELECT sum((LogAttributes->>'droppedRecords')::BIGINT), "
        "any_value(LogAttributes->>'reason') FROM logs "
        "WHERE EventName = 'otlp2parquet_ext.dropped'"
    )
    count, reason = told.fetchall()[0]
    assert 0 < count <= expected(outcome).total()
    assert reason == f"{tap.url}: HTTP 403"
    assert tap.taken == []
    said = [line for line in outcome.extensions[0].lines if "HTTP 403" in line]
    assert len(said) == 1
