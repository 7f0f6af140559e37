-- What happened in the trace of one request, spans and log lines in order?
WITH trace AS (
    SELECT TraceId FROM logs WHERE FaasInvocationId = 'REQUEST_ID'
    UNION
    SELECT TraceId FROM traces WHERE FaasInvocationId = 'REQUEST_ID'
)
SELECT Timestamp, ServiceName AS function, SpanId, 'span' AS kind, SpanName AS what,
       Duration / 1000000.0 AS ms
FROM traces
WHERE TraceId IN (SELECT TraceId FROM trace)
UNION ALL
SELECT Timestamp, ServiceName, SpanId, 'log', Body, NULL
FROM logs
WHERE FaasInvocationId = 'REQUEST_ID' OR TraceId IN (SELECT TraceId FROM trace)
ORDER BY Timestamp, kind DESC
