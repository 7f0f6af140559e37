"""An extension that takes our port, and otherwise behaves."""

import http.client
import os
import socket

server = socket.create_server(("0.0.0.0", int(os.environ["RECEIVER_PORT"])))
api = os.environ["AWS_LAMBDA_RUNTIME_API"]


def call(method: str, path: str, headers: dict[str, str], body: str = "") -> tuple[str, bytes]:
    """Make one call of the Extensions API; return the identifier and the body of its answer."""
    connection = http.client.HTTPConnection(api)
    connection.request(method, f"/2020-01-01/extension/{path}", body, headers)
    response = connection.getresponse()
    return response.headers.get("Lambda-Extension-Identifier", ""), response.read()


identifier, _ = call(
    "POST", "register", {"Lambda-Extension-Name": "other"}, '{"events":["INVOKE","SHUTDOWN"]}'
)
identity = {"Lambda-Extension-Identifier": identifier}
while b"SHUTDOWN" not in call("GET", "event/next", identity)[1]:
    pass
