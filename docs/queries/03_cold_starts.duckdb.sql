-- How many invocations were cold starts, and how long did they wait for them?
WITH reports AS (
    SELECT ServiceName,
           TRY_CAST(TRY_CAST(LogAttributes AS JSON) -> 'metrics' ->> 'initDurationMs' AS DOUBLE) AS ms
    FROM logs
    WHERE EventName = 'platform.report' AND Timestamp >= now() - INTERVAL '1' DAY
),
starts AS (
    SELECT ServiceName, CASE WHEN ms BETWEEN 0 AND 1e9 THEN ms END AS init_ms FROM reports
)
SELECT ServiceName AS function, count(*) AS invocations, count(init_ms) AS cold_starts,
       round(100.0 * count(init_ms) / count(*), 1) AS percent,
       approx_quantile(init_ms, 0.5) AS median_ms, max(init_ms) AS longest_ms
FROM starts
GROUP BY ServiceName
ORDER BY cold_starts DESC, function
