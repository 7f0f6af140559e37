-- What does each function cost?
-- List prices of us-east-1 for x86_64; a GB-second of arm64 is 0.0000133334.
WITH reports AS (
    SELECT ServiceName,
           TRY_CAST(TRY_CAST(LogAttributes AS JSON) -> 'metrics' ->> 'billedDurationMs' AS DOUBLE) AS ms,
           TRY_CAST(TRY_CAST(LogAttributes AS JSON) -> 'metrics' ->> 'memorySizeMB' AS DOUBLE) AS mb
    FROM logs
    WHERE EventName = 'platform.report' AND Timestamp >= now() - INTERVAL '30' DAY
),
bills AS (
    SELECT ServiceName,
           CASE WHEN ms BETWEEN 0 AND 1e9 AND mb BETWEEN 0 AND 1e6 THEN ms / 1000 * mb / 1024
               ELSE 0 END AS gb_seconds
    FROM reports
)
SELECT ServiceName AS function, count(*) AS invocations,
       round(sum(gb_seconds), 3) AS gb_seconds,
       round(sum(gb_seconds) * 0.0000166667 + count(*) * 0.0000002, 6) AS usd
FROM bills
GROUP BY ServiceName
ORDER BY usd DESC
