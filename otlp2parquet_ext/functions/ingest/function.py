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
"""Of the time Lambda gives, what is left for the answer."""


def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Take a request.

    Args:
        event: of a function URL, API Gateway (REST and HTTP) or a load balancer.
        context: Lambda's.

    Returns:
        The answer as a gateway wants it. 200: all that was accepted is stored.

    Raises:
        EventError: the event is no HTTP request.
    """
    now_ms = time.time_ns() // 1_000_000
    return _service().answer(event, now_ms + context.get_remaining_time_in_millis() - MARGIN_MS)


@cache
def _service() -> IngestService:
    """Open the destination once in an environment's life: connections stay."""
    return IngestService(os.environ)
