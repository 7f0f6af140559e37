-- How much memory is left over, by function and memory size?
WITH reports AS (
    SELECT ServiceName,
           TRY_CAST(json_extract_scalar(LogAttributes, '$.metrics.memorySizeMB') AS BIGINT) AS size_mb,
           TRY_CAST(json_extract_scalar(LogAttributes, '$.metrics.maxMemoryUsedMB') AS BIGINT) AS used_mb
    FROM logs
    WHERE EventName = 'platform.report' AND Timestamp >= now() - INTERVAL '1' DAY
)
SELECT ServiceName AS function, size_mb, max(used_mb) AS most_used_mb,
       size_mb - max(used_mb) AS headroom_mb, round(100.0 * max(used_mb) / size_mb, 1) AS percent
FROM reports
WHERE size_mb BETWEEN 1 AND 1000000 AND used_mb BETWEEN 0 AND 1000000
GROUP BY ServiceName, size_mb
ORDER BY percent DESC
