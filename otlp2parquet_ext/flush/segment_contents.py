"""A segment's bytes → what a batch is made of.

    frames --read_contents()--> Contents: context, INVOKEs, deliveries, OTLP requests, SHUTDOWN

Its name follows from the context, the bodies, and when each was received; all of them stand in the
segment. So the same segment is the same batch, in every process that reads it, and however often.
An equal body in another segment is another batch: the spool recognises it before (digests.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from otlp2parquet_ext.records.telemetry.values import (
    Delivery,
    Ending,
    EnvironmentContext,
    Invoke,
    decode_context,
    decode_ending,
    decode_invoke,
)
from otlp2parquet_ext.spool import BODIES, OTLP, Damage, FrameKind, batch_name, read_frames

if TYPE_CHECKING:
    from otlp2parquet_ext.spool import Frame


class Contents(Struct):
    """What a segment holds, each in the order in which it came.

    Attributes:
        context: of the environment that filled it.
        invokes: facts about invocations.
        deliveries: bodies of the Telemetry API.
        requests: by signal, accepted OTLP requests and Unix microseconds when each was received.
        ending: the SHUTDOWN of the process that filled it, if it had come.
        digests: of context and bodies; beside each body's, when it was received: two bodies of
            one digest can be made, and their batches may not be taken for one.
        damaged_bytes: bytes that were no frame.
    """

    context: EnvironmentContext = field(default_factory=lambda: EnvironmentContext(instance_id=""))
    invokes: list[Invoke] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    requests: dict[str, list[tuple[bytes, int]]] = field(default_factory=dict)
    ending: Ending | None = None
    digests: list[bytes] = field(default_factory=list)
    damaged_bytes: int = 0

    @property
    def received_us(self) -> int:
        """When the last body was received, Unix microseconds; 0 when there is none."""
        times = [delivery.received_us for delivery in self.deliveries]
        times += [received_us for made in self.requests.values() for _, received_us in made]
        return max(times, default=0)

    @property
    def name(self) -> str:
        """The name of the batch."""
        return batch_name(self.digests)

    def add(self, frame: Frame) -> None:
        """Take in a frame.

        Raises:
            msgspec.DecodeError: a bug of ours; its digest proves that it is as we wrote it.
        """
        # Two environments may get the same body, byte for byte: their contexts differ.
        if frame.kind in BODIES:
            self.digests.append(frame.digest + frame.received_us.to_bytes(8))
        elif frame.kind is FrameKind.CONTEXT:
            self.digests.append(frame.digest)
        if frame.kind is FrameKind.DELIVERY:
            self.deliveries.append(Delivery(frame.payload, frame.received_us))
        elif frame.kind in OTLP:
            requests = self.requests.setdefault(OTLP[frame.kind], [])
            requests.append((frame.payload, frame.received_us))
        elif frame.kind is FrameKind.CONTEXT:
            self.context = decode_context(frame.payload)
        elif frame.kind is FrameKind.INVOKE:
            self.invokes.append(decode_invoke(frame.payload))
        elif frame.kind is FrameKind.ENDING:
            self.ending = decode_ending(frame.payload)


def read_contents(data: bytes) -> Contents:
    """Read a segment; its end may be torn."""
    contents = Contents()
    for part in read_frames(data):
        if isinstance(part, Damage):
            contents.damaged_bytes += part.size_bytes
        else:
            contents.add(part)
    return contents
