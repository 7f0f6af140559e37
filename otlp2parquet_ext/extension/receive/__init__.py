"""HTTP servers of the sandbox: which connections they take, how they read and bound bodies.

admission.py   pending connections; one whose request line names a known path is admitted
http1.py, receiver.py   deliveries of the Telemetry API
aiohttp_server.py, otlp_receiver.py   OTLP requests
"""
