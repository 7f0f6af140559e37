"""The ingest function: a gateway's event in, its response out.

The handler is `otlp2parquet_ext.functions.ingest.function.handler`.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any, Protocol

from otlp2parquet_ext.functions.ingest.service import IngestService, now_ms

MARGIN_MS = 500
"""Of the time Lambda gives, what is left for the answer."""


class LambdaContext(Protocol):
    """What we need of Lambda's context object."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the time until Lambda ends us, in ms."""


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
    return _service().answer(event, now_ms() + context.get_remaining_time_in_millis() - MARGIN_MS)


@cache
def _service() -> IngestService:
    """Open the destination once in an environment's life: connections stay."""
    return IngestService(os.environ)
