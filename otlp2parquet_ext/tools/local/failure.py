"""A failure of a generation or of an invocation, and its messages."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.local.responses import error_document

if TYPE_CHECKING:
    from otlp2parquet_ext.tools.local.extension import Extension


@dataclass(frozen=True)
class Failure:
    """Why a generation cannot go on.

    Attributes:
        error_type: error type in the records.
        message: text for the caller, unless the runtime sent its own document.
        payload: the runtime's document; b"" without one.
        timeout: the failure is a timeout.
    """

    error_type: str
    message: str
    payload: bytes = b""
    timeout: bool = False

    @property
    def status(self) -> str:
        """Status in records: `timeout` or `error`."""
        return "timeout" if self.timeout else "error"

    @property
    def shutdown_reason(self) -> str:
        """Reason in SHUTDOWN: `timeout` or `failure`."""
        return "timeout" if self.timeout else "failure"

    def document(self, request_id: str = "") -> bytes:
        """Return the error document for the caller of an invocation; without an id, for INIT."""
        message = f"RequestId: {request_id} Error: {self.message}" if request_id else self.message
        return self.payload or error_document(self.error_type, message)


def init_timeout(limit_ms: float) -> Failure:
    """Return the failure of an INIT that took too long."""
    return Failure("Sandbox.Timedout", f"INIT took longer than {limit_ms:.0f} ms", timeout=True)


def task_timeout(timeout_s: float) -> Failure:
    """Return the failure of an invocation that took too long."""
    return Failure(
        "Sandbox.Timedout", f"Task timed out after {timeout_s:.2f} seconds", timeout=True
    )


def runtime_exit(code: int | None, *, out_of_memory: bool) -> Failure:
    """Return the failure of a runtime that ended."""
    error_type = "Runtime.OutOfMemory" if out_of_memory else "Runtime.ExitError"
    return Failure(error_type, f"Runtime exited with error: {exit_text(code)}")


def extension_exit(extension: Extension) -> Failure:
    """Return the failure of an extension that ended or gave up."""
    code = extension.program.exit_code if extension.program else None
    return Failure(
        extension.error_type,
        f"extension {extension.name} is {extension.state} ({exit_text(code)})",
    )


def exit_text(code: int | None) -> str:
    """Return an exit code as text, as Lambda (Go's runtime) writes it."""
    if code is None:
        return "still running"
    if code < 0:
        return f"signal: {(signal.strsignal(-code) or str(-code)).lower()}"
    return f"exit status {code}"
