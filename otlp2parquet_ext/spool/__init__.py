"""The spool: the only place where undelivered telemetry lives.

    receiver --append()--> Segment (open) --seal()--> Segment (sealed) --discard()--> gone
                              segments of a dead process --recover()--^

    frames.py       the format of a body with length and digest; reads it after a crash (no I/O)
    directories.py  opens directories by descriptor, never through a link, and checks their owner
    folders.py      one locked folder for each process, and the tally of its losses
    recovery.py     finds segments of dead processes, a bounded part at a time
    crashes.py      counts crashes during a segment's store, in its file name (no I/O)
    digests.py      recognises bodies that the platform sends again
    segment.py      one file of frames, on disk or, where there is none, in memory
    spool.py        the owner: the open segment, the sealed ones, and the capacities

This package does not interpret bodies. It has two kinds of limits: `Thresholds` (flush/policy.py)
say when a segment is *worth flushing* (soft); the capacities say how much the spool will *hold*
(hard).
"""

from otlp2parquet_ext.records.digests import batch_name, digest_of
from otlp2parquet_ext.spool.frames import BODIES, OTLP, Damage, Frame, FrameKind, read_frames
from otlp2parquet_ext.spool.recovery import RecoveryRound
from otlp2parquet_ext.spool.segment import Segment
from otlp2parquet_ext.spool.spool import SEGMENT_BYTES, SEGMENT_ITEMS, Spool
from otlp2parquet_ext.spool.values import Appended, Dropped, Note

__all__ = [
    "BODIES",
    "OTLP",
    "SEGMENT_BYTES",
    "SEGMENT_ITEMS",
    "Appended",
    "Damage",
    "Dropped",
    "Frame",
    "FrameKind",
    "Note",
    "RecoveryRound",
    "Segment",
    "Spool",
    "batch_name",
    "digest_of",
    "read_frames",
]
