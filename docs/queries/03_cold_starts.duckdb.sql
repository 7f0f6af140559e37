-- How many invocations were cold starts, and how long did they wait for them?
WITH reports AS (
    SELECT ServiceName, (LogAttributes -> 'metrics' ->> 'initDurationMs')::DOUBLE AS init_ms
    FROM logs
    WHERE EventName = 'platform.report' AND Timestamp >= now() - INTERVAL '1' DAY
)
SELECT ServiceName AS function, count(*) AS invocations, count(init_ms) AS cold_starts,
       round(100.0 * count(init_ms) / count(*), 1) AS percent,
       approx_quantile(init_ms, 0.5) AS median_ms, max(init_ms) AS longest_ms
FROM reports
GROUP BY ServiceName
ORDER BY cold_starts DESC, function
