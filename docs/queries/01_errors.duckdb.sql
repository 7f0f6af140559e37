-- Which functions fail, and what did they say last?
SELECT ServiceName AS function,
       count(*) FILTER (WHERE EventName = 'platform.report') AS invocations,
       count(*) FILTER (WHERE EventName = 'platform.report' AND SeverityNumber >= 13) AS failed,
       count(*) FILTER (WHERE EventName = 'function' AND SeverityNumber >= 17) AS error_lines,
       max_by(Body, Timestamp) FILTER (WHERE EventName = 'function' AND SeverityNumber >= 17)
           AS last_error
FROM logs
WHERE Timestamp >= now() - INTERVAL '1' DAY
GROUP BY ServiceName
ORDER BY failed DESC, error_lines DESC
