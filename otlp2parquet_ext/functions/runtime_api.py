"""Lambda's runtime API, for functions that consist of the layer alone.

    next() --> an event --> respond(), or fail()

Source: AWS Lambda developer guide, "Using the Lambda runtime API for custom runtimes".
"""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.common.log import quote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPResponse

VERSION = "/2018-06-01/runtime"
MESSAGE_CHARACTERS = 4_000
ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
EVENT_BYTES = 8_388_608
"""Longest event, in bytes: Lambda allows 6 MB, and escapes in JSON make it longer."""

ACKNOWLEDGED_BYTES = 65_536
NONE: Mapping[str, str] = {}


class RuntimeApi:
    """Lambda's runtime API.

    Args:
        address: host:port, as in `AWS_LAMBDA_RUNTIME_API`.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def next(self) -> tuple[str, int, object]:
        """Wait for the next event without a deadline; return request id, deadline and event."""
        response, body = self._call("GET", "/invocation/next", limit_bytes=EVENT_BYTES)
        id_ = response.headers["Lambda-Runtime-Aws-Request-Id"]
        return id_, int(response.headers["Lambda-Runtime-Deadline-Ms"]), json.loads(body)

    def respond(self, request_id: str, found: Mapping[str, Any]) -> None:
        """Send the response to an event."""
        self._call("POST", f"/invocation/{request_id}/response", json.dumps(found))

    def fail(self, where: str, error: Exception) -> None:
        """Report an error of an event (`invocation/ID`) or of the start (`init`)."""
        kind = type(error).__name__
        document = {
            "errorMessage": quote(error, MESSAGE_CHARACTERS),
            "errorType": kind,
            "stackTrace": [],
        }
        self._call(
            "POST", f"/{where}/error", json.dumps(document), {ERROR_TYPE: f"Function.{kind}"}
        )

    def _call(
        self,
        method: str,
        path: str,
        body: str | None = None,
        headers: Mapping[str, str] = NONE,
        limit_bytes: int = ACKNOWLEDGED_BYTES,
    ) -> tuple[HTTPResponse, bytes]:
        # A new connection for each call, because a kept one may die during a freeze.
        connection = HTTPConnection(self._address)
        try:
            connection.request(method, VERSION + path, body, dict(headers))
            response = connection.getresponse()
            data = response.read(limit_bytes + 1)
            if len(data) > limit_bytes:
                raise ValueError(f"{method} {path}: the answer exceeds {limit_bytes} bytes")
            return response, data
        finally:
            connection.close()
