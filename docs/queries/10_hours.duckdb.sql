-- How many invocations and errors were there, hour by hour?
SELECT date_trunc('hour', Timestamp) AS hour, ServiceName AS function,
       sum(Value) FILTER (WHERE MetricName = 'faas.invocations') AS succeeded,
       sum(Value) FILTER (WHERE MetricName = 'faas.errors') AS failed
FROM metrics_sum
WHERE AggregationTemporality = 1 AND Timestamp >= now() - INTERVAL '1' DAY
  AND Value BETWEEN 0 AND 1e15
GROUP BY 1, 2
ORDER BY hour, function
