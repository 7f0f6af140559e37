"""Arguments and results of the spool."""

from __future__ import annotations

from msgspec import Struct

from otlp2parquet_ext.spool.frames import FrameKind

Note = tuple[FrameKind, bytes, int]
"""A fact that explains deliveries: kind, payload, Unix microseconds of its receipt."""


class Appended(Struct, frozen=True):
    """The body is in the spool; with `duplicate`, it was there before."""

    duplicate: bool


class Dropped(Struct, frozen=True):
    """The body is lost, for a reason."""

    reason: str
