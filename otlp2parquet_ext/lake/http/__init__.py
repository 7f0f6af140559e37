"""HTTP requests of our own: what reaches S3, Glue and Iceberg REST without anybody's SDK.

    AwsClient (aws)  --signs (sigv4, credentials), retries-->  Client (client)  -->  the network

    address.py   a URL, taken apart once          answer.py   bytes in, one response out
    errors.py    what a refusal says                 dates.py    times as servers write them
    limits.py    how much of an answer is read

A `Response` is an answer, whatever its status; a `WebError` means there is none.
"""
