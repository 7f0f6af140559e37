"""Measures bytes of the layer, bytes per event as Parquet and as gzip NDJSON, and query times."""

from __future__ import annotations

import gzip
import json
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import reference_mix

from otlp2parquet_ext.lake.destinations.parquet_file import encode
from otlp2parquet_ext.records.tables.logs import COLUMNS
from performance_parts import stage, stats

if TYPE_CHECKING:
    from collections.abc import Callable

BATCHES = (100, 500, 1_000, 10_000)
EVENTS, QUICK_EVENTS = 100_000, 20_000
FILE_EVENTS = 10_000
ROUNDS = 7
LABELS = {
    "version": "17",
    "region": "eu-central-1",
    "logGroup": reference_mix.FUNCTION,
    "logStream": "2026-09-21T13:46:40.000Z_042",
}
PARQUET = "read_parquet('{folder}/*.parquet')"
LINES = """read_json('{folder}/*.ndjson.gz', format='newline_delimited', columns={{
    'time': 'VARCHAR', 'type': 'VARCHAR', 'logGroup': 'VARCHAR', 'record': 'JSON'}})"""


class Question(NamedTuple):
    """One query as SQL for both formats: `{source}` is the table, `{request}` a request id."""

    parquet: str
    lines: str


QUESTIONS = {
    "errors by message": Question(
        """SELECT Body, count(*) FROM {source} WHERE EventName = 'function'
           AND SeverityNumber >= 17 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10""",
        """SELECT record ->> '$.message', count(*) FROM {source} WHERE "type" = 'function'
           AND (record ->> '$.level') = 'ERROR' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10""",
    ),
    "slowest invocations": Question(
        """SELECT FaasInvocationId, (LogAttributes -> 'metrics' ->> 'durationMs')::DOUBLE AS ms
           FROM {source} WHERE EventName = 'platform.report' ORDER BY ms DESC, 1 LIMIT 20""",
        """SELECT record ->> '$.requestId', (record ->> '$.metrics.durationMs')::DOUBLE AS ms
           FROM {source} WHERE "type" = 'platform.report' ORDER BY ms DESC, 1 LIMIT 20""",
    ),
    "what one request logged": Question(
        """SELECT count(*) FROM {source}
           WHERE FaasInvocationId = '{request}' AND EventName = 'function'""",
        """SELECT count(*) FROM {source}
           WHERE contains(record::VARCHAR, '{request}') AND "type" = 'function'""",
    ),
}


def measure(*, quick: bool) -> dict[str, Any]:
    """Return bytes of the layer, bytes per event by batch, and ms of three queries."""
    events = QUICK_EVENTS if quick else EVENTS
    return {
        "layer": _layer(),
        "bytes": {str(batch): _bytes(batch) for batch in BATCHES},
        "queries": _queries(events, 2 if quick else ROUNDS),
    }


def _layer() -> dict[str, float]:
    with zipfile.ZipFile(stage.layer_zip()) as content:
        unpacked = sum(entry.file_size for entry in content.infolist())
    megabyte = 1 << 20
    zipped = stage.layer_zip().stat().st_size
    return {"zip_mb": zipped / megabyte, "unpacked_mb": unpacked / megabyte}


def _bytes(batch: int) -> dict[str, float]:
    """Return the bytes of batches with `batch` events, one file each, in both formats."""
    events = max(batch, 2_000)
    table, made = reference_mix.rows(events), reference_mix.events(events)
    starts = range(0, events, batch)
    parquet = sum(encode(table.slice(start, batch), COLUMNS).data.size for start in starts)
    lines = [_lines(made[start : start + batch]) for start in starts]
    return {
        "json": sum(map(len, lines)) / events,
        "gzip_ndjson": sum(len(gzip.compress(text, 6)) for text in lines) / events,
        "parquet": parquet / events,
    }


def _lines(events: list[dict[str, Any]]) -> bytes:
    """Return events in the format of a forwarder."""
    forwarded = [
        {"time": e["time"], "type": e["type"], **LABELS, "record": e["record"]} for e in events
    ]
    return "\n".join(json.dumps(line, separators=(",", ":")) for line in forwarded).encode()


def _queries(events: int, rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = reference_mix.events(events)
        table = reference_mix.rows(events)
        for start in range(0, events, FILE_EVENTS):
            file = encode(table.slice(start, FILE_EVENTS), COLUMNS)
            (folder / f"{start:08}.parquet").write_bytes(bytes(memoryview(file.data)))
            packed = gzip.compress(_lines(made[start : start + FILE_EVENTS]), 6)
            (folder / f"{start:08}.ndjson.gz").write_bytes(packed)
        reports = [e for e in made if e["type"] == "platform.report"]
        request = reports[len(reports) // 2]["record"]["requestId"]
        return {
            question: _asked(folder, sql, request, rounds) for question, sql in QUESTIONS.items()
        }


def _asked(folder: Path, sql: Question, request: str, rounds: int) -> dict[str, Any]:
    """Run one query on both formats; the answers must agree."""
    connection = duckdb.connect(config={"threads": 1})
    answers: dict[str, Any] = {}

    def asking(kind: str, text: str, source: str) -> Callable[[], stats.Figures]:
        filled = text.format(source=source.format(folder=folder), request=request)

        def ask() -> stats.Figures:
            started_s = time.process_time()
            answers[kind] = connection.execute(filled).fetchall()
            return {"cpu_ms": (time.process_time() - started_s) * 1_000}

        return ask

    kinds = {
        "parquet": asking("parquet", sql.parquet, PARQUET),
        "gzip_ndjson": asking("gzip_ndjson", sql.lines, LINES),
    }
    found = stats.in_turn(kinds, rounds)
    assert answers["parquet"], "a question without an answer measures nothing"
    assert answers["parquet"] == answers["gzip_ndjson"], answers
    return {kind: figures["cpu_ms"] for kind, figures in found.items()}
