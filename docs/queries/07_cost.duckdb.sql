-- What does each function cost?
-- List prices of us-east-1 for x86_64; a GB-second of arm64 is 0.0000133334.
WITH reports AS (
    SELECT ServiceName,
           (LogAttributes -> 'metrics' ->> 'billedDurationMs')::DOUBLE / 1000
           * (LogAttributes -> 'metrics' ->> 'memorySizeMB')::DOUBLE / 1024 AS gb_seconds
    FROM logs
    WHERE EventName = 'platform.report' AND Timestamp >= now() - INTERVAL '30' DAY
)
SELECT ServiceName AS function, count(*) AS invocations,
       round(sum(gb_seconds), 3) AS gb_seconds,
       round(sum(gb_seconds) * 0.0000166667 + count(*) * 0.0000002, 6) AS usd
FROM reports
GROUP BY ServiceName
ORDER BY usd DESC
