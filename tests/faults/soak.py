"""A soak: environments of several destinations, for as long as wanted, and chaos all the time.

    lives of environments, one after the other in the same /tmp --+
    chaos (chaos.py) -------------------------------------------- +--> all is put right --> books
    committers ---------------------------------------------------+

In the end each event that was acknowledged is in the table once, or a row says that it is lost.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reserved_port import ReservedPort

from faults import accounting
from faults.accounting import Keys
from faults.chaos import Chaos
from faults.judging import broken_books
from faults.runner import COMMAND, RECOVERIES, ROOT, RUNTIME
from faults.runtime import LEDGER
from faults.scenario import FILE, GLUE, S3, SQLITE
from faults.targets import Targets
from otlp2parquet_ext.tools.local import ExtensionProgram, Faults, Plan
from otlp2parquet_ext.tools.local.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from faults.accounting import Books, Table
    from faults.scenario import Step
    from faults.targets import Target
    from otlp2parquet_ext.tools.local import Outcome
    from otlp2parquet_ext.tools.local.processes import Program

ENVIRONMENTS = {FILE: 1, SQLITE: 2, S3: 1, GLUE: 2}
"""Of each destination, at a time."""

INVOCATIONS = (5, 60)
"""Of one life."""

REDELIVERING, REDELIVER_EVERY = 0.2, 4
"""Each fourth delivery of each fifth life comes again: 5 %."""

TAKEN_FOR = "state transition from Registered by register failed"
"""The refusal of an extension without its own fault. Its predecessor was killed when it
had just asked to be registered: the local API reads that request when the next one is expected."""

STRATEGIES = ("adaptive", "end", "threshold")
MIB = 1 << 20


@dataclass
class Slot:
    """One environment after the other, all with the same /tmp.

    Attributes:
        folder: has the /tmp, and the ledger.
        acknowledged, generated: events of all lives so far.
        figures: counts of all lives.
        peak_bytes: the most an extension had resident.
        exits: exit codes of extensions nobody killed.
        last_words: what those said last that ended with another code than 0.
        environment: the one that runs, if any does.
        receiver_port, otlp_port: what each of its extensions listens on.
    """

    folder: Path
    acknowledged: Keys = field(default_factory=Keys)
    generated: Keys = field(default_factory=Keys)
    figures: Counter[str] = field(default_factory=Counter)
    peak_bytes: int = 0
    exits: Counter[int | None] = field(default_factory=Counter)
    last_words: list[str] = field(default_factory=list)
    environment: Environment | None = None
    receiver_port: ReservedPort = field(default_factory=ReservedPort)
    otlp_port: ReservedPort = field(default_factory=ReservedPort)

    @property
    def tmp(self) -> Path:
        """The environments' /tmp."""
        return self.folder / "tmp"

    @property
    def program(self) -> Program | None:
        """The extension that runs, if one does."""
        sandbox = self.environment.sandbox if self.environment else None
        # A generation opens its server before it starts an extension.
        extensions = sandbox.parties.extensions if sandbox else []
        program = extensions[0].program if extensions else None
        return program if program and program.exit_code is None else None

    async def live(self, plan: Plan) -> None:
        """Run one environment from its INIT to its SHUTDOWN."""
        self.environment = Environment(plan, self.tmp.resolve())
        try:
            self._enter(await self.environment.run())
        finally:
            self.environment = None

    def _enter(self, outcome: Outcome) -> None:
        self.acknowledged += accounting.acknowledged_keys(outcome)
        self.generated += accounting.generated_keys(outcome)
        self.figures["lives"] += 1
        self.figures["invocations"] += len(outcome.invocations)
        self.figures["processes"] += len(outcome.extensions)
        self.figures["deliveries"] += len(outcome.deliveries)
        self.figures["redelivered"] += sum(it.redelivery for it in outcome.deliveries)
        for run in outcome.extensions:
            self.peak_bytes = max(self.peak_bytes, run.peak_rss_bytes or 0)
            if run.exit_code and any(TAKEN_FOR in line for line in run.lines):
                self.figures["taken for another"] += 1
            elif not run.killed:
                self.exits[run.exit_code] += 1
                if run.exit_code:
                    self.last_words += run.lines[-2:]


@dataclass(frozen=True)
class Lane:
    """One destination, its environments, and what troubles them."""

    kind: str
    target: Target
    slots: Sequence[Slot]
    chaos: Chaos
    chance: random.Random

    async def soak(self, end_s: float) -> None:
        """Live until then, and for as long as the lives that have begun take."""
        await asyncio.gather(
            self.chaos.until(end_s), *(self._lives(slot, end_s) for slot in self.slots)
        )

    async def _lives(self, slot: Slot, end_s: float) -> None:
        while time.monotonic() < end_s:
            await slot.live(self._plan(slot))

    async def put_right(self) -> None:
        """Let calm environments store what is left, and a committer commit it."""
        await asyncio.to_thread(self.target.end)
        for slot in self.slots:
            for _ in range(RECOVERIES):
                if not accounting.spool_of(slot.tmp):
                    break
                await slot.live(self._calm(slot))
        await self.chaos.put_right()

    def _plan(self, slot: Slot) -> Plan:
        chance = self.chance
        steps: list[list[Step]] = [
            [("say", chance.randint(1, 40), 100), ("sleep", chance.randint(0, 150))]
            for _ in range(10)
        ]
        for _ in range(chance.randint(0, 4)):
            records, size = chance.choice([(1, 100), (200, 2_000), (500, 50_000), (20_000, 0)])
            chance.choice(steps).insert(1, ("otlp", records, size))
        return self._of(
            slot,
            steps,
            strategy=chance.choice(STRATEGIES),
            invocations=chance.randint(*INVOCATIONS),
            gap_ms=chance.choice((10, 50, 300)),
            faults=Faults(
                redeliver_every=REDELIVER_EVERY if chance.random() < REDELIVERING else 0,
                flush_before_shutdown=chance.random() < 0.5,
                race_shutdown=chance.random() < 0.1,
            ),
        )

    def _calm(self, slot: Slot) -> Plan:
        return self._of(slot, [[("sleep", 300)]], strategy="end", timeout_s=60)

    def _of(self, slot: Slot, steps: list[list[Step]], *, strategy: str, **options: Any) -> Plan:
        return Plan(
            command=RUNTIME,
            code=ROOT,
            extensions=(ExtensionProgram(name="otlp2parquet", command=COMMAND),),
            memory_mb=128,
            cpus=1,
            events=tuple(json.dumps({"steps": one}).encode() for one in steps),
            env={
                **self.target.variables,
                "MALLOC_ARENA_MAX": "1",
                "ARROW_DEFAULT_MEMORY_POOL": "system",
                "OTLP2PARQUET_FLUSH": strategy,
                "OTLP2PARQUET_COMMIT_INTERVAL_MS": "1000",
                "OTLP2PARQUET_OTLP": "on",
                "OTLP2PARQUET_OTLP_PORT": str(slot.otlp_port),
                "RECEIVER_PORT": str(slot.receiver_port),
                "TIMEOUT_MS": "200",
                LEDGER: str(slot.folder / "ledger"),
            },
            tmp=slot.tmp,
            **{"timeout_s": 20, **options},
        )

    def result(self) -> LaneResult:
        """Close the books."""
        ledgers = [accounting.ledger_of(slot.folder / "ledger") for slot in self.slots]
        taken = sum((ledger.taken for ledger in ledgers), Keys())
        acknowledged = sum((slot.acknowledged for slot in self.slots), taken)
        generated = sum((slot.generated for slot in self.slots), Keys())
        generated = sum((ledger.sent for ledger in ledgers), generated)
        final = accounting.table_of(self.target.place)
        spool = sum((accounting.spool_of(slot.tmp) for slot in self.slots), Keys())
        after: tuple[Table, Keys, Keys] = (final, Keys(), spool)
        counted = accounting.closed(acknowledged, acknowledged, generated, after, final)
        exits: Counter[int | None] = sum((slot.exits for slot in self.slots), Counter())
        figures: Counter[str] = sum((slot.figures for slot in self.slots), self.chaos.done)
        problems = [f"{text} ({times} times)" for text, times in self.chaos.problems.items()]
        if wrong := {code: times for code, times in exits.items() if code != 0}:
            words = "; ".join(text for slot in self.slots for text in slot.last_words)
            problems.append(f"extensions nobody killed ended with {wrong} (code: times): {words}")
        return LaneResult(
            self.kind,
            len(self.slots),
            figures,
            counted,
            max(slot.peak_bytes for slot in self.slots) / MIB,
            (*broken_books(counted, may_drop=True, durable=True), *problems),
        )


@dataclass(frozen=True)
class LaneResult:
    """The results of a soak for one destination."""

    kind: str
    environments: int
    figures: Counter[str]
    books: Books
    peak_mb: float
    broken: tuple[str, ...]


def soak(
    seed: int, seconds: float, folder: Path, kinds: Sequence[str] = tuple(ENVIRONMENTS)
) -> list[LaneResult]:
    """Soak for so many seconds; putting right what was broken takes some more.

    Args:
        seed: decides what goes wrong.
        seconds: of chaos.
        folder: empty, for everything.
        kinds: of destinations.
    """
    with Targets() as targets:
        lanes = [_lane(kind, seed, targets, folder / kind) for kind in kinds]
        asyncio.run(_run(lanes, seconds))
        return [lane.result() for lane in lanes]


async def _run(lanes: Sequence[Lane], seconds: float) -> None:
    end_s = time.monotonic() + seconds
    await asyncio.gather(*(lane.soak(end_s) for lane in lanes))
    for lane in lanes:
        await lane.put_right()


def _lane(kind: str, seed: int, targets: Targets, folder: Path) -> Lane:
    slots = [Slot(folder / f"environment-{number}") for number in range(ENVIRONMENTS[kind])]
    for slot in slots:
        slot.tmp.mkdir(parents=True)
    target = targets.new(kind, folder)
    chaos = Chaos(
        random.Random(f"{seed} {kind} chaos"),
        target,
        lambda: [program for slot in slots if (program := slot.program)],
    )
    return Lane(kind, target, slots, chaos, random.Random(f"{seed} {kind} lives"))
