"""The committer as a function that is nothing but the layer: a runtime of our own.

    bootstrap:   #!/opt/otlp2parquet/start
                 from otlp2parquet_ext.functions.committer.runtime import main
                 main()

With the layer attached that file is the whole function, runtime `provided.al2023`: nothing is
packaged, and the libraries are those the layer was tested with. Where code has to be Python for a
template to hold it, the runtime's place is taken by
`start -m otlp2parquet_ext.functions.committer.runtime`.

Source: AWS Lambda developer guide, "Using the Lambda runtime API for custom runtimes".
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.functions.committer.function import MARGIN_MS, answer
from otlp2parquet_ext.functions.committer.opening import open_places
from otlp2parquet_ext.functions.runtime_api import RuntimeApi
from otlp2parquet_ext.lake.destinations.destination import DestinationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.functions.committer.opening import TableLocation


def serve_one(api: RuntimeApi, places: Sequence[TableLocation]) -> None:
    """Wait for one event and answer it."""
    request_id, deadline_ms, event = api.next()
    try:
        found = answer(places, event, deadline_ms - MARGIN_MS)
    except Exception as error:  # noqa: BLE001 - Lambda gets the error, and invokes again
        log("error", f"{type(error).__name__}: {quote(error)}")
        api.fail(f"invocation/{request_id}", error)
    else:
        api.respond(request_id, found)


def main() -> None:
    """Serve until Lambda ends us."""
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        places = open_places(os.environ)
    except DestinationError as error:
        log("error", str(error))
        api.fail("init", error)
        sys.exit(1)
    while True:
        serve_one(api, places)


if __name__ == "__main__":
    main()
