"""What is handed to the spool, and what it answers."""

from __future__ import annotations

from msgspec import Struct

from otlp2parquet_ext.spool.frames import FrameKind

Note = tuple[FrameKind, bytes, int]
"""A fact that is no delivery: kind, payload, Unix microseconds at which it was learned."""


class Appended(Struct, frozen=True):
    """The body is in the spool, or was already (`duplicate`)."""

    duplicate: bool


class Dropped(Struct, frozen=True):
    """The body is lost, and why."""

    reason: str
