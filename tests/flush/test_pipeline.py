"""The flush side: a segment in, files out."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from scripted_http import answer, answering, running

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.extension.context import context_note, ending_note
from otlp2parquet_ext.flush import pipeline
from otlp2parquet_ext.flush.losses import Losses
from otlp2parquet_ext.flush.pipeline import FlushPipeline
from otlp2parquet_ext.lake.destinations.destination import DestinationError
from otlp2parquet_ext.records.telemetry.values import EnvironmentContext
from otlp2parquet_ext.spool import FrameKind, Spool
from otlp2parquet_ext.tools import query
from otlp2parquet_ext.tools.query import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BODY = b'[{"time":"2026-03-14T09:26:53.540Z","type":"function","record":"starting"}]'


def test_two_environments_that_were_told_the_same_both_have_their_rows(tmp_path: Path) -> None:
    """A burst starts environments in the same millisecond, and their first lines are equal."""
    url = f"file://{tmp_path}/lake"
    settings = load({"OTLP2PARQUET_DESTINATION": url})[0]
    for instance in ("one", "two"):
        spool = Spool(tmp_path / instance, 1 << 20, 0)
        spool.set_preamble([context_note(EnvironmentContext(instance_id=instance))])
        spool.append(BODY, 1, 1)
        segment = spool.seal()
        assert segment is not None
        for _ in range(2):  # each tried twice, as after a crash
            FlushPipeline(settings, {}).store(segment)
    rows = query.connect(url).execute("SELECT ServiceInstanceId FROM logs ORDER BY 1").fetchall()
    assert rows == [("one",), ("two",)]


@pytest.mark.parametrize("scheme", ["file", "sqlite"])
@pytest.mark.parametrize("commit_follows", [False, True])
def test_a_batch_nobody_wants_is_safe_and_no_file(
    tmp_path: Path, scheme: str, *, commit_follows: bool
) -> None:
    """Its segment may be discarded, and no commit is due for it."""
    url = f"{scheme}://{tmp_path}/lake"
    settings = load({"OTLP2PARQUET_DESTINATION": url, "OTLP2PARQUET_EXCLUDE": "function"})[0]
    spool = Spool(tmp_path / "spool", 1 << 20, 0)
    spool.append(BODY, 1, 1)
    segment = spool.seal()
    assert segment is not None
    side = FlushPipeline(settings, {})
    assert side.store(segment, commit_follows=commit_follows).safe
    assert side.commit(2**60) == 0
    assert list(tmp_path.rglob("*.parquet")) == []


def otlp_logs(*bodies: str) -> bytes:
    """Make an accepted OTLP request of log records."""
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for body in bodies:
        records.add(time_unix_nano=1_773_480_413_540_000_000).body.string_value = body
    return bytes(request.SerializeToString())


def span(name: str, trace_id: bytes, parent: bytes = b"") -> bytes:
    """Make an accepted OTLP request of one span."""
    request = ExportTraceServiceRequest()
    made = request.resource_spans.add().scope_spans.add().spans.add(name=name, trace_id=trace_id)
    made.span_id, made.start_time_unix_nano = bytes(range(8)), 1_773_480_413_540_000_000
    made.parent_span_id = parent
    return bytes(request.SerializeToString())


START = (
    b'{"time":"2026-03-14T09:26:53.510Z","type":"platform.start","record":{"requestId":"r-1",'
    b'"version":"1","tracing":{"spanId":"4f1e2d3c4b5a6978","type":"X-Amzn-Trace-Id","value":'
    b'"Root=1-69b52bcd-0f1e2d3c4b5a69788796a5b4;Parent=1122334455667788;Sampled=1"}}}'
)
ROOT = bytes.fromhex("69b52bcd0f1e2d3c4b5a69788796a5b4")


@dataclass
class Side:
    """A flush side over a real spool and a folder."""

    spool: Spool
    flush_side: FlushPipeline
    url: str

    def flush(self) -> None:
        """Seal the open segment, and store it twice, as after a crash."""
        segment = self.spool.seal()
        assert segment is not None
        for _ in range(2):
            self.flush_side.store(segment)
        self.spool.discard(segment)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Read the lake back."""
        found: list[tuple[object, ...]] = query.connect(self.url).execute(sql).fetchall()
        return found


def side(folder: Path, **variables: str) -> Side:
    """Set one up."""
    url = f"file://{folder}/lake"
    settings = load({"OTLP2PARQUET_DESTINATION": url} | variables)[0]
    spool = Spool(folder / "spool", 1 << 20, 0)
    spool.set_preamble(
        [context_note(EnvironmentContext(instance_id="one", function_name="orders"))]
    )
    return Side(spool, FlushPipeline(settings, {}), url)


def test_what_lambda_and_the_sdk_say_of_an_invocation_joins(tmp_path: Path) -> None:
    """Both have one table of logs, one resource, one request id, one trace."""
    at = side(tmp_path)
    at.spool.append(b"[" + START + b"," + BODY[1:], 1, 2)
    at.spool.append(otlp_logs("from the SDK"), 1, 1, FrameKind.OTLP_LOGS)
    at.spool.append(span("handle", ROOT), 1, 1, FrameKind.OTLP_TRACES)
    at.flush()
    assert at.rows("SELECT Body, FaasInvocationId, ServiceName FROM logs ORDER BY 1") == [
        ("START RequestId: r-1 Version: 1", "r-1", "orders"),
        ("from the SDK", "r-1", "orders"),
        ("starting", "r-1", "orders"),
    ]
    joined = (
        "SELECT DISTINCT SpanName, logs.EventName FROM traces JOIN logs USING "
        "(TraceId, FaasInvocationId, ServiceInstanceId) WHERE logs.EventName = 'platform.start'"
    )
    assert at.rows(joined) == [("handle", "platform.start")]


def test_spans_are_derived_where_they_are_wanted_and_closed_at_the_end(tmp_path: Path) -> None:
    """An invocation without an end also has a span, with the reason of SHUTDOWN."""
    at = side(tmp_path, OTLP2PARQUET_SIGNALS="traces,metrics")
    at.spool.append(b"[" + START + b"," + BODY[1:], 1, 2)
    at.flush()
    with pytest.raises(QueryError):
        at.rows("SELECT 1")  # no row of logs is wanted, and the span has not ended
    kind, payload, _ = ending_note("timeout", 1_773_480_415_000_000)
    at.spool.append(payload, 1, 0, kind)
    at.flush()
    assert at.rows("SELECT SpanName, StatusCode, TraceId FROM traces") == [
        ("orders", "STATUS_CODE_ERROR", ROOT.hex())
    ]
    assert at.rows("SELECT MetricName, Value FROM metrics_sum") == [("faas.timeouts", 1.0)]


def test_a_span_whose_parent_is_the_invocation_is_its_child(tmp_path: Path) -> None:
    """On Managed Instances the function's header has the id of the events."""
    at = side(tmp_path, OTLP2PARQUET_SIGNALS="traces")
    at.spool.append(b"[" + START + b"]", 1, 1)
    own = span("handle", ROOT, parent=bytes.fromhex("4f1e2d3c4b5a6978"))
    at.spool.append(own, 1, 1, FrameKind.OTLP_TRACES)
    kind, payload, _ = ending_note("spindown", 1_773_480_415_000_000)
    at.spool.append(payload, 1, 0, kind)
    at.flush()
    parents = (
        "SELECT child.SpanName, parent.SpanName FROM traces child JOIN traces parent "
        "ON child.TraceId = parent.TraceId AND child.ParentSpanId = parent.SpanId"
    )
    assert at.rows(parents) == [("handle", "orders")]


def test_a_batch_that_is_stored_again_has_the_same_rows(tmp_path: Path) -> None:
    """An abandoned thread stored it after all, just before the next one began with it.

    Without its derived span the file would have another name, and the SDK's span would be there
    twice.
    """
    at = side(tmp_path, OTLP2PARQUET_SIGNALS="traces")
    at.spool.append(b"[" + START + b"]", 1, 1)
    at.spool.append(span("handle", ROOT), 1, 1, FrameKind.OTLP_TRACES)
    kind, payload, _ = ending_note("spindown", 1_773_480_415_000_000)
    at.spool.append(payload, 1, 0, kind)
    at.flush()  # stores it twice
    assert at.rows("SELECT SpanName FROM traces ORDER BY 1") == [("handle",), ("orders",)]


def test_losses_are_told_where_no_logs_are_wanted(tmp_path: Path) -> None:
    """A user who only wants spans still has to know that some may be missing."""
    at = side(tmp_path, OTLP2PARQUET_SIGNALS="traces")
    losses = Losses()
    losses.add("the spool is full", 3, 5)
    at.spool.prepend(losses.report("2026-03-14T09:26:53.540Z"), 1, 1)
    at.flush_side.store(at.spool.sealed[0])
    assert at.rows("SELECT EventName FROM logs") == [("otlp2parquet_ext.dropped",)]


def test_what_cannot_be_mapped_is_a_row_of_text_with_every_byte(tmp_path: Path) -> None:
    """A bug of ours loses columns. OTLP is kept in base64, so it can be repaired later."""
    at = side(tmp_path)
    payload = otlp_logs("from the SDK")
    at.spool.append(BODY, 1, 1)
    at.spool.append(payload, 1, 1, FrameKind.OTLP_LOGS)
    segment = at.spool.seal()
    assert segment is not None
    at.flush_side.store(segment, as_text=True)
    assert at.rows("SELECT Body, EventName FROM logs ORDER BY 1") == [
        (f"OTLP logs {base64.b64encode(payload).decode()}", "otlp2parquet_ext.malformed"),
        (BODY.decode(), "otlp2parquet_ext.malformed"),
    ]


def test_who_sends_no_otlp_and_wants_no_spans_imports_nothing_of_either(tmp_path: Path) -> None:
    """A feature that is off costs nothing, on the flush side, too."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from otlp2parquet_ext.flush.pipeline import FlushPipeline\n"
        "from otlp2parquet_ext.common.settings.settings import load\n"
        "from otlp2parquet_ext.spool import Spool\n"
        "spool = Spool(Path(sys.argv[1]), 1 << 20, 0)\n"
        "spool.append(b'[]', 1, 1)\n"
        "settings = load({'OTLP2PARQUET_DESTINATION': f'file://{sys.argv[1]}/lake'})[0]\n"
        "FlushPipeline(settings, {}).store(spool.seal())\n"
        "print(*[m for m in sys.modules if m.startswith(('google', 'opentelemetry'))\n"
        "  or m in ('otlp2parquet_ext.records.otlp',"
        "  'otlp2parquet_ext.records.mapping.derived')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == ""


REHEARSAL = """
import sys
from otlp2parquet_ext.flush.pipeline import FlushPipeline
from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.flush.table_builder import TableBuilder
side = FlushPipeline(load({"OTLP2PARQUET_DESTINATION": "file:///tmp/nowhere"})[0], {})
made, make = [], TableBuilder.make
TableBuilder.make = lambda *a, **k: made.append(1) or make(*a, **k)
side.wanted = sys.argv[1] == "wanted"
side.rehearse()
print(len(made), side.loaded)
"""


@pytest.mark.parametrize(("when", "made"), [("idle", "1"), ("wanted", "0")])
def test_nothing_is_rehearsed_while_a_batch_waits_or_the_end_is_near(when: str, made: str) -> None:
    """The real batch loads the same libraries, and must not wait for a rehearsal."""
    command = [sys.executable, "-c", REHEARSAL, when]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [made, "True"]


@pytest.mark.parametrize(("ends", "times"), [(False, 1), (True, 0)])
def test_what_loading_left_is_given_back_once_and_not_at_the_end(
    monkeypatch: pytest.MonkeyPatch, *, ends: bool, times: int
) -> None:
    """A second time would cost as much again; in the shutdown window storing needs the time."""
    given: list[None] = []
    monkeypatch.setattr(pipeline, "give_back_code", lambda: given.append(None))
    side = FlushPipeline(load({"OTLP2PARQUET_DESTINATION": "file:///tmp/nowhere"})[0], {})
    side.tidy()
    assert given == []  # nothing is loaded yet
    side.loaded, side.ends = True, ends
    side.tidy()
    side.tidy()
    assert len(given) == times


async def test_a_failed_request_is_reported_by_each_thread_but_one_that_redelivers(
    tmp_path: Path,
) -> None:
    """The system reuses the ident of an ended thread, and no hold waits for a redelivery."""
    environ = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    with running(answering([answer(b"later", status=503)])) as server:
        destination = f"file://{tmp_path}/lake,{server.url}/tap"
        spool = Spool(tmp_path / "spool", 1 << 20, 0)
        spool.append(BODY, 1, 1)
        segment = spool.seal()
        assert segment is not None
        side = FlushPipeline(load({"OTLP2PARQUET_DESTINATION": destination})[0], environ)
        lacking = side.store(segment).undelivered
        assert lacking

        def redeliver() -> int:
            with contextlib.suppress(DestinationError):
                side.redeliver(segment, lacking)
            return threading.get_ident()

        def report() -> int:
            side.watch.failed()
            return threading.get_ident()

        pending: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = asyncio.ensure_future(side.watch.until_done_or_failed(pending))
        await asyncio.sleep(0)
        ident = run_on_thread("redelivering", redeliver)
        await asyncio.sleep(0)
        assert not waiting.done()
        assert ident not in side.watch._redelivering
        run_on_thread("storing", report)
        await waiting


def run_on_thread(name: str, work: Callable[[], int]) -> int:
    """Run something on a thread of its own; return what it does."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(work()), name=name)
    thread.start()
    thread.join()
    return found[0]


def test_what_is_beyond_a_segment_of_ours_is_counted_as_damage(tmp_path: Path) -> None:
    """A planted file has a terabyte: its frames are stored, and the other bytes are counted."""
    dead = Spool(tmp_path / "tmp", 1 << 20, 0)
    dead.append(b'[{"time":"2026-03-14T09:26:53.540Z","type":"function","record":"x"}]', 1, 1)
    segment = dead.seal()
    assert segment is not None
    assert segment.path is not None
    with segment.path.open("r+b") as file:
        file.truncate(1 << 40)
    for descriptor in dead._folders._locks.values():
        os.close(descriptor)
    spool = Spool(tmp_path / "tmp", 1 << 20, 0, segment_bytes=4_096, body_bytes=4_096)
    assert spool.recover() == 1
    settings = load({"OTLP2PARQUET_DESTINATION": f"file://{tmp_path}/lake"})[0]
    receipt = FlushPipeline(settings, {}).store(spool.sealed[0])
    assert receipt.damaged_bytes == (1 << 40) - segment.size_bytes
