"""HTTP servers in the sandbox: how they admit connections, and read and limit bodies.

admission.py   pending connections; one whose request line names a known path is admitted
http1.py, receiver.py   deliveries of the Telemetry API
aiohttp_server.py, otlp_receiver.py   OTLP requests
"""
