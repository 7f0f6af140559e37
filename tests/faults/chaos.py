"""The faults of a soak: one after the other, chosen by a seed.

    kills, stops    of an extension, at any moment
    troubles        of a destination behind a proxy, for up to three seconds, floods among them
    descriptors     forged, into the inbox
    committers      some of which are killed, too

The seed decides what happens and how long it lasts; what it meets is the machine's to decide.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from counting_proxy import Cut, Flood
from places import Place

from faults.forging import KINDS, Committer, Forgery
from faults.scenario import Down, Trouble

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Sequence

    from faults.targets import Target
    from otlp2parquet_ext.tools.local.processes import Program

PAUSE_S = (0.2, 1.5)
STOPPED_S = (0.05, 1.5)
TROUBLED_S = (0.3, 3.0)
KILLED_S = (0.2, 3.0)
FLOOD_BYTES = 260_000_000
TROUBLES: tuple[int | Cut | Down | Flood, ...] = (
    500,
    503,
    403,
    *Cut,
    Down.REFUSED,
    Down.SLOW,
    Flood(FLOOD_BYTES),
    Flood(FLOOD_BYTES, framing="chunks"),
    Flood(FLOOD_BYTES, 500, "close"),
    Flood(FLOOD_BYTES, 403),
)
COMMIT_SHARE, COMMIT_KILLED_SHARE = 0.35, 0.3


class Chaos:
    """Troubles one destination and the environments that write there.

    Args:
        chance: decides everything.
        target: the destination.
        programs: returns the extensions that run at this moment.

    Attributes:
        done: how often what happened.
        problems: promises a committer broke, in words.
    """

    def __init__(
        self, chance: random.Random, target: Target, programs: Callable[[], Sequence[Program]]
    ) -> None:
        self._chance = chance
        self._target = target
        self._programs = programs
        self.done: Counter[str] = Counter()
        self.problems: Counter[str] = Counter()
        self._kinds: list[Callable[[], Awaitable[None]]] = [self._kill, self._stop]
        if target.proxy is not None:
            self._kinds += [self._trouble] * 2
        self._forgery = self._committer = None
        if isinstance(target.place, Place) and target.place.has_catalog:
            self._forgery, self._committer = Forgery(target.place), Committer(target.place)
            self._kinds += [self._forge] * 4

    async def until(self, end_s: float) -> None:
        """Do one thing after the other until then (monotonic); leave nothing broken behind."""
        commits = asyncio.create_task(self._commits(end_s))
        while time.monotonic() < end_s:
            await asyncio.sleep(self._chance.uniform(*PAUSE_S))
            await self._chance.choice(self._kinds)()
        await commits

    async def put_right(self) -> None:
        """Commit what waits; nothing disturbs it any more."""
        if self._committer is not None:
            self._note(await asyncio.to_thread(self._committer.run))

    async def _commits(self, end_s: float) -> None:
        """Run a committer beside all else, again and again."""
        while self._committer is not None and time.monotonic() < end_s:
            await asyncio.sleep(self._chance.uniform(*PAUSE_S) / COMMIT_SHARE)
            killed = self._chance.random() < COMMIT_KILLED_SHARE
            after_s = self._chance.uniform(*KILLED_S) if killed else None
            self.done["commits killed" if killed else "commits"] += 1
            self._note(await asyncio.to_thread(self._committer.run, after_s))

    def _note(self, problem: str) -> None:
        if problem:
            self.problems[problem] += 1

    async def _kill(self) -> None:
        for program in self._one():
            program.signal(signal.SIGKILL)
            self.done["kills"] += 1

    async def _stop(self) -> None:
        """Stop an extension at any point of its work, which no freeze of Lambda does."""
        for program in self._one():
            with suppress(ProcessLookupError):
                os.kill(program.pid, signal.SIGSTOP)
                self.done["stops"] += 1
                await asyncio.sleep(self._chance.uniform(*STOPPED_S))
                os.kill(program.pid, signal.SIGCONT)

    async def _trouble(self) -> None:
        what = self._chance.choice(TROUBLES)
        self.done["floods" if isinstance(what, Flood) else "troubles"] += 1
        await asyncio.to_thread(self._target.begin, Trouble(what=what, after=0))
        await asyncio.sleep(self._chance.uniform(*TROUBLED_S))
        await asyncio.to_thread(self._target.end)

    async def _forge(self) -> None:
        assert self._forgery is not None
        kind = self._chance.choice(KINDS)
        if await asyncio.to_thread(self._forgery.ready):
            await asyncio.to_thread(self._forgery.put, kind)
            self.done["forged"] += 1

    def _one(self) -> Sequence[Program]:
        programs = self._programs()
        return (self._chance.choice(programs),) if programs else ()
