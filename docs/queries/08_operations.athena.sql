-- Which operations are slow, and which fail?
SELECT ServiceName AS function, SpanName AS operation, count(*) AS spans,
       approx_percentile(Duration, 0.95) / 1000000.0 AS p95_ms,
       count(*) FILTER (WHERE StatusCode = 'STATUS_CODE_ERROR') AS failed
FROM traces
WHERE Timestamp >= now() - INTERVAL '1' DAY
GROUP BY ServiceName, SpanName
ORDER BY p95_ms DESC, function
