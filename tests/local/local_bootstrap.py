"""A custom runtime in forty lines: it streams its answers, and `init-error` makes it fail to start.

It is run as a command of its own, `python local_bootstrap.py [what]`.
"""

from __future__ import annotations

import http.client
import json
import os
import sys

API = "/2018-06-01/runtime"


def call(method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
    """Make one call; a body is sent chunked."""
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    chunks = iter([body[:3], body[3:]]) if body else None
    connection.request(method, path, chunks, headers, encode_chunked=bool(body))
    response = connection.getresponse()
    return response.status, response.read()


def main() -> int:
    """Take invocations for ever."""
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    chunked = {"Transfer-Encoding": "chunked"}
    if what == "init-error":
        body = json.dumps({"errorType": "Custom", "errorMessage": "no config"}).encode()
        call("POST", f"{API}/init/error", body, chunked)
        return 1
    while True:
        connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
        connection.request("GET", f"{API}/invocation/next")
        response = connection.getresponse()
        payload = response.read()
        request_id = response.headers["Lambda-Runtime-Aws-Request-Id"]
        mode = {"Lambda-Runtime-Function-Response-Mode": "streaming"}
        statuses = [
            call("POST", f"{API}/invocation/{wanted}/response", payload, chunked | extra)[0]
            for wanted, extra in (
                ("00000000-0000-0000-0000-000000000000", {}),
                (request_id, {"Lambda-Runtime-Function-Response-Mode": "loud"}),
                (request_id, mode),
                (request_id, mode),
            )
        ]
        print("statuses", *statuses, flush=True)  # noqa: T201 (the test reads it)


if __name__ == "__main__":
    sys.exit(main())
