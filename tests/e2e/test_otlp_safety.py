"""An accepted export is in the lake once; a refused one stays with the exporter."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from reserved_port import ReservedPort
from scripted_lambda import WAIT_S, ScriptedLambda, shut_down

from otlp2parquet_ext.tools import query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripted_lambda import Extension

pytestmark = pytest.mark.e2e

FUNCTION = Path(__file__).parents[1] / "otlp_routes" / "sdk_function.py"


def span(name: str, *, ballast_bytes: int = 0) -> bytes:
    """Make a request of one span."""
    request = ExportTraceServiceRequest()
    made = request.resource_spans.add().scope_spans.add().spans.add(name=name)
    made.trace_id, made.span_id = bytes(range(16)), bytes(range(8))
    made.start_time_unix_nano = 1_773_480_413_540_000_000
    made.status.message = "x" * ballast_bytes
    return bytes(request.SerializeToString())


@dataclass
class Sandbox:
    """The things that outlive one process of the extension.

    Attributes:
        folder: has the lake, and /tmp.
        port: the function exports to it.
        lambdas: one for each process, because the requests of a killed one must not reach another.
    """

    folder: Path
    port: ReservedPort = field(default_factory=ReservedPort)
    lambdas: list[ScriptedLambda] = field(default_factory=list)

    def start(self, **variables: str) -> Extension:
        """Start an extension that is asking for its first event."""
        otlp = {"OTLP2PARQUET_OTLP": "on", "OTLP2PARQUET_OTLP_PORT": str(self.port)}
        self.lambdas.append(ScriptedLambda())
        extension = self.lambdas[-1].start(self.folder, **otlp, **variables)
        extension.until_next()
        return extension

    def export(self, body: bytes) -> int:
        """Export a request of spans; return the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port.number, timeout=WAIT_S)
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        status = connection.getresponse().status
        connection.close()
        return status

    def spans(self) -> Counter[str]:
        """Count the spans in the lake by name."""
        rows = query.connect(f"file://{self.folder}/lake").execute("SELECT SpanName FROM traces")
        return Counter(name for (name,) in rows.fetchall())


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """Give one that works correctly."""
    sandbox = Sandbox(tmp_path)
    yield sandbox
    for lambda_ in sandbox.lambdas:
        lambda_.close()


def test_a_shutdown_right_after_an_export_loses_nothing(sandbox: Sandbox) -> None:
    """The last span of an environment often shows why it ended."""
    extension = sandbox.start()
    names = [f"span {number}" for number in range(50)]
    assert [sandbox.export(span(name)) for name in names] == [200] * 50
    shut_down(extension)
    assert sandbox.spans() == Counter(names)


def test_a_kill_right_after_the_answer_loses_nothing(sandbox: Sandbox) -> None:
    """200 means that the request is in the spool. The next process stores it, once."""
    extension = sandbox.start(TIMEOUT_MS="900000")
    names = [f"span {number}" for number in range(20)]
    assert [sandbox.export(span(name)) for name in names] == [200] * 20
    extension.process.kill()
    extension.end()
    extension = sandbox.start()
    assert sandbox.export(span("after it")) == 200
    shut_down(extension)
    assert sandbox.spans() == Counter([*names, "after it"])


def test_a_request_whose_answer_got_lost_is_stored_once(sandbox: Sandbox) -> None:
    """An exporter sends the same bytes again, and gets a 200."""
    extension = sandbox.start()
    assert [sandbox.export(span("again")) for _ in range(3)] == [200] * 3
    shut_down(extension)
    assert sandbox.spans() == {"again": 1}


def test_what_a_full_spool_refuses_comes_again_and_is_stored_once(sandbox: Sandbox) -> None:
    """After a 503 the SDK waits and tries again, and the destination works again by then."""
    (sandbox.folder / "lake").write_text("a file where a folder should be")
    extension = sandbox.start(
        OTLP2PARQUET_SPOOL_CAPACITY_BYTES="1048576", OTLP2PARQUET_MEMORY_CAPACITY_BYTES="0"
    )
    taken = 0
    for ballast_bytes in (100_000, 10_000, 1_000, 0):
        while sandbox.export(span(f"span {taken}", ballast_bytes=ballast_bytes)) == 200:
            taken += 1
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{sandbox.port}"}
    function = subprocess.Popen(
        (sys.executable, str(FUNCTION), "r-1"),
        env=os.environ | endpoint | {"OTEL_EXPORTER_OTLP_TIMEOUT": "30"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert function.stderr is not None
    assert any("retrying" in line for line in function.stderr)
    (sandbox.folder / "lake").unlink()
    said = function.communicate(timeout=60)[1]
    assert function.returncode == 0, said
    assert "Failed" not in said, said
    shut_down(extension)
    spans = sandbox.spans()
    assert spans.pop("handle order") == 1
    assert sum(spans.values()) == taken
