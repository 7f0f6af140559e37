"""OTLP requests in, tables out; no I/O.

    body --requests.read_request()--> Accepted.payload --spool--> tables.otlp_tables() --> pa.Table

The generated classes of opentelemetry-proto are imported with the first request, not before: see
`messages`.
"""
