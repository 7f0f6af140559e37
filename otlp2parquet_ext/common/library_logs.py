"""Turns messages that libraries log into our JSON lines, each kind of message once.

Without it, Python writes each message to standard error, with tracebacks of many lines. Then a
misbehaving client of the receiver could fill the function's log.
"""

from __future__ import annotations

import logging
import threading

from otlp2parquet_ext.common.log import log, quote

DIFFERENT_LINES = 50


class LogOnceHandler(logging.Handler):
    """Logs a library's messages; of those that differ only in details, the first."""

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
    """Log one line instead of a traceback, which may show secrets unmasked."""
    log("error", f"a thread broke: {ended.exc_type.__name__}: {quote(ended.exc_value)}")
