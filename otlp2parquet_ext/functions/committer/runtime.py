"""The committer as a function that consists of the layer alone: a custom runtime.

    bootstrap:   #!/opt/otlp2parquet/start
                 from otlp2parquet_ext.functions.committer.runtime import main
                 main()

With the layer, that file is the whole function, with the runtime `provided.al2023`. It needs no
package, and its libraries are the tested ones of the layer. If a template can hold only Python
code, `start -m otlp2parquet_ext.functions.committer.runtime` replaces the function's runtime.

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
    """Wait for one event and send its response."""
    request_id, deadline_ms, event = api.next()
    try:
        found = answer(places, event, deadline_ms - MARGIN_MS)
    except Exception as error:  # noqa: BLE001 - Lambda gets the error, and invokes again
        log("error", f"{type(error).__name__}: {quote(error)}")
        api.fail(f"invocation/{request_id}", error)
    else:
        api.respond(request_id, found)


def main() -> None:
    """Serve events until Lambda ends the process."""
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
