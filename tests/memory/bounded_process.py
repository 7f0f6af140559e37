"""Run the real way of a request in this process: read, spooled, mapped, stored; one a line.

    stdin:  {"route", "signal", "json", "encoding", "size", "destination"} and the body's bytes
    stdout: {"status", "records", "rejected", "peak_kb"}

The parent limits the memory of this process by a control group; a request that takes too much
kills it, and the parent reads the end of stdout.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.flush.pipeline import FlushPipeline
from otlp2parquet_ext.records.otlp import exchange
from otlp2parquet_ext.records.otlp.exchange import ExportCall, Reply
from otlp2parquet_ext.records.otlp.requests import Signal
from otlp2parquet_ext.spool import OTLP, FrameKind, Spool

LARGEST_SEGMENT_BYTES = 104_857_600
"""As with the largest `MAX_BYTES`."""

FOREVER_MS = 4_102_444_800_000
SIZES = {
    name: os.environ[name]
    for name in (
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "OTLP2PARQUET_OTLP_MAX_BYTES",
        "OTLP2PARQUET_MAX_PAYLOAD_BYTES",
    )
    if name in os.environ
}
KINDS = {signal: kind for kind, signal in OTLP.items()}


class Sandbox:
    """The extension's way, from a body to a stored and committed batch."""

    def __init__(self, folder: Path, destination: str) -> None:
        signals = os.environ.get("OTLP2PARQUET_SIGNALS", "logs")
        environ = {
            "OTLP2PARQUET_DESTINATION": destination,
            "OTLP2PARQUET_SIGNALS": signals,
            **SIZES,
        }
        self._settings, problems = load(environ)
        assert bool(problems) == bool(SIZES), problems
        self._folder = folder
        self._flush_side = FlushPipeline(self._settings, environ)

    def take(self, job: dict[str, Any], body: bytes) -> dict[str, Any]:
        """Take one body."""
        if job["signal"] == "telemetry":
            deliveries = body.split(b"\n")
            del body
            return self.store(FrameKind.DELIVERY, deliveries)
        call = ExportCall(Signal(job["signal"]), job["json"], job["encoding"])
        accepted = exchange.read_body(call, body, self._settings.otlp_max_bytes)
        if isinstance(accepted, Reply):
            return {"status": accepted.status, "records": 0, "rejected": 0}
        if accepted.payload:
            self.store(KINDS[call.signal], [accepted.payload])
        return {"status": 200, "records": accepted.records, "rejected": accepted.rejected}

    def store(self, kind: FrameKind, payloads: list[bytes]) -> dict[str, Any]:
        """Store bodies as one batch; the list is empty afterwards."""
        # A new one takes the same body again.
        spool = Spool(self._folder, 134_217_728, 4_194_304, segment_bytes=LARGEST_SEGMENT_BYTES)
        payloads.reverse()
        while payloads:  # none stays here while it is stored
            spool.append(payloads.pop(), 1_700_000_000_000_000, 1, kind)
        spool.seal()
        for segment in list(spool.sealed):
            self._flush_side.store(segment, commit_follows=True)
            self._flush_side.commit(FOREVER_MS)
            spool.discard(segment)
        return {"status": 200, "rejected": 0}


class Ingest:
    """The ingest function's way, from a gateway's event to its answer."""

    def __init__(self, destination: str) -> None:
        from otlp2parquet_ext.functions.ingest.service import IngestService  # noqa: PLC0415 - not in the sandbox

        self._service = IngestService({"OTLP2PARQUET_DESTINATION": destination, **SIZES})
        self._service.warm_up()

    def take(self, job: dict[str, Any], body: bytes) -> dict[str, Any]:
        """Take one body."""
        import base64  # noqa: PLC0415

        headers = {
            "content-type": "application/json" if job["json"] else "application/x-protobuf",
            "content-encoding": job["encoding"],
        }
        if job["signal"] == "telemetry":
            headers["content-type"] = "application/x-ndjson"
        path = "/" if job["signal"] == "telemetry" else f"/v1/{job['signal']}"
        event = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": "",
            "headers": headers,
            "requestContext": {"http": {"method": "POST", "path": path}},
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }
        answer = self._service.answer(event, FOREVER_MS)
        return {"status": answer["statusCode"], "body": str(answer.get("body"))[:300]}


def _peak_kb() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1])
    return 0


def main(folder: str) -> None:
    """Serve jobs until stdin ends."""
    ways: dict[tuple[str, str], Any] = {}
    for line in sys.stdin.buffer:
        job = json.loads(line)
        key = (job["route"], job["destination"])
        if key not in ways:
            ways.clear()
            where = Path(folder)
            sandbox = job["route"] == "sandbox"
            ways[key] = Sandbox(where, key[1]) if sandbox else Ingest(key[1])
        Path("/proc/self/clear_refs").write_text("5")
        result = ways[key].take(job, sys.stdin.buffer.read(job["size"]))
        sys.stdout.write(json.dumps({**result, "peak_kb": _peak_kb()}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
