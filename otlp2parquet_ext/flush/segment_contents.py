"""Reads a segment's bytes into the contents of a batch.

    frames --read_contents()--> Contents: context, INVOKEs, deliveries, OTLP requests, SHUTDOWN

The batch's name is computed from the context, the bodies, and their times of receipt. The segment
contains all of these, so every process that reads it gets the same name. An equal body in another
segment makes another batch, but the spool discards repeated bodies (digests.py).
"""

from __future__ import annotations

import re
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


INSTANCE = re.compile("[0-9a-f]{32}")


class Contents(Struct):
    """The contents of a segment, each kind in order of receipt.

    Attributes:
        context: facts about the environment that filled it.
        invokes: facts about invocations.
        deliveries: bodies of the Telemetry API.
        requests: accepted OTLP requests by signal, each with its Unix microseconds of receipt.
        ending: the SHUTDOWN of the process that filled it, if any.
        digests: digests of context and bodies, each body's with its time of receipt. An attacker
            can make two bodies of one digest; the time keeps their batches apart.
        damaged_bytes: number of bytes that belong to no frame.
        first_us: Unix microseconds of the first body's receipt; 0 without a body.
    """

    context: EnvironmentContext = field(default_factory=lambda: EnvironmentContext(instance_id=""))
    invokes: list[Invoke] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    requests: dict[str, list[tuple[bytes, int]]] = field(default_factory=dict)
    ending: Ending | None = None
    digests: list[bytes] = field(default_factory=list)
    damaged_bytes: int = 0
    first_us: int = 0

    @property
    def received_us(self) -> int:
        """Unix microseconds of the last body's receipt; 0 without a body."""
        times = [delivery.received_us for delivery in self.deliveries]
        times += [received_us for made in self.requests.values() for _, received_us in made]
        return max(times, default=0)

    @property
    def name(self) -> str:
        """The name of the batch."""
        return batch_name(self.digests)

    @property
    def label(self) -> tuple[int, str, str]:
        """Unix microseconds of its first body's receipt, its environment and its batch, in hex."""
        instance = self.context.instance_id.replace("-", "")
        if not INSTANCE.fullmatch(instance):  # the segment has no preamble
            instance = "0" * 32
        return self.first_us, instance, self.name

    def add(self, frame: Frame) -> None:
        """Add a frame.

        Raises:
            msgspec.DecodeError: a bug of ours, because the digest proves that we wrote these bytes.
        """
        # Two environments may receive identical bodies, but their contexts differ.
        if frame.kind in BODIES:
            self.digests.append(frame.digest + frame.received_us.to_bytes(8))
            self.first_us = self.first_us or frame.received_us
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
