"""The state of one sealed segment, and the steps that are legal in it (no I/O, no clock).

    WAITING --store--> STORING --stored--> STORED --every destination has it--> DISCARDED
       ^                 |  |
       +----failed-------+  +--stored, commit follows--> AWAITING_COMMIT --committed--> STORED
       +----requeued-------------------------------------------+

A segment is *safe* in STORED. It stays there while a destination lacks it (`undelivered`), and it
may be redelivered while it awaits its commit.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping


class Stage(enum.Enum):
    """The stage of a sealed segment."""

    WAITING = "not stored"
    STORING = "a worker stores it"
    AWAITING_COMMIT = "stored; safe with the next commit"
    STORED = "safe"
    DISCARDED = "may be deleted"


class SegmentStep(enum.Enum):
    """A step that changes the stage of a sealed segment."""

    STORE = "a worker begins to store it"
    FAIL = "the store failed or was abandoned"
    KEEP_FOR_COMMIT = "stored, safe with the next commit only"
    KEEP = "stored and safe"
    COMMIT = "a commit, or a descriptor in the inbox, has made it safe"
    REQUEUE = "its commit was abandoned, or came so late that its file may have been deleted"
    DISCARD = "every destination has it, or it is dropped and counted"


TRANSITIONS: Mapping[Stage, Mapping[SegmentStep, Stage]] = {
    Stage.WAITING: {SegmentStep.STORE: Stage.STORING, SegmentStep.DISCARD: Stage.DISCARDED},
    Stage.STORING: {
        SegmentStep.FAIL: Stage.WAITING,
        SegmentStep.KEEP_FOR_COMMIT: Stage.AWAITING_COMMIT,
        SegmentStep.KEEP: Stage.STORED,
        SegmentStep.DISCARD: Stage.DISCARDED,
    },
    Stage.AWAITING_COMMIT: {SegmentStep.COMMIT: Stage.STORED, SegmentStep.REQUEUE: Stage.WAITING},
    Stage.STORED: {SegmentStep.DISCARD: Stage.DISCARDED},
    Stage.DISCARDED: {},
}
"""Legal steps of each stage. Any other step is a bug of ours, and raises before telemetry is
deleted."""


class IllegalStepError(Exception):
    """A bug of ours: the step is not legal in the segment's stage."""


class SegmentState(Struct):
    """The state of one sealed segment, except the crash counts in its file name.

    Attributes:
        stage: see `Stage`; only `advance` changes it.
        stored_ms: ms of `steady_ms` at the store that needs a commit; 0 before it.
        batch: name of the stored batch; "" before it.
        undelivered: names of the destinations that lack it.
        redelivering: a worker sends it to them.
        bug_attempts: number of stores that failed by a bug of ours.
        memory_errors: number of stores for which memory was too small.
        abandoned: a store of it did not end in time, in this process.
        redelivery_abandoned: a redelivery of it did not end in time, in this process.
    """

    stage: Stage = Stage.WAITING
    stored_ms: int = 0
    batch: str = ""
    undelivered: tuple[str, ...] = ()
    redelivering: bool = False
    bug_attempts: int = 0
    memory_errors: int = 0
    abandoned: bool = False
    redelivery_abandoned: bool = False

    def advance(self, step: SegmentStep) -> None:
        """Take a step.

        Raises:
            IllegalStepError: the step is not legal in this stage.
        """
        after = TRANSITIONS[self.stage].get(step)
        if after is None:
            raise IllegalStepError(f"{step.name} is not legal in {self.stage.name}")
        self.stage = after

    @property
    def stored(self) -> bool:
        """True if the batch is stored, whether safe or not yet."""
        return self.stage in (Stage.AWAITING_COMMIT, Stage.STORED)

    @property
    def delivered(self) -> bool:
        """True if it is safe and no destination lacks it, so it may be discarded."""
        return self.stage is Stage.STORED and not self.undelivered
