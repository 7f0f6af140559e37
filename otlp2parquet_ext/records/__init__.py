"""Telemetry as values and columns. Pure: bytes and integers in, values out.

telemetry/   events as Lambda sends them     mapping/   events to rows
otlp/        OTLP requests to rows and back  tables/    the columns of each table
digests.py   digests of bodies, names of batches
"""
