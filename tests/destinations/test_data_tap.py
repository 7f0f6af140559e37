"""`https://…`: the seed's wire contract, and what becomes of what a Data Tap refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from telemetry_sinks import FIELDS, TOKEN, Reply, Tap, running

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.lake.destinations.choose import choose
from otlp2parquet_ext.lake.destinations.destination import Batch, DestinationError, Source
from otlp2parquet_ext.lake.destinations.ndjson import lines
from otlp2parquet_ext.lake.destinations.verdicts import retry_after_ms
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from otlp2parquet_ext.lake.destinations.destination import Destination

RECEIVED_US = 1_790_000_000_000_000
CONTEXT = EnvironmentContext(
    instance_id="i",
    function_name="orders",
    function_version="17",
    region="eu-west-1",
    started_us=1_773_480_412_900_000,
)
TIME = "2026-03-14T09:26:53.510Z"


def batch(*records: object, name: str = "a", type_: str = "function") -> Batch:
    """Make a batch of one delivery."""
    events = [{"time": TIME, "type": type_, "record": record} for record in records]
    return raw(json.dumps(events).encode(), name=name)


def raw(*bodies: bytes, name: str = "a") -> Batch:
    """Make a batch of deliveries."""
    deliveries = [Delivery(body, RECEIVED_US) for body in bodies]
    return Batch(name * 32, {}, Source(CONTEXT, deliveries))


@pytest.fixture
def tap() -> Iterator[Tap]:
    """A Data Tap that listens."""
    with running(Tap()) as server:
        assert isinstance(server, Tap)
        yield server


def connected(tap: Tap, token: str = TOKEN, **more: str) -> Destination:
    """Open it as a destination."""
    environ = {"BD_DATA_TAP_URL": tap.url + "/", "BD_TAP_CLIENT_TOKEN": token, **more}
    return choose(load(environ)[0], environ)


def test_a_line_is_byte_for_byte_what_the_seed_sends(tap: Tap) -> None:
    """Readers of the Data Tap's files see no difference from data-taps."""
    body = (
        b'[{"time":"2026-03-14T09:26:53.510Z","type":"platform.start",'
        b'"record":{"requestId":"b3b6","version":"17"}},'
        b'{"time":"2026-03-14T09:26:53.540Z","type":"function","record":"caf\xc3\xa9 \\n"}]'
    )
    connected(tap).store(raw(body))
    [request] = tap.taken
    stream = json.loads(request.body.split(b"\n")[0])["logStream"]
    same = f'"version":"17","region":"eu-west-1","logGroup":"orders","logStream":"{stream}"'
    assert request.body.decode() == (
        '{"time":"2026-03-14T09:26:53.510Z","type":"platform.start",'
        + same
        + ',"record":{"requestId":"b3b6","version":"17"},"retryAttempt":0}\n'
        '{"time":"2026-03-14T09:26:53.540Z","type":"function",'
        + same
        + ',"record":"café \\n","retryAttempt":0}'
    )
    assert stream[:24] == "2026-03-14T09:26:52.900Z"
    assert stream[24] == "_"
    assert len(stream[25:]) == 3
    assert (request.path, "content-encoding" in request.headers) == ("/", False)


def test_what_nobody_knows_of_the_environment_is_na() -> None:
    """As the seed has it."""
    source = batch("x").source
    assert source is not None
    [made] = lines(Source(EnvironmentContext(instance_id="i"), source.deliveries), 1 << 20)
    line = json.loads(made.body(0))
    assert {line[name] for name in ("version", "region", "logGroup")} == {"NA"}


def test_a_record_on_several_lines_is_one_line(tap: Tap) -> None:
    """A line break between tokens is white space in JSON, and an end in NDJSON."""
    connected(tap).store(raw(b'[{"time":"t","type":"x","record":{\n "a":\r\n [1,\n"b\\n"]}}]'))
    assert [line["record"] for line in tap.lines] == [{"a": [1, "b\n"]}]


def test_what_is_no_event_is_a_line_too(tap: Tap) -> None:
    """The seed answered 200 and forgot it."""
    connected(tap).store(raw(b"no json", b'[{"time":"t","type":"x","record":1},oops]'))
    assert [(line["type"], line["record"]) for line in tap.lines] == [
        ("otlp2parquet_ext.malformed", "no json"),
        ("x", 1),
        ("otlp2parquet_ext.malformed", "oops"),
    ]


def test_bodies_are_well_under_the_limit_and_lose_nothing(tap: Tap) -> None:
    """data-taps sent everything in one body, and repeated a refused body for ever."""
    records = [f"{number} " + "x" * 100_000 for number in range(100)]
    connected(tap).store(batch(*records))
    assert len(tap.taken) > 1
    assert max(len(request.body) for request in tap.taken) < 3.3e6
    assert [line["record"] for line in tap.lines] == records
    assert all(list(line) == FIELDS for line in tap.lines)


def test_a_smaller_limit_than_ours_is_found_out_and_remembered(tap: Tap) -> None:
    """413: what is too long is halved, and the next batch begins with what fits."""
    tap.refuses = lambda body: Reply(413) if len(body) > 300_000 else None
    destination = connected(tap)
    records = [f"{number} " + "x" * 50_000 for number in range(20)]
    assert destination.store(batch(*records)).lost == ()
    assert [line["record"] for line in tap.lines] == records
    refused = len(tap.requests) - len(tap.taken)
    destination.store(batch(*records, name="b"))
    assert len(tap.requests) - len(tap.taken) == refused
    assert len(tap.lines) == 40


def test_one_line_that_is_refused_costs_no_other(
    tap: Tap, capfd: pytest.CaptureFixture[str]
) -> None:
    """Sending halves finds it. It is dropped and counted, and one line is logged."""
    tap.refuses = lambda body: Reply(400, b"bad line") if b"poison" in body else None
    records = [f"line {number}" for number in range(1_000)]
    [lost] = connected(tap).store(batch(*records[:700], "poison", *records[700:])).lost
    assert (lost.reason, lost.records) == (f"{tap.url}/: HTTP 400", 1)
    assert [line["record"] for line in tap.lines] == records
    said = capfd.readouterr().err
    assert said.count("refused permanently, so dropped and counted: HTTP 400: bad line") == 1


def test_the_search_for_what_is_refused_has_a_bound(tap: Tap) -> None:
    """If a Data Tap refuses everything, ten thousand lines are not sent one by one."""
    tap.refuses = lambda _: Reply(400)
    lost = connected(tap).store(batch(*range(10_000))).lost
    assert sum(one.records for one in lost) == 10_000
    assert len(tap.requests) < 150


@pytest.mark.parametrize(
    "refusal", [Reply(403), Reply(200, b'{"statusCode":403,"body":"expired"}'), Reply(404)]
)
def test_a_wrong_token_or_url_is_said_once_and_blocks_nothing(
    tap: Tap, capfd: pytest.CaptureFixture[str], refusal: Reply
) -> None:
    """Each batch takes one request, and is dropped and counted. One line reports the recovery."""
    destination = connected(tap)
    tap.replies = [refusal] * 3
    losts = [destination.store(batch("x", "y", name=name)).lost for name in "abc"]
    assert [[one.records for one in lost] for lost in losts] == [[2]] * 3
    assert len(tap.requests) == 3
    assert destination.store(batch("z", name="d")).lost == ()
    said = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [line["level"] for line in said] == ["error", "info"]
    assert f"HTTP {403 if refusal.status != 404 else 404}" in said[0]["message"]
    assert "it refused 6 before" in said[1]["message"]


def test_the_token_is_in_no_line_even_if_the_tap_says_it(
    tap: Tap, capfd: pytest.CaptureFixture[str]
) -> None:
    """Secrets of the settings are masked in every line."""
    from otlp2parquet_ext.common.log import hide  # noqa: PLC0415 - as bootstrap does
    from otlp2parquet_ext.common.settings.settings import secrets_in  # noqa: PLC0415

    hide(secrets_in({"BD_TAP_CLIENT_TOKEN": TOKEN}))
    tap.replies = [Reply(403, b"bad token " + TOKEN.encode())]
    connected(tap).store(batch("x"))
    said = capfd.readouterr().err
    assert "bad token ***" in said
    assert TOKEN not in said


def test_who_refuses_a_report_of_losses_is_told_of_no_further_loss(tap: Tap) -> None:
    """Otherwise each report would cause the next one, for ever."""
    tap.replies = [Reply(403)]
    assert connected(tap).store(batch({"reason": "r"}, type_="otlp2parquet_ext.dropped")).lost == ()


@pytest.mark.parametrize("refused", [True, False])
def test_a_report_of_losses_that_is_refused_is_not_told(tap: Tap, *, refused: bool) -> None:
    """The caller has to know, so that its losses are reported again after a success."""
    if refused:
        tap.replies = [Reply(403)]
    stored = connected(tap).store(batch({"reason": "r"}, type_="otlp2parquet_ext.dropped"))
    assert (stored.report_refused, stored.lost) == (refused, ())


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_tap_in_trouble_keeps_its_batch_and_goes_on_where_it_stopped(
    tap: Tap, status: int
) -> None:
    """Accepted lines are not sent again, and the others have the number of the attempt."""
    destination = connected(tap)
    records = [f"{number} " + "x" * 1_000_000 for number in range(6)]
    tap.replies = []
    tap.refuses = lambda _: (
        Reply(status) if len(tap.taken) == 1 and len(tap.requests) == 2 else None
    )
    with pytest.raises(DestinationError, match=f"HTTP {status}"):
        destination.store(batch(*records))
    destination.store(batch(*records))
    assert [line["record"] for line in tap.lines] == records
    assert {line["retryAttempt"] for line in tap.lines} == {0, 1}
    before = len(tap.requests)
    destination.store(batch(*records))  # a thread that was given up asks for it again
    assert len(tap.requests) == before


def test_a_tap_that_asks_for_patience_gets_it(tap: Tap) -> None:
    """Until that time it gets no request."""
    destination = connected(tap)
    tap.replies = [Reply(429, headers={"Retry-After": "60"})]
    for problem in ("HTTP 429", "asked for a pause"):
        with pytest.raises(DestinationError, match=problem):
            destination.store(batch("x"))
    assert len(tap.requests) == 1


@pytest.mark.parametrize(
    ("text", "wait_ms"),
    [
        ("7", 7_000),
        ("0", 0),
        ("999999999999", 300_000),
        ("Sun, 29 Nov 2026 22:00:10 GMT", 10_000),
        ("Sun, 29 Nov 2020 22:00:10 GMT", 0),
        ("soon", 0),
        ("", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_has_a_bound(text: str, wait_ms: int) -> None:
    """RFC 9110, 10.2.3; a server that wants us back tomorrow loses what we cannot keep so long."""
    assert retry_after_ms(text, 1_795_989_600_000) == wait_ms


def test_a_tap_that_is_not_there_keeps_its_batch() -> None:
    """The error names the Data Tap."""
    with running(Tap()) as tap:
        pass
    assert isinstance(tap, Tap)
    with pytest.raises(DestinationError, match=rf"^{tap.url}/: .*cannot be reached"):
        connected(tap).store(batch("x"))


def test_bodies_are_compressed_for_those_who_inflate_them(tap: Tap) -> None:
    """A Data Tap does not decompress, so compression is a setting."""
    connected(tap, OTLP2PARQUET_TAP_COMPRESSION="gzip").store(batch("x"))
    assert tap.taken[0].headers["content-encoding"] == "gzip"
    assert [line["record"] for line in tap.lines] == ["x"]


def test_otlp_that_no_destination_takes_is_counted(tap: Tap, tmp_path: Path) -> None:
    """A Data Tap takes lines of Lambda's telemetry only. A lake beside it takes OTLP."""
    made = Batch("a" * 32, {}, Source(CONTEXT, (), {"logs": [(b"1234", 1)]}))
    [lost] = connected(tap).store(made).lost
    assert (lost.reason, lost.size_bytes) == ("a Data Tap takes no OTLP", 4)
    beside = connected(tap, OTLP2PARQUET_DESTINATION=f"file://{tmp_path}/lake")
    assert beside.store(made).lost == ()
    assert tap.requests == []


FORWARD_ONLY = """
import os, sys
from pathlib import Path
from otlp2parquet_ext.extension.agent import Agent
from otlp2parquet_ext.flush.pipeline import FlushPipeline
from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.spool import Spool
settings, _ = load(os.environ)
spool = Spool(Path(sys.argv[1]), 1 << 20, 0)
spool.append(b'[{"time":"t","type":"function","record":"x"}]', 1, 1)
side = FlushPipeline(settings, os.environ)
side.rehearse()
print(side.store(spool.seal()).safe, side.commit(2**60), "pyarrow" in sys.modules)
"""


def test_who_only_forwards_to_a_data_tap_never_imports_pyarrow(tap: Tap, tmp_path: Path) -> None:
    """It would take more memory than all the rest."""
    environ = {"BD_DATA_TAP_URL": tap.url, "BD_TAP_CLIENT_TOKEN": TOKEN}
    command = [sys.executable, "-c", FORWARD_ONLY, str(tmp_path)]
    done = subprocess.run(command, env=environ, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "0", "False"]
    assert [line["record"] for line in tap.lines] == ["x"]
