"""The ingest function as a function that consists of the layer alone: a custom runtime.

    bootstrap:   #!/opt/otlp2parquet/start
                 from otlp2parquet_ext.functions.ingest.runtime import main
                 main()

With the layer, that file is the whole function, with the runtime `provided.al2023`. In a function
with another runtime, `/opt/otlp2parquet/start -m otlp2parquet_ext.functions.ingest.runtime`
replaces that runtime.
"""

from __future__ import annotations

import os

from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.functions.ingest.function import MARGIN_MS
from otlp2parquet_ext.functions.ingest.service import IngestService
from otlp2parquet_ext.functions.runtime_api import RuntimeApi
from otlp2parquet_ext.lake.destinations.destination import DestinationError


def serve_one(api: RuntimeApi, service: IngestService) -> None:
    """Wait for one event and send its response."""
    request_id, deadline_ms, event = api.next()
    try:
        answer = service.answer(event, deadline_ms - MARGIN_MS)
    except Exception as error:  # noqa: BLE001 - the caller gets the error
        log("error", f"{type(error).__name__}: {quote(error)}")
        api.fail(f"invocation/{request_id}", error)
    else:
        api.respond(request_id, answer)


def main() -> None:
    """Serve events until Lambda ends the process.

    Without a valid destination it serves, too: clients get 503 and try again.
    """
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    service = IngestService(os.environ)
    try:
        service.warm_up()
    except DestinationError as error:
        log("error", str(error))
    while True:
        serve_one(api, service)


if __name__ == "__main__":
    main()
