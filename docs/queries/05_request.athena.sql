-- What did one request log?
-- A file whose bloom filter does not know the request is not read.
SELECT Timestamp, EventName, SeverityText, Body
FROM logs
WHERE FaasInvocationId = 'REQUEST_ID'
ORDER BY Timestamp
