"""No request of any shape takes more memory than its environment has.

The real code handles the request in a process of its own, in a control group with the memory of a
small function. The kernel kills a process that takes more.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
import request_shapes
from hypothesis import HealthCheck, given
from hypothesis_profiles import examples
from request_shapes import Shape, shapes
from telemetry_sinks import Collector, running

from otlp2parquet_ext.tools.local.cgroups import make_group

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from otlp2parquet_ext.tools.local.cgroups import Group

MEGABYTE = 1_048_576
LARGEST_BYTES = 67_108_864
"""The largest value of `OTLP2PARQUET_OTLP_MAX_BYTES`."""

SANDBOX_MB, INGEST_MB = 128, 512
LAYER = {"MALLOC_ARENA_MAX": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
"""As the layer starts its interpreter."""


class Bounded:
    """A process that takes requests within a limit of memory."""

    def __init__(self, group: Group, folder: Path, route: str, environ: Mapping[str, str]) -> None:
        self._group, self._route = group, route
        self.lake, spool = folder / "lake", folder / "spool"
        entrance = group.door()
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).parent / "bounded_process.py", spool],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **LAYER, **environ},
            preexec_fn=lambda: os.write(entrance, b"0"),  # noqa: PLW1509 - one thread, one write
        )
        os.close(entrance)

    def take(self, shape: Shape, destination: str = "") -> dict[str, Any]:
        """Let it take a body; return the answer, and how many rows were stored.

        Args:
            shape: the body.
            destination: where to; "" for the lake.
        """
        shutil.rmtree(self.lake, ignore_errors=True)
        self.lake.mkdir()
        job = {
            "route": self._route,
            "signal": shape.signal,
            "json": shape.json,
            "encoding": shape.encoding,
            "size": len(shape.body),
            "destination": destination or f"file://{self.lake}",
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(job).encode() + b"\n" + shape.body)
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        line = self._process.stdout.readline()
        assert line, f"killed for memory, {self._group.oom_kills()} times"
        files = list(self.lake.rglob("*.parquet"))
        rows = sum(pq.read_metadata(file).num_rows for file in files)
        return {**json.loads(line), "rows": rows, "files": len(files)}

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def bounded(
    folder: Path, route: str, limit_mb: int, environ: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Bounded]:
    """Start a process with a memory limit; skip without control groups."""
    group = make_group("memory", f"otlp2parquet-bounded-{os.getpid()}-{route}")
    if group is None:
        pytest.skip("no control group can be made here: the memory of a process cannot be limited")
    group.limit_memory(limit_mb * MEGABYTE)
    process = Bounded(group, folder, route, environ)
    try:
        yield process
    finally:
        process.stop()
        group.remove()


def check(process: Bounded, shape: Shape) -> None:
    """Send a body: each record is stored, or refused before the request is acknowledged."""
    result = process.take(shape)
    assert result["status"] in {200, 400, 413}, result
    if result["status"] != 200:
        assert result["rows"] == 0
    elif "rejected" in result:
        assert result["rows"] == shape.records - result["rejected"]


@pytest.mark.parametrize(
    "shape",
    [
        request_shapes.wide_resource(200_000, 2_000),
        request_shapes.wide_resource(10, 200_000),
        request_shapes.telemetry(100_000, 5_000),
    ],
    ids=["a long value that records share", "empty records", "a long request id"],
)
def test_a_request_that_expands_stays_within_the_memory_of_a_small_function(
    shape: Shape, tmp_path: Path
) -> None:
    """Each of them killed the process at 128 MB after it was acknowledged."""
    with bounded(tmp_path, "sandbox", SANDBOX_MB) as process:
        check(process, shape)


@pytest.mark.parametrize("size_bytes", [67_000_000, 4_194_304])
@pytest.mark.parametrize("as_json", [False, True], ids=["protobuf", "json"])
def test_a_small_function_survives_a_setting_that_is_too_large_for_its_memory(
    size_bytes: int, tmp_path: Path, *, as_json: bool
) -> None:
    """The setting is bounded by the memory: a request beyond that is answered 413, not a kill."""
    environ = {
        "OTLP2PARQUET_OTLP_MAX_BYTES": str(LARGEST_BYTES),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(SANDBOX_MB),
    }
    shape = request_shapes.filled(size_bytes, json=as_json)
    with bounded(tmp_path, "sandbox", SANDBOX_MB, environ) as process:
        result = process.take(shape)
    if size_bytes > request_shapes.LIMIT_BYTES:
        assert (result["status"], result["rows"]) == (413, 0)
    else:
        assert (result["status"], result["rows"]) == (200, shape.records)


@pytest.mark.parametrize(
    ("route", "limit_mb"), [("sandbox", 512), ("ingest", 192), ("ingest", 512)]
)
@pytest.mark.parametrize("as_json", [False, True], ids=["protobuf", "json"])
def test_the_longest_request_that_a_memory_allows_fits_it(
    route: str, limit_mb: int, tmp_path: Path, *, as_json: bool
) -> None:
    """The limit is a 32nd of any memory, and the largest setting is above it."""
    environ = {
        "OTLP2PARQUET_OTLP_MAX_BYTES": str(LARGEST_BYTES),
        "OTLP2PARQUET_MAX_PAYLOAD_BYTES": str(LARGEST_BYTES),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(limit_mb),
    }
    shape = request_shapes.filled(limit_mb * MEGABYTE // 32, json=as_json)
    body = gzip.compress(shape.body, 1)  # as a gateway has room for it
    with bounded(tmp_path, route, limit_mb, environ) as process:
        result = process.take(shape._replace(body=body, encoding="gzip"))
    assert (result["status"], result["rows"]) == (200, shape.records)


def test_what_is_derived_of_the_largest_batch_fits_a_small_function(tmp_path: Path) -> None:
    """The spans and metrics of a batch are made at once, five rows for two events.

    The largest `MAX_BYTES` of 128 MB is 4 MB, and one delivery may come on top.
    """
    shape = request_shapes.many_invocations(5 * MEGABYTE)
    with bounded(tmp_path, "sandbox", 110, {"OTLP2PARQUET_SIGNALS": "logs,traces,metrics"}) as it:
        result = it.take(shape)
    assert shape.records is not None
    spans = shape.records // 3
    assert result["rows"] == shape.records + spans + 4 * spans


def test_long_lines_are_sent_to_a_collector_a_few_at_a_time(tmp_path: Path) -> None:
    """A request of 512 rows of any length was in memory several times."""
    shape = request_shapes.many_lines(100, 200_000)
    with running(Collector()) as server:
        assert isinstance(server, Collector)
        with bounded(tmp_path, "sandbox", SANDBOX_MB) as process:
            process.take(shape, f"otlp+{server.url}")
        bodies = [record.body.string_value for record in server.log_records]
    assert [int(body.split()[0]) for body in bodies] == list(range(100))


@pytest.mark.thorough
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("route", "limit_mb"), [("sandbox", SANDBOX_MB), ("ingest", INGEST_MB)])
def test_no_request_takes_more_memory_than_its_environment_has(
    route: str, limit_mb: int, tmp_path: Path
) -> None:
    """This holds for any contents within the limit of a body's length."""
    with bounded(tmp_path, route, limit_mb) as process:

        @examples(0.15, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(shapes())
        def any_shape(shape: Shape) -> None:
            check(process, shape)

        any_shape()


def test_services_of_one_request_share_folders_when_there_are_too_many(tmp_path: Path) -> None:
    """3 000 services in one request were 3 000 files, which took 42 seconds."""
    with bounded(tmp_path, "sandbox", SANDBOX_MB) as process:
        result = process.take(request_shapes.many_resources(0, 3_000))
        folders = {path.name for path in (process.lake / "logs").iterdir()}
    assert (result["rows"], result["files"]) == (3_000, 21)
    assert "~many-services" in folders
