"""The queries of a report, in DuckDB's SQL.

Every statement over `logs` begins with a constant time window. So DuckDB skips the files of other
days by Iceberg's partitions and the statistics of files. Data that several queries need is first
copied into temporary tables, which DuckDB keeps on disk if memory is short.

    logs --REPORTS--> reports     a row for each invocation
    logs --ERRORS---> errors      a row for each error line, with a hash of its text
"""

from __future__ import annotations

LONG_TEXT = 4_000
"""Most characters of a message that are read and shown."""

# The same prefix for the text lines of Python's runtime and of Node's: level, time, request.
_PREFIX = (
    r"^(?:\[[A-Za-z]+\]\s+)?(?:\d{4}-\d\d-\d\d[T ]\S+\s+)?"
    r"(?:[0-9a-f]{8}-[0-9a-f-]{27}\s+)?(?:(?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL|undefined)\s+)?"
)
_UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_HEX = r"\b[0-9a-fA-F]{12,}\b"

MACROS = {
    # Attributes that are no JSON count as absent, because a forged row may hold any text.
    "attribute(attributes, name)": "TRY_CAST(attributes AS JSON) ->> name",
    # A number of a report that is no plausible number counts as absent.
    "figure(x)": (
        "CASE WHEN TRY_CAST(x AS DOUBLE) BETWEEN 0 AND 1e15 THEN TRY_CAST(x AS DOUBLE) END"
    ),
    "is_line(event)": (
        "coalesce(event, '') NOT LIKE 'platform.%' AND coalesce(event, '') NOT LIKE 'otlp2parquet%'"
    ),
    "said(body)": f"regexp_replace(coalesce(body, ''), '{_PREFIX}', '')",
    # The first line, and the last one unless it is part of a stack: `Error: no such order 7`.
    "first_line(body)": "trim(split_part(body, chr(10), 1))",
    "last_line(body)": r"regexp_extract(rtrim(body), '\n(\S[^\n]*)$', 1)",
    "short(body)": (
        "CASE WHEN last_line(body) IN ('', first_line(body)) THEN first_line(body) "
        "ELSE concat(first_line(body), ': ', last_line(body)) END"
    ),
    "folded(text)": (
        f"left(regexp_replace(regexp_replace(regexp_replace(text, '{_UUID}', '…', 'g'), "
        rf"'{_HEX}', '…', 'g'), '\d+', '#', 'g'), 240)"
    ),
    "message(body, attributes)": (
        "folded(CASE WHEN coalesce(attribute(attributes, 'exception.type'), '') = '' "
        "OR contains(body, attribute(attributes, 'exception.type')) THEN short(said(body)) "
        "ELSE concat(attribute(attributes, 'exception.type'), ': ', short(said(body))) END)"
    ),
}
"""Macros by their names and parameters, in order of their dependencies."""

REPORTS = """
CREATE TEMP TABLE reports AS
SELECT DISTINCT ON (function, request, ended_ms)
       ServiceName AS function, coalesce(FaasInvocationId, '') AS request,
       epoch_ms(Timestamp) AS ended_ms, coalesce(said[1], '') AS status,
       coalesce(said[2], '') AS error, figure(said[3]) AS ms,
       coalesce(figure(said[4]), 0) + coalesce(figure(said[5]), 0) AS billed_ms,
       nullif(figure(said[6]), 0) AS memory_size, figure(said[7]) AS memory_used,
       coalesce(figure(said[8]), figure(said[9])) AS init_ms, false AS has_error,
FROM (
    SELECT ServiceName, FaasInvocationId, Timestamp,
           json_extract_string(TRY_CAST(LogAttributes AS JSON), [
        '$.status', '$.errorType', '$.metrics.durationMs', '$.metrics.billedDurationMs',
        '$.metrics.billedRestoreDurationMs', '$.metrics.memorySizeMB',
        '$.metrics.maxMemoryUsedMB', '$.metrics.initDurationMs', '$.metrics.restoreDurationMs'
    ]) AS said
    FROM logs WHERE {window} AND EventName = 'platform.report'
)"""

ERRORS = """
CREATE TEMP TABLE errors AS
SELECT ServiceName AS function, coalesce(FaasInvocationId, '') AS request,
       epoch_ms(Timestamp) AS at_ms,
       hash(message(left(Body, {long}), LogAttributes)) AS message_hash
FROM logs
WHERE {window} AND SeverityNumber >= 17 AND is_line(EventName)"""

MARK = """
UPDATE reports SET has_error = true
WHERE (function, request) IN (SELECT (function, request) FROM errors WHERE request <> '')"""

OUTCOME = """
ALTER TABLE reports ADD COLUMN outcome VARCHAR DEFAULT 'ok';
UPDATE reports SET outcome = CASE WHEN status NOT IN ('', 'success') THEN 'failed' ELSE 'logged' END
WHERE has_error OR status NOT IN ('', 'success')"""

ROWS = "SELECT count(*) FROM logs WHERE {window}"
NEWEST = "SELECT epoch_ms(max(Timestamp)) FROM logs WHERE {until}"

FUNCTIONS = """
SELECT {name} AS name, count(*), count(*) FILTER (WHERE outcome = 'failed'),
       count(*) FILTER (WHERE outcome = 'failed' AND timed_out),
       count(*) FILTER (WHERE outcome = 'logged'), count(init_ms),
       quantile_cont(ms, 0.5), quantile_cont(ms, 0.95), quantile_cont(ms, 0.99), max(ms),
       quantile_cont(init_ms, 0.5), max(memory_used), min(memory_size),
       count(DISTINCT memory_size), coalesce(sum(billed_ms / 1000 * memory_size / 1024), 0) AS gb_s,
       quantile_cont(ms, 0.5) FILTER (WHERE outcome = 'failed' AND timed_out)
FROM (SELECT *, status = 'timeout' OR error IN ('Sandbox.Timedout', 'Sandbox.Timeout',
      'Runtime.InvokeTimeout') AS timed_out FROM reports)
GROUP BY ALL ORDER BY gb_s DESC, name"""

BETWEEN = "SELECT min(ended_ms), max(ended_ms) FROM reports"
MOMENTS = """
SELECT ended_ms // $step * $step AS start_ms, count(*) FILTER (WHERE outcome = 'ok'),
       count(*) FILTER (WHERE outcome = 'logged'), count(*) FILTER (WHERE outcome = 'failed')
FROM reports GROUP BY ALL ORDER BY 1"""

HISTOGRAM = """
SELECT bin, count(*) FROM (
    SELECT list_position(list_transform($bounds, b -> {value} <= b), true) AS bin
    FROM reports WHERE {value} IS NOT NULL
) GROUP BY ALL ORDER BY 1"""
DURATION, INIT, MEMORY = "ms", "init_ms", "(100 * memory_used / memory_size)"

SLOWEST = """
SELECT unnest(max_by(reports, ms, $each)) AS row FROM reports WHERE ms IS NOT NULL
GROUP BY function"""
SLOWEST_FLAT = f"""
SELECT row.request, row.function, row.ended_ms, row.ms, row.init_ms, row.memory_used,
       row.memory_size, row.outcome, row.status, row.error
FROM ({SLOWEST}) ORDER BY row.ms DESC, row.ended_ms DESC, row.request LIMIT $limit"""  # noqa: S608

SIMILAR = """
SELECT message_hash, mode(function) AS function, count(DISTINCT function), count(*) AS times,
       count(DISTINCT nullif(request, '')), min(at_ms), max(at_ms),
       coalesce(max_by(request, at_ms) FILTER (WHERE request <> ''), '')
FROM errors GROUP BY message_hash ORDER BY times DESC, message_hash LIMIT $limit"""

SAMPLES = """
SELECT message_hash, max_by(message, ts), max_by(body, ts), max_by(chars, ts) FROM (
    SELECT Timestamp AS ts, left(Body, {long}) AS body,
           length(Body) AS chars, message(left(Body, {long}), LogAttributes) AS message,
           hash(message(left(Body, {long}), LogAttributes)) AS message_hash
    FROM logs WHERE {window} AND SeverityNumber >= 17 AND is_line(EventName)
) WHERE message_hash IN (SELECT unnest($message_hash)) GROUP BY message_hash"""

FAILURES = """
SELECT CASE WHEN error = '' THEN status ELSE error END AS reason, status,
       mode(function) AS function, count(DISTINCT function), count(*) AS times,
       count(DISTINCT request), min(ended_ms), max(ended_ms),
       max_by(request, ended_ms), quantile_cont(ms, 0.5)
FROM reports WHERE outcome = 'failed'
GROUP BY reason, status ORDER BY times DESC, reason, status LIMIT $limit"""

INITS_FAILED = """
SELECT coalesce(attribute(LogAttributes, 'errorType'), attribute(LogAttributes, 'status'))
           AS reason,
       mode(ServiceName), count(DISTINCT ServiceName), count(*) AS times,
       epoch_ms(min(Timestamp)), epoch_ms(max(Timestamp)),
       max_by(left(Body, {long}), Timestamp)
FROM logs
WHERE {window} AND EventName = 'platform.initReport' AND SeverityNumber >= 13
GROUP BY reason ORDER BY times DESC, reason LIMIT $limit"""

LINES = """
SELECT FaasInvocationId, epoch_ms(Timestamp), SeverityNumber, SeverityText,
       coalesce(EventName, ''), left(said(Body), $chars), length(said(Body)),
       count(*) OVER (PARTITION BY FaasInvocationId)
FROM logs
WHERE {window} AND FaasInvocationId IN (SELECT unnest($requests))
QUALIFY row_number() OVER (PARTITION BY FaasInvocationId ORDER BY Timestamp, EventName) <= $each
ORDER BY 1, Timestamp, EventName"""

LOSSES = """
SELECT coalesce(attribute(LogAttributes, 'reason'), ''),
       coalesce(sum(figure(attribute(LogAttributes, 'droppedRecords'))), 0)::BIGINT AS records
FROM logs
WHERE {window} AND EventName IN ('otlp2parquet_ext.dropped', 'platform.logsDropped')
GROUP BY ALL ORDER BY records DESC, 1 LIMIT $limit"""
