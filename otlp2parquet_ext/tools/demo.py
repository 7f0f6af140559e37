"""The demo: runs a sample function with the extension, an Iceberg table and DuckDB on a laptop.

sample/app.py --local environment--> extension --> demo-lake/ --DuckDB--> output, a report
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.tools import demo_lake, local, query
from otlp2parquet_ext.tools.local.plan import LogFormat, Plan
from otlp2parquet_ext.tools.report import command as report
from otlp2parquet_ext.tools.terminal import show, show_error

USAGE_ERROR, INTERRUPTED = 2, 130
GAP_MS = 150
MEMORY_MB = 1_769  # one whole CPU, so that the demo is fast
REPORT_S = 3_600
EVENTS = tuple(json.dumps({"order": number}).encode() for number in range(1, 11))

COUNTS = """
SELECT EventName AS event, count(*) AS rows, count(DISTINCT FaasInvocationId) AS invocations
FROM logs GROUP BY 1 ORDER BY 2 DESC"""

SLOWEST = """
SELECT FaasInvocationId AS request, TRY_CAST(seen->'metrics'->>'durationMs' AS DOUBLE) AS ms,
       TRY_CAST(seen->'metrics'->>'maxMemoryUsedMB' AS INT) AS memory_mb,
       coalesce(TRY_CAST(seen->>'faas.coldstart' AS BOOLEAN), false) AS cold_start
FROM (SELECT *, TRY_CAST(LogAttributes AS JSON) AS seen FROM logs)
WHERE EventName = 'platform.report' AND ms BETWEEN 0 AND 1e9 ORDER BY ms DESC LIMIT 3"""

ERROR = """
SELECT FaasInvocationId, TraceId, Body FROM logs
WHERE SeverityNumber >= 17 AND EventName = 'function' ORDER BY Timestamp LIMIT 1"""

NEXT = (
    "SELECT SeverityText AS level, count(*) AS lines FROM logs "
    "WHERE EventName = 'function' GROUP BY 1 ORDER BY 2 DESC"
)


def demo(lake: str, invocations: int) -> int:
    """Run the sample function and show its table; return an exit status.

    Args:
        lake: folder for the table; only files of an earlier demo are removed from it.
        invocations: number of invocations.
    """
    folder = Path(lake).absolute()
    try:
        demo_lake.claim(folder)
    except demo_lake.NotOursError as error:
        show_error(
            f"--lake {lake!r}: {error}; nothing was removed. Give a folder without catalog.db, "
            "warehouse and report.html"
        )
        return USAGE_ERROR
    except OSError as error:
        show_error(
            f"--lake {lake!r}: {error.strerror or quote(error)}; give a folder that can be written"
        )
        return USAGE_ERROR
    try:
        status = _run(folder, invocations)
        if status == 0:
            demo_lake.finish(folder)
    except KeyboardInterrupt:
        show_error("interrupted; the next demo in this folder starts afresh")
        return INTERRUPTED
    return status


def _run(folder: Path, invocations: int) -> int:
    destination = f"sqlite://{folder}/catalog.db?warehouse={folder}/warehouse"
    show(f"Running a sample function {invocations} times, frozen in between …", flush=True)
    outcome = local.run(_plan(destination, invocations))
    if not outcome.invocations or not outcome.events:
        show("The local environment delivered nothing; run it with its own messages:")
        show(f"  otlp2parquet-ext local --handler app.handler --destination {destination}")
        return 1
    try:
        _show(destination)
        written, said = report.write(destination, folder / demo_lake.REPORT, REPORT_S)
    except (query.QueryError, OSError) as error:
        show_error(error)
        return 1
    show("\n" + "\n".join(said))
    show(f"The report, for a browser: {written}")
    return 0


def _plan(destination: str, invocations: int) -> Plan:
    return Plan(
        handler="app.handler",
        code=Path(local.__file__).parent / "sample",
        memory_mb=MEMORY_MB,
        invocations=invocations,
        events=EVENTS,
        gap_ms=GAP_MS,
        log_format=LogFormat.TEXT,
        destination=destination,
    )


def _show(destination: str) -> None:
    connection = query.connect(destination)
    show("\nRows by event type\n" + query.table_text(connection, COUNTS))
    show("\nSlowest invocations\n" + query.table_text(connection, SLOWEST))
    error = connection.execute(ERROR).fetchone()
    if error is not None:
        show(f"\nFirst error, request {error[0]}, trace {error[1]}\n{error[2]}")
    table = Path(query.metadata_location(destination)).parents[1]
    show(f"\nThe table: {table} (Iceberg; catalog {destination})")
    program = shlex.quote(sys.argv[0])
    show(f'Try next:\n  {program} query {shlex.quote(destination)} "{NEXT}"')
