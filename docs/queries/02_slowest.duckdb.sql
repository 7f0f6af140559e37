-- Which invocations took longest?
SELECT Timestamp AS ended, ServiceName AS function, FaasInvocationId AS request,
       (LogAttributes -> 'metrics' ->> 'durationMs')::DOUBLE AS ms
FROM logs
WHERE EventName = 'platform.report' AND Timestamp >= now() - INTERVAL '1' DAY
ORDER BY ms DESC
LIMIT 20
