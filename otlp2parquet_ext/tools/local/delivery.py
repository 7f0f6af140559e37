"""One subscriber: its buffer, and the loop that POSTs batches to it.

    offer() ──▶ Buffer ──(due, awake, gate open)──▶ POST ──2xx──▶ gone
                                                     └─ else: again, after a back-off

A batch moves from the buffer to `in flight`; `close` returns both, so every event is accounted for.
The subscriber's host is always this machine, whatever name the URI has.

Source: AWS telemetry-api, "Inbound Telemetry API events"; retries as documented, back-off ours.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import time
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from otlp2parquet_ext.tools.local.buffering import Buffer
from otlp2parquet_ext.tools.local.events import PlatformEvent, as_of_schema
from otlp2parquet_ext.tools.local.outcome import SentDelivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp2parquet_ext.tools.local.clock import ActiveClock
    from otlp2parquet_ext.tools.local.plan import Plan
    from otlp2parquet_ext.tools.local.subscription import Subscription

_BACKOFF_MS = (25, 50, 100, 200, 400, 800)
_NO_LIMIT = aiohttp.ClientTimeout(total=None)


class Subscriber:
    """One subscription, and the events on their way to it."""

    def __init__(
        self,
        name: str,
        subscription: Subscription,
        *,
        plan: Plan,
        clock: ActiveClock,
        on_delivery: Callable[[SentDelivery], None],
        on_dropped: Callable[[Subscriber, int, int], None],
    ) -> None:
        self.name = name
        self.subscription = subscription
        self.shutting_down = False
        self._faults = plan.faults
        self._sequence_id = plan.sequence_id or plan.managed
        self._clock = clock
        self._on_delivery = on_delivery
        self._on_dropped = on_dropped
        self._buffer = Buffer(subscription.limits, plan.faults.capacity_bytes)
        self._in_flight: list[PlatformEvent] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._gate = asyncio.Event()
        self._allowance: int | None = None
        self._half_delivered = asyncio.Event()
        self._deliveries = 0
        held = plan.faults.telemetry_after_shutdown_ms is not None or plan.faults.race_shutdown
        if not (held or plan.faults.silent_subscription):
            self._gate.set()
        self._task = asyncio.create_task(self._run())

    def offer(self, event: PlatformEvent, *, notice: bool = False) -> None:
        """Queue an event if it subscribed to it; a `notice` is never dropped."""
        if event.topic() not in self.subscription.types:
            return
        adapted = as_of_schema(event, self.subscription.schema_version)
        if adapted is None:
            return
        size_bytes = len(msgspec.json.encode(adapted.record))
        now_ms = self._clock.now_ms()
        if notice:
            self._buffer.add_notice(adapted, size_bytes, now_ms)
        elif not self._buffer.add(adapted, size_bytes, now_ms):
            return
        self._idle.clear()
        self._wake.set()

    def take_dropped(self) -> tuple[int, int]:
        """Return the records and bytes dropped since the last call."""
        return self._buffer.take_dropped()

    def flush(self) -> None:
        """Send the waiting events before their timeout."""
        self._buffer.flush()
        self._wake.set()

    def open_gate(self) -> None:
        """Begin to deliver the events that a fault switch held back."""
        if not self._faults.silent_subscription:
            self._allowance = None
            self._gate.set()
            self.flush()

    async def deliver_half(self, limit_s: float) -> None:
        """Deliver half of the events that a fault switch held back, and keep the rest."""
        self._allowance = len(self._buffer) // 2
        if self._allowance:
            self._half_delivered.clear()
            self._gate.set()
            self.flush()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await self._half_delivered.wait()

    async def drained(self, limit_s: float) -> None:
        """Return when no event waits or is in flight, or after the limit."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._idle.wait()

    async def close(self) -> list[PlatformEvent]:
        """Stop; return the unacknowledged events."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        left = list(self._in_flight)
        while batch := self._buffer.take():
            left += batch
        return left

    async def _run(self) -> None:
        connector = aiohttp.TCPConnector(limit=1, keepalive_timeout=3600)
        async with aiohttp.ClientSession(connector=connector, timeout=_NO_LIMIT) as session:
            while True:
                await self._due()
                self._in_flight = self._buffer.take(self._allowance)
                records, size_bytes = self._buffer.take_dropped()
                if records:
                    self._on_dropped(self, records, size_bytes)
                delivered = len(self._in_flight)
                await self._deliver(session, self._in_flight)
                self._in_flight = []
                if not len(self._buffer):
                    self._idle.set()
                self._spend(delivered)

    def _spend(self, delivered: int) -> None:
        """Close the gate when half has been delivered."""
        if self._allowance is not None:
            self._allowance -= delivered
            if self._allowance <= 0:
                self._gate.clear()
                self._half_delivered.set()

    async def _due(self) -> None:
        while True:
            await self._gate.wait()
            await self._clock.awake()
            wait_ms = self._buffer.due_in_ms(self._clock.now_ms())
            if wait_ms == 0:
                return
            self._wake.clear()
            # Not wait_for: in Python 3.11 it can lose a cancellation at the moment of the wake-up.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if wait_ms is None else wait_ms / 1000):
                    await self._wake.wait()

    async def _deliver(self, session: aiohttp.ClientSession, events: list[PlatformEvent]) -> None:
        body = msgspec.json.encode(events)
        await self._clock.sleep_ms(self._faults.delivery_pause_ms)
        attempt = 1
        while not (await self._post(session, body, len(events), attempt)).acknowledged:
            await self._clock.sleep_ms(_BACKOFF_MS[min(attempt, len(_BACKOFF_MS)) - 1])
            attempt += 1
        self._deliveries += 1
        every = self._faults.redeliver_every
        if every and self._deliveries % every == 0:
            for copy in range(1, self._faults.redeliver_times + 1):
                await self._post(session, body, len(events), attempt + copy, redelivery=True)

    async def _post(
        self,
        session: aiohttp.ClientSession,
        body: bytes,
        records: int,
        attempt: int,
        *,
        redelivery: bool = False,
    ) -> SentDelivery:
        await self._clock.awake()
        sent_ms, began_s = time.time() * 1000, time.monotonic()
        after_shutdown = self.shutting_down
        status, error = None, ""
        try:
            status = await self._send(session, body)
        except (aiohttp.ClientError, OSError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        delivery = SentDelivery(
            subscriber=self.name,
            sent_ms=sent_ms,
            took_ms=(time.monotonic() - began_s) * 1000,
            body=body,
            records=records,
            status=status,
            error=error,
            attempt=attempt,
            redelivery=redelivery,
            after_shutdown=after_shutdown,
        )
        self._on_delivery(delivery)
        return delivery

    async def _send(self, session: aiohttp.ClientSession, body: bytes) -> int:
        target = self.subscription
        if target.protocol == "TCP":
            return await _send_lines(target.port, body)
        headers = {"Content-Type": "application/json"}
        if self._sequence_id:
            digest = hashlib.sha256(body).digest()
            headers["Sequence-Id"] = base64.b64encode(digest).decode()
        url = f"http://127.0.0.1:{target.port}{target.path}"
        async with session.post(url, data=body, headers=headers) as response:
            await response.read()
            return response.status


async def _send_lines(port: int, body: bytes) -> int:
    """Send a batch as one line per event; return 200 once sent, because TCP has no answer."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for event in msgspec.json.decode(body, type=list[msgspec.Raw]):
            writer.write(bytes(event) + b"\n")
        await writer.drain()
    finally:
        writer.close()
    return 200
