-- Which exceptions did spans record?
-- Lists of one span are of equal length: together they are its events.
SELECT ServiceName AS function, json_extract_scalar(attributes, '$["exception.type"]') AS exception,
       count(*) AS times
FROM traces
CROSS JOIN UNNEST(EventsName, EventsAttributes) AS events (event, attributes)
WHERE Timestamp >= now() - INTERVAL '1' DAY AND event = 'exception'
GROUP BY 1, 2
ORDER BY times DESC
