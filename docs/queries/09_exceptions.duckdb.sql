-- Which exceptions did spans record?
-- Lists of one span are of equal length: together they are its events.
SELECT ServiceName AS function, TRY_CAST(attributes AS JSON) ->> 'exception.type' AS exception,
       count(*) AS times
FROM (
    SELECT ServiceName, unnest(EventsName) AS event, unnest(EventsAttributes) AS attributes
    FROM traces
    WHERE Timestamp >= now() - INTERVAL '1' DAY
)
WHERE event = 'exception'
GROUP BY 1, 2
ORDER BY times DESC
