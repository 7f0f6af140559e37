"""OTLP requests in, tables out; no I/O.

    body --requests.read_request()--> Accepted.payload --spool--> tables.otlp_tables() --> pa.Table

The first request imports the generated classes of opentelemetry-proto: see `messages`.
"""
