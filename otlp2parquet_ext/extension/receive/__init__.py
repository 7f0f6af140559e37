"""HTTP servers in the sandbox: how they admit connections, and read and limit bodies.

admission.py   pending connections; one whose request line names a known path is admitted
http1.py, receiver.py   deliveries of the Telemetry API
keep_alive_server.py, keep_alive_connection.py, otlp_receiver.py   OTLP requests
"""
