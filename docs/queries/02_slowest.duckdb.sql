-- Which invocations took longest?
WITH reports AS (
    SELECT Timestamp, ServiceName, FaasInvocationId,
           TRY_CAST(TRY_CAST(LogAttributes AS JSON) -> 'metrics' ->> 'durationMs' AS DOUBLE) AS ms
    FROM logs
    WHERE EventName = 'platform.report' AND Timestamp >= now() - INTERVAL '1' DAY
)
SELECT Timestamp AS ended, ServiceName AS function, FaasInvocationId AS request, ms
FROM reports
WHERE ms BETWEEN 0 AND 1e9
ORDER BY ms DESC
LIMIT 20
