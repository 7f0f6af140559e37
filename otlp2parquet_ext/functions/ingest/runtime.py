"""The ingest function as a function that is nothing but the layer: a runtime of our own.

    bootstrap:   #!/opt/otlp2parquet/start
                 from otlp2parquet_ext.functions.ingest.runtime import main
                 main()

With the layer attached that file is the whole function, runtime `provided.al2023`. Whatever runtime
a function has, its place can be taken by
`/opt/otlp2parquet/start -m otlp2parquet_ext.functions.ingest.runtime`.
"""

from __future__ import annotations

import os

from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.functions.ingest.function import MARGIN_MS
from otlp2parquet_ext.functions.ingest.service import IngestService
from otlp2parquet_ext.functions.runtime_api import RuntimeApi
from otlp2parquet_ext.lake.destinations.destination import DestinationError


def serve_one(api: RuntimeApi, service: IngestService) -> None:
    """Wait for one event and answer it."""
    request_id, deadline_ms, event = api.next()
    try:
        answer = service.answer(event, deadline_ms - MARGIN_MS)
    except Exception as error:  # noqa: BLE001 - the caller gets the error
        log("error", f"{type(error).__name__}: {quote(error)}")
        api.fail(f"invocation/{request_id}", error)
    else:
        api.respond(request_id, answer)


def main() -> None:
    """Serve until Lambda ends us; without a destination, too: clients are asked to come again."""
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
