"""The event loop: it takes events from Lambda and bodies from the receiver, and starts flushes.

    next ----------> Session ---\
    receiver -> Spool -----------> plan() decides ---> FlushPipeline (worker threads)
    timer ----------------------/                            |
         ^------------- receipt, or the batch is kept -------/

The loop owns the session and the spool; the workers own the destination. They exchange only sealed
segments and receipts. Only this room imports all the others.

Waits are measured on the monotonic clock (`steady_ms`), because the wall clock may be wrong and is
corrected after a thaw. The wall clock is read once per event, to compute the time that is left
until Lambda's deadline.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.hold_limits import (
    hold_until_ms,
    invocation_left_ms,
    shutdown_window_ms,
    steady_ms,
)
from otlp2parquet_ext.common.library_logs import forward_library_logs
from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.extension.context import context_note, context_of, ending_note, invoke_note
from otlp2parquet_ext.extension.extensions_api import ApiError, ExtensionsApi
from otlp2parquet_ext.extension.lifecycle import calls
from otlp2parquet_ext.extension.lifecycle.events import Event, Shutdown, Unknown, parse_event
from otlp2parquet_ext.extension.lifecycle.session import Session
from otlp2parquet_ext.extension.otlp_side import OtlpSide
from otlp2parquet_ext.extension.receive.receiver import Receiver, body_limit_bytes
from otlp2parquet_ext.flush import policy
from otlp2parquet_ext.flush.flusher import Flusher
from otlp2parquet_ext.flush.pipeline import FlushPipeline
from otlp2parquet_ext.flush.policy import FlushReason
from otlp2parquet_ext.records.telemetry.peek import peek
from otlp2parquet_ext.records.telemetry.values import Invoke
from otlp2parquet_ext.spool import SEGMENT_BYTES, SEGMENT_ITEMS, Spool

if TYPE_CHECKING:
    from otlp2parquet_ext.extension.bootstrap import Booted
    from otlp2parquet_ext.records.telemetry.redact import Redactor

SIGTERM_GRACE_MS = 1_500
RECOVERY_WAIT_MS = 500
"""Longest wait for the recovery of dead processes' segments before deliveries are accepted.
Recovery lists the bodies that were received before; until then, deliveries wait in the kernel's
queue."""

LONGEST_WAITED_MS = 10_000
"""Longest plausible time from the receipt of an INVOKE to its processing. A longer one means that
the wall clock was changed."""

FREEZE_MS = 1_000
"""Shortest wait for an event that may contain a freeze of the environment."""


def run(booted: Booted) -> None:
    """Run until SHUTDOWN.

    Args:
        booted: the result of start-up; its first `next` is already requested.
    """
    forward_library_logs()
    asyncio.run(Agent(booted).run())


class Agent:
    """One execution environment's telemetry, from `next` to SHUTDOWN."""

    def __init__(self, booted: Booted) -> None:
        self._booted = booted
        self._settings = booted.settings
        self._api = ExtensionsApi(booted)
        subscribed_to_platform = booted.subscribed and self._settings.subscribes_to("platform")
        self._session = Session(subscribed_to_platform=subscribed_to_platform)
        limit_bytes = body_limit_bytes(calls.platform_max_bytes(self._settings))
        spool = Spool(
            Path(self._settings.spool_dir),
            self._settings.spool_capacity_bytes,
            self._settings.memory_capacity_bytes,
            segment_bytes=max(SEGMENT_BYTES, self._settings.max_bytes),
            segment_items=max(SEGMENT_ITEMS, self._settings.max_items),
            body_bytes=max(limit_bytes, self._settings.otlp_max_bytes),
        )
        pipeline = FlushPipeline(self._settings, booted.environ)
        self._flusher = Flusher(self._settings, pipeline, spool, booted.import_ms)
        self._flusher.set_context(context_note(context_of(booted)))
        self._receiver = Receiver(
            self._deliver,
            # Managed Instances post to the root, whatever path they were given.
            frozenset({booted.path, "/"} if booted.managed else {booted.path}),
            limit_bytes,
            refused=self._flusher.refused,
        )
        self._redactor = _redacting(self._settings.redact)
        self._otlp = OtlpSide(booted, self._flusher, self._redactor)
        self._last_delivery_ms = 0
        self._news = asyncio.Event()
        self._terminated: asyncio.Future[Shutdown] | None = None

    async def run(self) -> None:
        """Handle events until the environment ends."""
        loop = asyncio.get_running_loop()
        self._terminated = loop.create_future()
        loop.add_signal_handler(signal.SIGTERM, self._terminate)
        recovery = asyncio.ensure_future(self._flusher.recover())
        await asyncio.wait({recovery}, timeout=RECOVERY_WAIT_MS / 1_000)
        if self._booted.listener is not None:
            await self._receiver.start(socket.socket(fileno=self._booted.listener.detach()))
        await self._otlp.start()
        if self._settings.preload != "lazy":
            self._flusher.preload()
        if self._settings.check:
            _begin_check(self._booted)
        shutdown = await self._until_shutdown()
        await self._shut_down(shutdown)

    async def _until_shutdown(self) -> Shutdown:
        event = self._catch_up() or await self._next()
        while not isinstance(event, Shutdown):
            self._note(event)
            if isinstance(event, Invoke):
                await self._hold(event)
            event = await self._next()
        return event

    def _catch_up(self) -> Event | None:
        """Process the events that came during the imports; return the one not yet answered."""
        event: Event | None = None
        for received_us, body in self._booted.early:
            if event is not None:
                self._note(event)
            event = self._parse(body, received_us)
        if self._booted.pending is None or event is None:
            return event
        self._note(event)
        return None

    def _parse(self, body: bytes, received_us: int) -> Event:
        return parse_event(body, received_us, first=self._session.current is None)

    async def _next(self) -> Event:
        assert self._terminated is not None
        asked = (_now_ms(), steady_ms())
        call = asyncio.ensure_future(self._api.next())
        either: tuple[asyncio.Future[bytes] | asyncio.Future[Shutdown], ...]
        either = (call, self._terminated)
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if max(_now_ms() - asked[0], steady_ms() - asked[1]) >= FREEZE_MS:
            self._flusher.thawed()
        if self._ends:
            call.cancel()
            return self._terminated.result()
        try:
            body = call.result()
        except ApiError as error:
            log("error", str(error))
            return Shutdown("next failed", _now_ms() + SIGTERM_GRACE_MS)
        return self._parse(body, time.time_ns() // 1_000)

    @property
    def _ends(self) -> bool:
        return self._terminated is not None and self._terminated.done()

    def _terminate(self) -> None:
        """Treat SIGTERM like SHUTDOWN: production sends the event, local runners the signal."""
        if self._terminated is not None and not self._ends:
            self._terminated.set_result(Shutdown("sigterm", _now_ms() + SIGTERM_GRACE_MS))
            self._news.set()  # ends a wait for a delivery, because no time is left

    def _deliver(self, body: bytes) -> None:
        """Put one delivery into the spool, or drop and count it."""
        seen = peek(body)
        body = self._redactor.body(body) if self._redactor else body
        self._flusher.append(body, max(1, seen.events))
        self._session.observe(seen.done, seen.reported)
        self._last_delivery_ms = steady_ms()
        self._news.set()

    def _note(self, event: Event) -> None:
        """Record the facts of an event, answered or not."""
        if isinstance(event, Invoke):
            if event.first and self._booted.snapshot:
                # Many environments start from this snapshot. Each has its own identity from here
                # on.
                self._flusher.set_context(context_note(context_of(self._booted)))
            self._session.invoked(event)
            self._flusher.note(invoke_note(event))
        elif isinstance(event, Unknown):
            log("warning", f"unknown event, ignored: {event.text}")

    async def _hold(self, invoke: Invoke) -> None:
        """Hold the invocation until its telemetry is flushed, if the flush policy asks for it."""
        gap_ms, loaded = self._session.typical_gap_ms, self._flusher.loaded
        reason = policy.holds(self._settings.flush, gap_ms, loaded=loaded)
        if reason is None or not self._flusher.may_hold or not self._session.platform_events_arrive:
            return
        received_ms = invoke.received_us // 1_000
        started_ms = steady_ms() - min(max(0, _now_ms() - received_ms), LONGEST_WAITED_MS)
        deadline_ms = started_ms + invocation_left_ms(received_ms, invoke.deadline_ms)
        if await self._until_done(invoke.request_id, started_ms, deadline_ms):
            until_ms = hold_until_ms(steady_ms(), deadline_ms)
            await self._flusher.flush_all(FlushReason.END, until_ms)
        else:
            self._session.missed()

    async def _until_done(self, request_id: str, started_ms: int, deadline_ms: int) -> bool:
        """Wait for the invocation's own telemetry; False when it does not arrive in time."""
        while not self._session.done(request_id):
            until_ms = policy.wait_for_end_until_ms(
                started_ms, deadline_ms, last_delivery_ms=self._last_delivery_ms
            )
            if steady_ms() >= until_ms or self._ends:
                return False
            await self._next_delivery(until_ms)
        return True

    async def _next_delivery(self, until_ms: int) -> None:
        self._news.clear()
        try:
            async with asyncio.timeout(max(0, until_ms - steady_ms()) / 1_000):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _shut_down(self, shutdown: Shutdown) -> None:
        """Receive and flush until nothing is unstored or the window before SIGKILL ends."""
        window_ms = shutdown_window_ms(_now_ms(), shutdown.deadline_ms)
        deadline_ms = self._booted.ends_ms or steady_ms() + window_ms
        self._last_delivery_ms = steady_ms()
        self._flusher.warm_up(deadline_ms)
        last_ms = deadline_ms - policy.MARGIN_MS
        await self._drain(deadline_ms)
        self._note_end(shutdown)
        await self._flusher.flush_all(FlushReason.SHUTDOWN, last_ms)
        while self._flusher.unstored and steady_ms() < last_ms:
            await self._drain(deadline_ms)
            await self._flusher.flush_all(FlushReason.SHUTDOWN, last_ms)
        self._otlp.stop()
        self._receiver.stop()
        self._flusher.log_unsent()

    def _note_end(self, shutdown: Shutdown) -> None:
        """Add a note that closes the spans and metrics of open invocations, if any are derived."""
        if self._settings.has_signal("traces") or self._settings.has_signal("metrics"):
            kind, payload, _ = ending_note(shutdown.reason, time.time_ns() // 1_000)
            self._flusher.offer(kind, payload, 0)

    async def _drain(self, deadline_ms: int) -> None:
        """Keep receiving, because the platform's last delivery often follows its SHUTDOWN."""
        while True:
            until_ms = policy.drain_until_ms(
                report_pending=self._session.report_pending,
                now_ms=steady_ms(),
                last_delivery_ms=self._last_delivery_ms,
                deadline_ms=deadline_ms,
                store_cost_ms=self._flusher.store_cost_ms,
            )
            if until_ms <= steady_ms():
                return
            await self._next_delivery(until_ms)


def _now_ms() -> int:
    """Return Unix milliseconds."""
    return time.time_ns() // 1_000_000


def _begin_check(booted: Booted) -> None:
    """Start a check of the destination on a thread; nothing waits for its result."""
    from otlp2parquet_ext.lake.checking.at_start import begin  # noqa: PLC0415 - few ask for it

    begin(booted.settings, booted.environ)


def _redacting(rules: str) -> Redactor | None:
    """Return the redactor of the user's rules; None, without any import, if there are none."""
    if not rules:
        return None
    from otlp2parquet_ext.records.telemetry.redact import redacting  # noqa: PLC0415 - not without rules

    redactor, problem = redacting(rules)
    if problem:
        log("error", problem)
    return redactor
