"""The legal order of calls, as tables: a call that has no row is refused with 403.

    extension: STARTED ─register─▶ REGISTERED ─next─▶ READY ─(event)─▶ RUNNING ─next─▶ READY …
    runtime:   STARTED ─next─▶ READY ─(invocation)─▶ BUSY ─response|error─▶ DONE ─next─▶ READY …

Plain names are calls of a process; names in brackets are answers that we send.

Source: AWS runtimes-extensions-api, runtimes-api; the emulator's state names.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ExtensionState(StrEnum):
    """States of an extension; the names are those of `platform.extension` records."""

    STARTED = "Started"
    REGISTERED = "Registered"
    READY = "Ready"
    RUNNING = "Running"
    INIT_ERROR = "InitError"
    EXIT_ERROR = "ExitError"
    LAUNCH_ERROR = "LaunchError"
    EXITED = "Exited"


class ExtensionCall(StrEnum):
    """Causes of a state change of an extension: its calls, a sent event, its process."""

    REGISTER = "register"
    NEXT = "event/next"
    EVENT = "event"
    INIT_ERROR = "init/error"
    EXIT_ERROR = "exit/error"
    EXIT = "exit"


class RuntimeState(StrEnum):
    """States of the runtime."""

    STARTED = "Started"
    RESTORE_READY = "RestoreReady"
    RESTORING = "Restoring"
    READY = "Ready"
    BUSY = "Running"
    DONE = "ResponseSent"
    INIT_ERROR = "InitError"
    EXITED = "Exited"


class RuntimeCall(StrEnum):
    """Causes of a state change of the runtime."""

    NEXT = "invocation/next"
    INVOCATION = "invocation"
    RESPONSE = "invocation/response"
    ERROR = "invocation/error"
    INIT_ERROR = "init/error"
    RESTORE_NEXT = "restore/next"
    RESTORE = "restore"
    RESTORE_ERROR = "restore/error"
    EXIT = "exit"


class IllegalStateError(Exception):
    """A call out of order, by an error of the caller; the answer is 403."""


_E, _EC, _R, _RC = ExtensionState, ExtensionCall, RuntimeState, RuntimeCall

EXTENSION: Mapping[tuple[ExtensionState, ExtensionCall], ExtensionState] = {
    (_E.STARTED, _EC.REGISTER): _E.REGISTERED,
    (_E.STARTED, _EC.EXIT): _E.EXITED,
    (_E.REGISTERED, _EC.NEXT): _E.READY,
    (_E.REGISTERED, _EC.INIT_ERROR): _E.INIT_ERROR,
    (_E.REGISTERED, _EC.EXIT_ERROR): _E.EXIT_ERROR,
    (_E.REGISTERED, _EC.EXIT): _E.EXITED,
    # An extension repeats a long poll after its connection broke.
    (_E.READY, _EC.NEXT): _E.READY,
    (_E.READY, _EC.EVENT): _E.RUNNING,
    (_E.READY, _EC.EXIT_ERROR): _E.EXIT_ERROR,
    (_E.READY, _EC.EXIT): _E.EXITED,
    (_E.RUNNING, _EC.NEXT): _E.READY,
    (_E.RUNNING, _EC.EXIT_ERROR): _E.EXIT_ERROR,
    (_E.RUNNING, _EC.EXIT): _E.EXITED,
    # Its own report is more specific than the exit that follows.
    (_E.INIT_ERROR, _EC.EXIT): _E.INIT_ERROR,
    (_E.EXIT_ERROR, _EC.EXIT): _E.EXIT_ERROR,
    (_E.LAUNCH_ERROR, _EC.EXIT): _E.LAUNCH_ERROR,
}

RUNTIME: Mapping[tuple[RuntimeState, RuntimeCall], RuntimeState] = {
    (_R.STARTED, _RC.NEXT): _R.READY,
    (_R.STARTED, _RC.INIT_ERROR): _R.INIT_ERROR,
    (_R.STARTED, _RC.RESTORE_NEXT): _R.RESTORE_READY,
    (_R.STARTED, _RC.EXIT): _R.EXITED,
    (_R.RESTORE_READY, _RC.RESTORE): _R.RESTORING,
    (_R.RESTORE_READY, _RC.EXIT): _R.EXITED,
    (_R.RESTORING, _RC.NEXT): _R.READY,
    (_R.RESTORING, _RC.RESTORE_ERROR): _R.INIT_ERROR,
    (_R.RESTORING, _RC.EXIT): _R.EXITED,
    (_R.READY, _RC.NEXT): _R.READY,
    (_R.READY, _RC.INVOCATION): _R.BUSY,
    (_R.READY, _RC.EXIT): _R.EXITED,
    (_R.BUSY, _RC.RESPONSE): _R.DONE,
    (_R.BUSY, _RC.ERROR): _R.DONE,
    (_R.BUSY, _RC.EXIT): _R.EXITED,
    (_R.DONE, _RC.NEXT): _R.READY,
    (_R.DONE, _RC.EXIT): _R.EXITED,
    (_R.INIT_ERROR, _RC.EXIT): _R.INIT_ERROR,
}


def extension_after(state: ExtensionState, call: ExtensionCall) -> ExtensionState:
    """Return the state after a call.

    Raises:
        IllegalCallError: the table has no such row.
    """
    try:
        return EXTENSION[state, call]
    except KeyError:
        raise IllegalStateError(f"state transition from {state} by {call} failed") from None


def runtime_after(state: RuntimeState, call: RuntimeCall) -> RuntimeState:
    """Return the state after a call.

    Raises:
        IllegalCallError: the table has no such row.
    """
    try:
        return RUNTIME[state, call]
    except KeyError:
        raise IllegalStateError(f"state transition from {state} by {call} failed") from None
