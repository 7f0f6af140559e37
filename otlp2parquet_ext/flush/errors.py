"""Errors during a flush: which ones are transient, and their text in messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.lake.destinations.destination import DestinationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp2parquet_ext.flush.worker import SerialWorker
    from otlp2parquet_ext.lake.destinations.destination import Receipt

TRANSIENT = (DestinationError, ImportError, MemoryError, OSError)
"""Errors that may pass; any other is a bug of ours."""


def error_text(error: Exception) -> str:
    """Return the text of an error; errors other than a destination's need their type, too."""
    if isinstance(error, DestinationError):
        return str(error)
    return f"{type(error).__name__}: {quote(error)}"


async def run_with_text_fallback(
    worker: SerialWorker, work: Callable[..., Receipt], size_bytes: int, *, as_text: bool = False
) -> Receipt:
    """Store or redeliver a segment on a worker; as text if mapping it breaks our own code.

    Args:
        worker: runs `work`.
        work: takes `as_text`.
        size_bytes: of the segment.
        as_text: mapping it ended processes, or needed too much memory.
    """
    if as_text:
        cause = "ended processes or took more memory than there was"
        log("error", f"{size_bytes} bytes of telemetry are kept as text: mapping them {cause}")
        return await worker.on_thread(work, as_text=True)
    try:
        return await worker.on_thread(work)
    except TRANSIENT:
        raise
    except Exception as error:  # noqa: BLE001 - a bug of ours costs columns, not telemetry
        problem = (
            f"{size_bytes} bytes of telemetry cannot be mapped, kept as text: {quote(repr(error))}"
        )
        log("error", problem)
        return await worker.on_thread(work, as_text=True)
