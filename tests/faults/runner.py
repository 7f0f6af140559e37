"""One cell of the matrix: run it, look, heal, recover, look again.

    plan --> local environment --> books --> the destination works --> a fresh extension, a
             (progress switches the trouble on and off)                committer --> books closed

Every wait is bounded: by the plan's timeouts, the two seconds of SHUTDOWN, and `RECOVERIES`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from places import Place
from reserved_port import ReservedPort

from faults import accounting
from faults.accounting import Keys
from faults.forging import Forger
from faults.poison import Adversary, Poison
from faults.runtime import LEDGER, POISON
from faults.scenario import Adversaries
from otlp2parquet_ext.lake.destinations.destination import DestinationError
from otlp2parquet_ext.tools.commit import commit_quietly
from otlp2parquet_ext.tools.local import ExtensionProgram, Faults, Outcome, Plan
from otlp2parquet_ext.tools.local.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.accounting import Books
    from faults.scenario import Cell, Scenario
    from faults.targets import Target, Targets
    from otlp2parquet_ext.tools.local.outcome import ExtensionRun, Invocation
    from otlp2parquet_ext.tools.local.processes import Program

ROOT = Path(__file__).parents[2]
RUNTIME = (sys.executable, "-I", "-S", str(Path(__file__).with_name("runtime.py")))
LAYER = os.environ.get(
    "FAULTS_EXTENSION", ""
)  # not the suite's: an adversary reaches into a checkout
COMMAND = (LAYER,) if LAYER else (sys.executable, str(ROOT / "extension" / "otlp2parquet"))
RECOVERIES = 5
COMMIT_S = 60
SAMPLES = 200
ADVERSARIES = {
    Adversaries.NOBODY: Adversary,
    Adversaries.POISON: Poison,
    Adversaries.FORGER: Forger,
}


class SkippedError(Exception):
    """The cell cannot be run here, and why."""


@dataclass(frozen=True)
class Sample:
    """Figures of /proc about the extension after an invocation."""

    number: int
    rss_bytes: int
    descriptors: int


@dataclass(frozen=True)
class Result:
    """The results of one cell.

    Attributes:
        struck: how often the adversary has attacked.
        problems: broken promises that the counts do not show, in words.
        recoveries: the work of fresh processes afterwards.
    """

    cell: Cell
    outcome: Outcome
    healthy: Outcome | None
    books: Books
    samples: tuple[Sample, ...]
    seconds: float
    struck: int = 0
    problems: tuple[str, ...] = ()
    recoveries: tuple[Outcome, ...] = ()

    @property
    def runs(self) -> list[ExtensionRun]:
        """All processes of the extension, those of the recovery included."""
        return [run for outcome in (self.outcome, *self.recoveries) for run in outcome.extensions]


class Run:
    """One life of an execution environment, from its first INIT to its last SHUTDOWN.

    Args:
        cell: what it is.
        target: the destination.
        tmp: the environment's /tmp.
        troubled: whether the scenario's trouble happens.
    """

    def __init__(self, cell: Cell, target: Target, tmp: Path, *, troubled: bool = True) -> None:
        self._cell = cell
        self._scenario = cell.scenario
        self._target = target
        self._tmp = tmp
        self._trouble = cell.scenario.trouble if troubled else None
        self._done = 0
        self._environment: Environment | None = None
        self._outcome: Outcome | None = None
        self.samples: list[Sample] = []

    def to_its_end(self) -> Outcome:
        """Run it."""
        otlp = ReservedPort()
        with _port(taken=self._scenario.port_taken) as port:
            plan = plan_of(self._cell, self._target, self._tmp, port, otlp.number)
            self._environment = Environment(plan, self._tmp.resolve(), progress=self._after)
            if self._trouble and self._trouble.after == 0:
                self._target.begin(self._trouble)
            asyncio.run(self._live())
        assert self._outcome is not None
        return self._outcome

    async def _live(self) -> None:
        # Not as the coroutine's value: on its way out `asyncio.run` would make a text of it.
        assert self._environment is not None
        self._outcome = await self._environment.run()

    def kill(self) -> None:
        """Kill the extension of this moment; called by any thread."""
        if program := self._program():
            program.signal(signal.SIGKILL)

    def _program(self) -> Program | None:
        sandbox = self._environment.sandbox if self._environment else None
        # A generation opens its server before it starts an extension.
        extensions = sandbox.parties.extensions if sandbox else []
        return extensions[0].program if extensions else None

    def _after(self, _: Invocation) -> None:
        self._done += 1
        if self._trouble and self._done == self._trouble.after:
            self._target.begin(self._trouble)
        if self._trouble and self._done == self._trouble.until:
            self._target.end()
        if self._done % max(1, self._scenario.invocations // SAMPLES) == 0:
            self._sample()

    def _sample(self) -> None:
        program = self._program()
        usage = program.usage() if program else None
        if program and usage:
            with contextlib.suppress(OSError):
                descriptors = len(list(Path(f"/proc/{program.pid}/fd").iterdir()))
                self.samples.append(Sample(self._done, usage.rss_bytes, descriptors))


def plan_of(cell: Cell, target: Target, tmp: Path, port: int, otlp_port: int) -> Plan:
    """Return the plan for the local environment."""
    scenario = cell.scenario
    plan = Plan(
        command=RUNTIME,
        code=ROOT,
        extensions=(ExtensionProgram(name="otlp2parquet", command=COMMAND),),
        memory_mb=512,
        cpus=1,
        timeout_s=20,
        invocations=scenario.invocations,
        events=tuple(json.dumps({"steps": steps}).encode() for steps in scenario.steps),
        gap_ms=10,
        env={
            **target.variables,
            # As the layer's own launcher sets them.
            "MALLOC_ARENA_MAX": "1",
            "ARROW_DEFAULT_MEMORY_POOL": "system",
            "OTLP2PARQUET_FLUSH": cell.strategy,
            "RECEIVER_PORT": str(port),
            "OTLP2PARQUET_OTLP_PORT": str(otlp_port),
            LEDGER: str(ledger_path(tmp)),
            **scenario.env,
        },
        tmp=tmp,
        faults=scenario.faults,
    )
    return replace(plan, **scenario.plan)


def ledger_path(tmp: Path) -> Path:
    """Return the function's file for its exports, outside the /tmp that it may empty or fill."""
    return tmp.parent / "ledger"


def run_cell(cell: Cell, targets: Targets, folder: Path) -> Result:
    """Run one cell in an empty folder.

    Raises:
        SkippedError: this machine lacks what it needs.
    """
    started_s = time.monotonic()
    healthy = _healthy(cell, targets, folder) if cell.scenario.promise.added else None
    target = targets.new(cell.destination, folder)
    adversary = ADVERSARIES[cell.scenario.adversary](target)
    with _tmp_of(cell.scenario, folder / "tmp") as tmp, adversary:
        run = Run(cell, target, tmp)
        adversary.meets(run)
        outcome = run.to_its_end()
        after = (
            accounting.table_of(target.place),
            accounting.inbox_of(target.place),
            accounting.spool_of(tmp),
        )
        target.end()
        adversary.rest()
        recoveries, left = _recovered(cell, target, tmp, adversary, waits=after[1] + after[2])
        ledger = accounting.ledger_of(ledger_path(tmp))
        kept, behind = _kept(tmp, recoveries) if cell.scenario.promise.kept else (Keys(), Keys())
        if behind:
            left.append(f"{behind.total()} innocent events are kept for good")
    return Result(
        cell,
        outcome,
        healthy,
        accounting.books(
            [outcome, *recoveries],
            accounting.acknowledged_keys(outcome),
            after,
            accounting.table_of(target.place),
            ledger=ledger,
            kept=kept,
        ),
        tuple(run.samples),
        time.monotonic() - started_s,
        adversary.struck,
        (*left, *adversary.problems()),
        tuple(recoveries),
    )


def _kept(tmp: Path, recoveries: list[Outcome]) -> tuple[Keys, Keys]:
    """Return the events that stay in the spool, and those of them without a reason.

    The next process would store telemetry about the last one from before its kill.
    """
    own = sum((accounting.generated_keys(run) for run in recoveries[-1:]), Keys())
    return accounting.spool_of(tmp), accounting.spool_of(tmp, without=POISON) - own


def _healthy(cell: Cell, targets: Targets, folder: Path) -> Outcome:
    """Run the same without its trouble, once for all cells that differ in nothing else."""
    scenario = cell.scenario
    like = (cell.strategy, cell.destination, scenario.steps, tuple(scenario.env.items()))
    if like not in targets.healthy:
        tmp = folder / "healthy" / "tmp"
        tmp.mkdir(parents=True)
        target = targets.new(cell.destination, tmp.parent)
        targets.healthy[like] = Run(cell, target, tmp, troubled=False).to_its_end()
    return targets.healthy[like]


def _recovered(
    cell: Cell, target: Target, tmp: Path, adversary: Adversary, *, waits: Keys
) -> tuple[list[Outcome], list[str]]:
    """Let fresh processes with the same /tmp, then a committer, store the kept batches.

    Returns:
        The work of those runs, and the committer's complaints.
    """
    calm = replace(
        cell.scenario,
        steps=((("sleep", 300),),),
        invocations=1,
        faults=Faults(),
        trouble=None,
        port_taken=False,
        # No larger than it was: more memory would mend what a function's own size does not.
        plan={**cell.scenario.plan, "timeout_s": 60},
    )
    runs: list[Outcome] = []
    for _ in range(RECOVERIES if waits else 0):
        run = Run(replace(cell, scenario=calm, strategy="end"), target, tmp)
        adversary.meets(run)
        runs.append(run.to_its_end())
        if not accounting.spool_of(tmp):
            break
    if not isinstance(target.place, Place) or not target.place.has_catalog:
        return runs, []
    try:
        commit_quietly(target.place.variables, COMMIT_S)
    except DestinationError as error:
        return runs, [f"the last commit failed: {error}"]
    return runs, []


@contextlib.contextmanager
def _tmp_of(scenario: Scenario, tmp: Path) -> Iterator[Path]:
    """Give the environment its /tmp, of a limited size if the scenario needs that."""
    tmp.mkdir(parents=True)
    if not scenario.tmpfs_kb:
        yield tmp
        return
    options = ["-o", f"size={scenario.tmpfs_kb}k", "tmpfs", str(tmp)]
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", *options], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        raise SkippedError(f"no tmpfs of its own can be mounted: {mounted.stderr.strip()}")
    try:
        yield tmp
    finally:
        subprocess.run(["umount", "--lazy", str(tmp)], check=True)


@contextlib.contextmanager
def _port(*, taken: bool) -> Iterator[int]:
    """Give a port for the receiver, and use it if that is the fault."""
    if not taken:
        reserved = ReservedPort()
        yield reserved.number
        return
    with socket.socket() as squatter:
        squatter.bind(("0.0.0.0", 0))
        squatter.listen()
        yield squatter.getsockname()[1]
