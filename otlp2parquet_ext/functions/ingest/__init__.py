"""The ingest function: stores telemetry from any HTTP client in the extension's tables.

    gateway --event--> handler --> rows, stored --answer--> gateway

    function.py      the Lambda function: `otlp2parquet_ext.functions.ingest.function.handler`
    runtime.py       the same function without a package, from the layer alone
    service.py       from an event to its response
    events.py        events of gateways as requests
    tokens.py, secrets.py  the tokens of permitted clients
    routes.py        the kind of a request, from its head
    responses.py     statuses and bodies
    otlp_bodies.py, event_bodies.py, accepted.py  bodies as tables
    store.py         stores tables in the lake

The function keeps no data: once a client has the status 200, all its records are in the
destination.
"""
