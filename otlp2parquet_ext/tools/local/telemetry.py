"""The Telemetry API: every event of the environment passes through `emit`.

    platform, pipes ──emit()──▶ history (until INIT is over) ──▶ later subscribers
                          └───▶ each Subscriber ──▶ POST

It counts generated, delivered, dropped and undelivered events, over all generations.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.local import events
from otlp2parquet_ext.tools.local.delivery import Subscriber
from otlp2parquet_ext.tools.local.events import PlatformEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp2parquet_ext.tools.local.clock import ActiveClock
    from otlp2parquet_ext.tools.local.outcome import SentDelivery
    from otlp2parquet_ext.tools.local.plan import Plan
    from otlp2parquet_ext.tools.local.subscription import Subscription

_FLUSH_LIMIT_S = 1.0


class Telemetry:
    """All events of a run, and the subscribers of the current generation."""

    def __init__(
        self, plan: Plan, clock: ActiveClock, on_acknowledged: Callable[[int], None]
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._on_acknowledged = on_acknowledged
        self._history: list[PlatformEvent] | None = []
        self._subscribers: list[Subscriber] = []
        self._late: set[asyncio.Task[None]] = set()
        self._acknowledged = 0
        self.generated: list[PlatformEvent] = []
        self.deliveries: list[SentDelivery] = []
        self.undelivered: list[PlatformEvent] = []
        self.dropped_records = 0
        self.dropped_bytes = 0

    def emit(self, type_: str, record: object, *, time_us: int | None = None) -> None:
        """Generate one event, with the current time or the given one."""
        unix_s = time.time() if time_us is None else time_us / 1_000_000
        event = PlatformEvent(events.time_text(unix_s), type_, record)
        self.generated.append(event)
        if self._history is not None:
            self._history.append(event)
        for subscriber in self._subscribers:
            subscriber.offer(event)

    def subscribe(self, name: str, subscription: Subscription) -> None:
        """Add a subscriber; it also gets the events since the beginning of INIT."""
        subscriber = Subscriber(
            name,
            subscription,
            plan=self._plan,
            clock=self._clock,
            on_delivery=self._note_delivery,
            on_dropped=self._note_dropped,
        )
        self._subscribers.append(subscriber)
        for event in self._history or ():
            subscriber.offer(event)
        record = events.telemetry_subscription(name=name, types=subscription.types)
        self.emit("platform.telemetrySubscription", record)

    def init_over(self) -> None:
        """Delete the history, because subscriptions are closed now."""
        self._history = None

    def flush(self) -> None:
        """Close all batches, as the end of a stream does."""
        for subscriber in self._subscribers:
            subscriber.flush()

    async def before_shutdown(self) -> None:
        """Deliver the events that the plan delivers before SHUTDOWN."""
        faults = self._plan.faults
        for subscriber in self._subscribers:
            if faults.race_shutdown:
                await subscriber.deliver_half(_FLUSH_LIMIT_S)
            if faults.flush_before_shutdown:
                subscriber.flush()
                await subscriber.drained(_FLUSH_LIMIT_S)

    def after_shutdown(self) -> None:
        """After SHUTDOWN was sent: deliver the rest, at once or as late as the plan says."""
        late_ms = self._plan.faults.telemetry_after_shutdown_ms
        for subscriber in self._subscribers:
            subscriber.shutting_down = True
            if late_ms is None:
                subscriber.open_gate()
            else:
                task = asyncio.create_task(self._open_late(subscriber, late_ms))
                self._late.add(task)
                task.add_done_callback(self._late.discard)

    async def end_generation(self) -> None:
        """Stop delivering to ended processes; record their undelivered events."""
        for task in self._late:
            task.cancel()
        for subscriber in self._subscribers:
            self.undelivered += await subscriber.close()
            records, size_bytes = subscriber.take_dropped()
            self.dropped_records += records
            self.dropped_bytes += size_bytes
        self._subscribers = []
        self._history = []

    async def _open_late(self, subscriber: Subscriber, late_ms: int) -> None:
        await self._clock.sleep_ms(late_ms)
        subscriber.open_gate()

    def _note_dropped(self, subscriber: Subscriber, records: int, size_bytes: int) -> None:
        """Count a subscriber's dropped events, and report them to it."""
        self.dropped_records += records
        self.dropped_bytes += size_bytes
        record = events.logs_dropped(records=records, dropped_bytes=size_bytes)
        event = PlatformEvent(events.time_text(time.time()), "platform.logsDropped", record)
        self.generated.append(event)
        subscriber.offer(event, notice=True)

    def _note_delivery(self, delivery: SentDelivery) -> None:
        self.deliveries.append(delivery)
        if delivery.acknowledged and not delivery.redelivery:
            self._acknowledged += 1
            self._on_acknowledged(self._acknowledged)
