"""The flush side: a sealed segment in, a receipt out.

    segment bytes -> frames -> events -> columns -> Parquet -> stored -> committed

One thread stores, another commits; they share the destination and nothing else.
Everything heavy is imported here, on first use: pyarrow with the first batch, a catalog with the
first commit. It knows nothing of the session or the spool; what it needs to know of invocations
stands in the segment.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.destinations import Batch, DestinationError
from otlp2parquet_ext.mapping.exclude import exclusion
from otlp2parquet_ext.mapping.invocations import Invocations
from otlp2parquet_ext.mapping.logs import log_table, text_table
from otlp2parquet_ext.say import say
from otlp2parquet_ext.spool import Damage, Kind, batch_name, read_frames
from otlp2parquet_ext.telemetry.values import Context, Delivery, Invoke

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.destinations import Destination
    from otlp2parquet_ext.settings import Settings
    from otlp2parquet_ext.spool import Segment


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one batch.

    Attributes:
        damaged_bytes: bytes of the segment that were no frames any more.
        safe: the segment may be discarded; else it is kept until a commit or `describe`.
    """

    damaged_bytes: int
    safe: bool


class FlushSide:
    """Stores and commits batches; `store` has one thread, `commit` another.

    Args:
        settings: names the destination.
        environ: variables of the process: credentials, regions, endpoints.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = environ
        self._destination: Destination | None = None
        self._opening = threading.Lock()
        self._invocations = Invocations()
        self._exclude, problems = exclusion(settings.exclude)
        for problem in problems:
            say("warning", problem)

    def store(
        self, segment: Segment, *, commit_follows: bool = False, as_text: bool = False
    ) -> Receipt:
        """Make one segment durable; repeating it changes nothing.

        Args:
            segment: sealed; its end may be torn.
            commit_follows: see `Destination.store`.
            as_text: mapping its events broke our own code: keep each body as one row of text.

        Raises:
            DestinationError: it is not durable.
        """
        deliveries: list[Delivery] = []
        digests: list[bytes] = []
        context = Context(instance_id="")
        damaged_bytes = 0
        for part in read_frames(segment.read()):
            if isinstance(part, Damage):
                damaged_bytes += part.size_bytes
            elif part.kind is Kind.DELIVERY:
                deliveries.append(Delivery(part.payload, part.received_us))
                digests.append(part.digest)
            elif part.kind is Kind.CONTEXT:
                context = msgspec.json.decode(part.payload, type=Context)
                # Two environments may be told the same, byte for byte: their batches differ.
                digests.append(part.digest)
            else:
                self._invocations.invoked(msgspec.json.decode(part.payload, type=Invoke))
        if as_text:
            logs = text_table(deliveries, context, self._invocations)
        else:
            logs = log_table(deliveries, context, self._invocations, self._exclude)
        if logs.table.num_rows == 0:  # nobody wants any of it
            return Receipt(damaged_bytes, safe=True)
        batch = Batch(batch_name(digests), {"logs": logs.table})
        stored = self._open().store(batch, commit_follows=commit_follows)
        return Receipt(damaged_bytes, safe=stored.safe)

    def commit(self, deadline_ms: int) -> int:
        """Make visible what is stored; return how many files became so.

        Raises:
            DestinationError: nothing became visible; what is stored stays stored.
        """
        return self._open().commit(deadline_ms)

    def describe(self) -> None:
        """Make safe what was stored for a commit that did not come about.

        Raises:
            DestinationError: it is not safe yet.
        """
        self._open().describe()

    def warm_up_store(self) -> None:
        """Import what storing needs; what is wrong is said when a batch is stored."""
        with contextlib.suppress(DestinationError):
            self._open()

    def warm_up_commit(self) -> None:
        """Import what committing needs, likewise."""
        with contextlib.suppress(DestinationError):
            self._open().warm_up()

    def _open(self) -> Destination:
        with self._opening:
            if self._destination is None:
                from otlp2parquet_ext.destinations.choose import choose  # noqa: PLC0415

                self._destination = choose(self._settings, self._environ)
        return self._destination
