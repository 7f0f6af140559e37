"""The ingest function: telemetry over HTTP, from anybody, into the tables the extension writes.

    gateway --event--> handler --> rows, stored --answer--> gateway

    function.py      the Lambda function: `otlp2parquet_ext.functions.ingest.function.handler`
    runtime.py       the same where the layer is all there is of it
    service.py       from an event to its answer
    events.py        events of gateways as requests
    tokens.py, secrets.py  who may send
    routes.py        which request it is
    responses.py     statuses and bodies
    otlp_bodies.py, event_bodies.py, accepted.py  bodies as tables
    store.py         tables into the lake

It keeps nothing: who was answered 200 finds everything in the destination, whatever becomes of us.
"""
