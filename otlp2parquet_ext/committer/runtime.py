"""The committer as a function that is nothing but the layer: a runtime of our own.

    bootstrap:   #!/opt/otlp2parquet/start
                 from otlp2parquet_ext.committer.runtime import main
                 main()

With the layer attached that file is the whole function, runtime `provided.al2023`: nothing is
packaged, and the libraries are those the layer was tested with. Where code has to be Python for a
template to hold it, `start -m otlp2parquet_ext.committer.runtime` takes the runtime's place.

Source: AWS Lambda developer guide, "Using the Lambda runtime API for custom runtimes".
"""

from __future__ import annotations

import json
import os
import sys
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.committer import MARGIN_MS, answer
from otlp2parquet_ext.committer.opening import open_places
from otlp2parquet_ext.destinations import DestinationError
from otlp2parquet_ext.say import say, without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from http.client import HTTPResponse

    from otlp2parquet_ext.committer.opening import Place

VERSION = "/2018-06-01/runtime"
ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
NONE: Mapping[str, str] = {}


class RuntimeApi:
    """Lambda's runtime API.

    Args:
        address: host:port, as in `AWS_LAMBDA_RUNTIME_API`.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def next(self) -> tuple[str, int, object]:
        """Wait for the next event, however long; return its request id, its deadline and it."""
        response, body = self._call("GET", "/invocation/next")
        id_ = response.headers["Lambda-Runtime-Aws-Request-Id"]
        return id_, int(response.headers["Lambda-Runtime-Deadline-Ms"]), json.loads(body)

    def respond(self, request_id: str, found: Mapping[str, Any]) -> None:
        """Answer an event."""
        self._call("POST", f"/invocation/{request_id}/response", json.dumps(found))

    def fail(self, where: str, error: Exception) -> None:
        """Say that an event (`invocation/ID`), or the start (`init`), has failed."""
        kind = type(error).__name__
        told = {"errorMessage": without_secrets(str(error)), "errorType": kind, "stackTrace": []}
        self._call("POST", f"/{where}/error", json.dumps(told), {ERROR_TYPE: f"Function.{kind}"})

    def _call(
        self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] = NONE
    ) -> tuple[HTTPResponse, bytes]:
        # A connection each: one that was kept may have died while we were frozen.
        connection = HTTPConnection(self._address)
        try:
            connection.request(method, VERSION + path, body, dict(headers))
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()


def serve_one(api: RuntimeApi, places: Sequence[Place]) -> None:
    """Wait for one event and answer it."""
    request_id, deadline_ms, event = api.next()
    try:
        found = answer(places, event, deadline_ms - MARGIN_MS)
    except Exception as error:  # noqa: BLE001 - Lambda is told, and asks again
        say("error", f"{type(error).__name__}: {error}")
        api.fail(f"invocation/{request_id}", error)
    else:
        api.respond(request_id, found)


def main() -> None:
    """Serve until Lambda ends us."""
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        places = open_places(os.environ)
    except DestinationError as error:
        say("error", str(error))
        api.fail("init", error)
        sys.exit(1)
    while True:
        serve_one(api, places)


if __name__ == "__main__":
    main()
