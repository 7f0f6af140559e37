"""The ingest function as a function that is nothing but the layer: a runtime of our own.

    bootstrap:   #!/opt/otlp2parquet/start
                 from otlp2parquet_ext.ingest.runtime import main
                 main()

With the layer attached that file is the whole function, runtime `provided.al2023`. Whatever runtime
a function has, `/opt/otlp2parquet/start -m otlp2parquet_ext.ingest.runtime` can take its place.
"""

from __future__ import annotations

import os

from otlp2parquet_ext.destinations import DestinationError
from otlp2parquet_ext.ingest import MARGIN_MS
from otlp2parquet_ext.ingest.service import Service
from otlp2parquet_ext.runtime_api import RuntimeApi
from otlp2parquet_ext.say import quote, say


def serve_one(api: RuntimeApi, service: Service) -> None:
    """Wait for one event and answer it."""
    request_id, deadline_ms, event = api.next()
    try:
        answer = service.answer(event, deadline_ms - MARGIN_MS)
    except Exception as error:  # noqa: BLE001 - whoever invoked us is told
        say("error", f"{type(error).__name__}: {quote(error)}")
        api.fail(f"invocation/{request_id}", error)
    else:
        api.respond(request_id, answer)


def main() -> None:
    """Serve until Lambda ends us; without a destination, too: clients are asked to come again."""
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    service = Service(os.environ)
    try:
        service.warm_up()
    except DestinationError as error:
        say("error", str(error))
    while True:
        serve_one(api, service)


if __name__ == "__main__":
    main()
