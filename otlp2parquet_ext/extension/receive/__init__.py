"""HTTP servers of the sandbox: who may connect, how bodies are read and bounded.

admission.py   pending connections; a known path lets one in
http1.py, receiver.py   deliveries of the Telemetry API
aiohttp_server.py, otlp_receiver.py   OTLP requests
"""
