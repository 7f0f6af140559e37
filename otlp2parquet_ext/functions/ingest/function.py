"""The ingest function: a gateway's event in, its response out.

The handler is `otlp2parquet_ext.functions.ingest.function.handler`.
"""

from __future__ import annotations

import os
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.functions.ingest.service import IngestService

if TYPE_CHECKING:
    from otlp2parquet_ext.functions.lambda_context import LambdaContext

MARGIN_MS = 500
"""Time before Lambda's timeout for the response."""


def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Handle a request.

    Args:
        event: from a function URL, API Gateway (REST and HTTP) or a load balancer.
        context: Lambda's context object.

    Returns:
        The response in the gateway's form. After 200, all accepted records are stored.

    Raises:
        EventError: the event is no HTTP request.
    """
    now_ms = time.time_ns() // 1_000_000
    return _service().answer(event, now_ms + context.get_remaining_time_in_millis() - MARGIN_MS)


@cache
def _service() -> IngestService:
    """Open the destination once for the life of an environment, to keep connections."""
    return IngestService(os.environ)
