"""The spool: the only place where undelivered telemetry lives.

    receiver --append()--> Segment (open) --seal()--> Segment (sealed) --discard()--> gone
                              segments of a dead process --recover()--^

    frames.py       one body as bytes with length and digest; reading what a crash left (no I/O)
    directories.py  opened by descriptor, never through a link; trusted when they are ours alone
    folders.py      which folder is whose, by locks; what a process had lost when it died
    recovery.py     segments of dead processes, a bounded part at a time
    crashes.py      how many processes ended with a segment in hand, in its file's name (no I/O)
    digests.py      bodies that came before
    segment.py      one file of frames, on disk or, where there is none, in memory
    spool.py        the owner: which segment is open, which are sealed, what it will hold

Nothing here knows what the bodies mean. Two limits, never confused: `Thresholds` (flush/policy.py)
say when a segment is *worth flushing* (soft); the capacities say what the spool will *hold* (hard).
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
