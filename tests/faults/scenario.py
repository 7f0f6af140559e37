"""The parts of a scenario: a function's steps, the faults and their times, and the promises.

All of it are frozen values; `table.py` has the scenarios, and `runner.py` runs them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.tools.local import Faults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from counting_proxy import Cut, Flood

Step = tuple[str | int, ...]
"""A method of `runtime.Steps` and its arguments."""

STRATEGIES = ("adaptive", "end", "threshold")
FILE, SQLITE, S3, GLUE, REST = "file", "sqlite", "s3", "glue", "rest"
TAP, OTLP = "tap", "otlp"
ALL = (FILE, SQLITE, S3, GLUE)
NETWORKED = (S3, GLUE)
EVERY = (*ALL, REST, TAP, OTLP)


class Adversaries(Enum):
    """The adversaries of a run; see `poison.py` and `forging.py`."""

    NOBODY = "nobody"
    POISON = "a batch whose every request kills the process that sends it"
    FORGER = "somebody who may put into the inbox"


class Down(Enum):
    """The ways in which a destination can fail besides a cut or a status."""

    REFUSED = "connections are refused"
    SLOW = "each answer takes two seconds"


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """A fault of the destination for a while.

    Attributes:
        what: a status it answers, where its connections are cut, how it is down, or how much too
            long its answers are.
        target: shell pattern of the `X-Amz-Target` of those it happens to; `*`: to all.
        after: it begins after this invocation; 0 is before the first.
        until: it is over after this invocation; None: not before SHUTDOWN is over.
    """

    what: int | Cut | Down | Flood
    after: int
    until: int | None = None
    target: str = "*"


@dataclass(frozen=True, kw_only=True)
class Promise:
    """The promises of a scenario, besides: nothing lost, nothing twice.

    Attributes:
        failed: how many invocations fail; None: as many as will.
        exits: the exit codes extensions may have.
        durable: after the last SHUTDOWN nothing is left in the spool, which dies with the sandbox.
        may_drop: records may be dropped, if a row says how many.
        added: in the trouble no invocation takes longer than beside a healthy destination.
        flat: memory and descriptors do not grow.
        kills: how many extensions the plan has to have killed.
        redelivered: how many copies of deliveries were to be sent, at least.
        struck: how often the adversary was to strike, at least.
        deaths: how many extensions may die of a batch, and have to; None: as many as do.
        kept: what is still in the spool when all is put right is not lost; but only batches that
            kill may be there.
    """

    failed: int | None = 0
    exits: frozenset[int] = frozenset({0})
    durable: bool = True
    may_drop: bool = False
    added: bool = False
    flat: bool = False
    kills: int = 0
    redelivered: int = 0
    struck: int = 0
    deaths: int | None = None
    kept: bool = False


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One row group of the matrix.

    Attributes:
        name: as `--only` takes it.
        says: what happens, for the docs.
        steps: of the invocations, used in turn.
        invocations: how many.
        destinations, strategies: where it says something that another does not.
        faults, plan, env, trouble: what it is run with.
        tmpfs_kb: /tmp is a file system of its own of this size; 0: a folder.
        port_taken: somebody listens on the receiver's port.
        adversary: who works against it.
        promise: what must hold.
        quick: (strategy, destination) that the ordinary tests run.
    """

    name: str
    says: str
    steps: tuple[tuple[Step, ...], ...]
    invocations: int
    destinations: tuple[str, ...] = ALL
    strategies: tuple[str, ...] = STRATEGIES
    faults: Faults = field(default_factory=Faults)
    plan: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    trouble: Trouble | None = None
    tmpfs_kb: int = 0
    port_taken: bool = False
    adversary: Adversaries = Adversaries.NOBODY
    promise: Promise = Promise()
    quick: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Cell:
    """One run of the matrix."""

    scenario: Scenario
    strategy: str
    destination: str

    def __str__(self) -> str:
        return f"{self.scenario.name} / {self.strategy} / {self.destination}"
