"""The HTTP client of this package: it reaches S3, Glue and Iceberg REST without an SDK.

    AwsClient (aws)  --signs (sigv4, credentials), retries-->  Client (client)  -->  the network

    address.py   the parts of a URL                  answer.py   bytes in, one response out
    errors.py    code and message of an error        dates.py    times in headers and documents
    limits.py    longest body by purpose

A `Response` may have any status; a `WebError` means that there is no response.
"""
