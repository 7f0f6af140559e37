"""Puts OTLP requests of the function's own SDK into the spool.

    OtlpReceiver --Accepted--> masked --offer()--> the spool, or 503: the exporter keeps them

If the endpoint is off, no module of OTLP is imported.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from otlp2parquet_ext.spool import OTLP

if TYPE_CHECKING:
    from otlp2parquet_ext.extension.bootstrap import Booted
    from otlp2parquet_ext.extension.receive.otlp_receiver import OtlpReceiver
    from otlp2parquet_ext.flush.flusher import Flusher
    from otlp2parquet_ext.records.otlp.requests import Accepted, Signal
    from otlp2parquet_ext.records.telemetry.redact import Redactor

KINDS = {signal: kind for kind, signal in OTLP.items()}


class OtlpSide:
    """The OTLP endpoint, if the settings turn it on.

    Args:
        booted: has its listening socket.
        batches: accepts the records.
        redactor: masks the records before; None if there are no rules.
    """

    def __init__(self, booted: Booted, batches: Flusher, redactor: Redactor | None) -> None:
        self._listener = booted.otlp_listener
        self._limit_bytes = booted.settings.otlp_max_bytes
        self._batches = batches
        self._redactor = redactor
        self._receiver: OtlpReceiver | None = None
        self._warming_up: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serve the socket, and import the request parser on a thread meanwhile."""
        if self._listener is None:
            return
        from otlp2parquet_ext.extension.receive.otlp_receiver import OtlpReceiver  # noqa: PLC0415 - if on

        self._receiver = OtlpReceiver(self._accept, self._limit_bytes)
        await self._receiver.start(socket.socket(fileno=self._listener.detach()))
        self._warming_up = asyncio.create_task(self._receiver.warm_up())

    def stop(self) -> None:
        """Stop accepting requests."""
        if self._receiver is not None:
            self._receiver.stop()

    def _accept(self, signal: Signal, accepted: Accepted) -> str | None:
        payload = accepted.payload
        if self._redactor is not None:
            from otlp2parquet_ext.records.otlp.redact import redacted  # noqa: PLC0415 - seldom

            payload = redacted(signal, payload, self._redactor)
        return self._batches.offer(KINDS[signal], payload, accepted.records)
