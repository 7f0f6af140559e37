"""What libraries log becomes lines of ours: JSON, and each thing once.

Without this Python writes it to standard error as it comes, tracebacks over many lines: a
misbehaving client of the receiver could fill the function's log.
"""

from __future__ import annotations

import logging
import threading

from otlp2parquet_ext.common.log import log, quote

DIFFERENT_LINES = 50


class LogOnceHandler(logging.Handler):
    """Says what a library logs; the same message with another detail is the same thing."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: set[tuple[object, ...]] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record, unless one of the same kind has been logged before."""
        error = record.exc_info[1] if record.exc_info else None
        kind = (record.name, record.msg, type(error))
        if kind in self._said or len(self._said) >= DIFFERENT_LINES:
            return
        self._said.add(kind)
        cause = f": {type(error).__name__}: {quote(error)}" if error else ""
        log("warning", f"{record.name}: {quote(record.getMessage())}{cause}")


def forward_library_logs() -> None:
    """Take over logging and warnings of this process."""
    logging.getLogger().addHandler(LogOnceHandler())
    logging.captureWarnings(capture=True)
    threading.excepthook = _log_thread_failure


def _log_thread_failure(ended: threading.ExceptHookArgs) -> None:
    """Say it instead of a traceback, which quotes unmasked what a library was given."""
    log("error", f"a thread broke: {ended.exc_type.__name__}: {quote(ended.exc_value)}")
