"""Events that come while the agent's libraries are still being imported.

    import thread: agent and all it needs --> one byte in a pipe
    main thread:   INVOKE --> recorded, held for a bounded time, answered with the next `next`
                   SHUTDOWN --> kept for the agent

At 128 MB an environment has a fourteenth of a CPU, and the imports take seconds. An invocation that
waited for all of them could time out because of us. If no invocation waited, Lambda could freeze a
rarely used environment before it can receive anything. So each invocation waits for the imports,
but no longer than the limit of any hold. None waits if the flush strategy never holds one.

This module is loaded before the first `next`; `_thread` and `select` are built into the
interpreter.
"""

from __future__ import annotations

import _thread
import gc
import os
import select
import sys
import time

from otlp2parquet_ext.common.hold_limits import (
    deadline_ms_in,
    hold_until_ms,
    invocation_left_ms,
    shutdown_window_ms,
    steady_ms,
)
from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.extension.bootstrap import receive
from otlp2parquet_ext.extension.lifecycle import calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp2parquet_ext.extension.bootstrap import Booted

MARGIN_MS = 100
HIDDEN_MODULES = ("ssl", "typing_extensions")
"""Modules hidden while asyncio and msgspec are imported, which work without them. This saves 4 MB
and 10 % of the import time."""

SWITCH_INTERVAL_S = 0.0005
"""Seconds after which a computing thread gives up the interpreter. With Python's default,
deliveries and events would be answered late."""

COLLECT_AFTER = 20_000
"""New objects after which the garbage collector runs during imports. Imports make many objects and
no garbage."""


def run_when_imported(booted: Booted) -> None:
    """Import the agent on a thread, answer events meanwhile, then run the agent until SHUTDOWN.

    Raises:
        Exception: the import failed, or the agent did; `next` may be pending.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])
    ready, done = os.pipe()
    runs: list[Callable[[Booted], None] | Exception] = []
    started_ms = time.monotonic_ns() // 1_000_000
    _thread.start_new_thread(_import_agent, (runs, done))
    _answer_until(ready, booted)
    booted.import_ms = time.monotonic_ns() // 1_000_000 - started_ms
    if not runs:
        log("error", "the end came while libraries were imported: what was delivered is lost")
        return
    run = runs[0]
    if isinstance(run, Exception):
        raise run
    run(booted)


def _import_libraries() -> None:
    """Import the loop's libraries, without the optional modules they would import.

    The loop uses no TLS and no type from typing_extensions, and asyncio and msgspec work without
    either. A later import of these modules finds them.
    """
    modules: dict[str, object] = sys.modules  # type: ignore[assignment]
    hidden = [name for name in HIDDEN_MODULES if name not in modules]
    modules.update(dict.fromkeys(hidden))  # None makes an import of that name fail
    try:
        import asyncio  # noqa: PLC0415 - the reason for this function

        import msgspec  # noqa: PLC0415

        _ = asyncio.run, msgspec.json
    finally:
        for name in hidden:
            del modules[name]


def _import_agent(runs: list[Callable[[Booted], None] | Exception], done: int) -> None:
    try:
        _import_libraries()
        from otlp2parquet_ext.extension.agent import run  # noqa: PLC0415 - the reason for this module

        runs.append(run)
    except Exception as error:  # noqa: BLE001 - raised again on the main thread
        runs.append(error)
    os.write(done, b"!")


def _answer_until(ready: int, booted: Booted) -> None:
    """Answer events until a byte comes on `ready`, or the shutdown window ends."""
    while booted.pending is not None:
        if ready in _readable(ready, booted.pending.fileno(), timeout_ms=None):
            return
        answer = receive(booted.pending)
        booted.pending.close()
        booted.pending = None
        if answer.status != 200:
            _readable(ready, timeout_ms=None)
            return  # the agent tries again, and limits its attempts
        body = answer.body
        now_ms = time.time_ns() // 1_000_000
        booted.early.append((time.time_ns() // 1_000, body))
        deadline_ms = deadline_ms_in(body)
        if b'"SHUTDOWN"' in body:
            window_ms = shutdown_window_ms(now_ms, deadline_ms)
            booted.ends_ms = steady_ms() + window_ms
            _readable(ready, timeout_ms=window_ms - MARGIN_MS)
            return
        holds = booted.settings.flush != "threshold"
        hold_ms = hold_until_ms(0, invocation_left_ms(now_ms, deadline_ms)) if holds else 0
        if _readable(ready, timeout_ms=hold_ms):
            return  # the agent continues this hold, or answers the event
        request = calls.next_event(booted.settings, booted.identifier)
        booted.pending = booted.send(request, None)


def _readable(*descriptors: int, timeout_ms: int | None) -> list[int]:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(timeout_ms)]
