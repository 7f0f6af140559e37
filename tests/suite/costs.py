"""The allowed costs of tests, their measured costs, and those that grew: values in, lines out."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import Cost, by_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SLOW_S = 5.0
"""Wall time of a test without the marker `thorough`, alone on an idle machine."""

SPINS = 20_000_000
REFERENCE_S = 0.4
"""Wall time of as many empty rounds of a loop on the machine that `recorded.json` is from, idle."""

SLOWEST = 20
CORES = 2
WALL_S: Mapping[str, float] = {"quick": 8 * 60, "rest": 12 * 60, "layer": 8 * 60}
"""Wall time of a tier on two cores. More CPU than both have in that time fails the check."""

GREW = 1.5
GREW_S = 5.0
"""A folder grew if it takes half as much CPU again as recorded, and at least 5 s more."""

RECORDED = Path(__file__).with_name("recorded.json")
"""CPU seconds of each tier and folder when they were last looked at."""


def too_slow(costs: Iterable[Cost], pace: float = 1.0) -> list[Cost]:
    """Return tests without `thorough` that took too long.

    Args:
        costs: of tests.
        pace: how many times as long as on the reference machine work takes here; >= 1.
    """
    return [
        cost
        for cost in costs
        if cost.wall_s > SLOW_S * pace and not {"thorough", "layer"} & set(cost.marks)
    ]


def pace_now() -> float:
    """Measure how much longer than on the reference machine, idle, work takes here now; >= 1."""
    began = time.monotonic()
    for _ in range(SPINS):
        pass
    return max(1.0, (time.monotonic() - began) / REFERENCE_S)


def table(costs: Sequence[Cost]) -> list[str]:
    """Return Markdown: tests, wall and CPU of each folder."""
    lines = ["| folder | tests | wall s | CPU s |", "|---|---|---|---|"]
    folders = by_folder(costs)
    total = [sum(values) for values in zip(*folders.values(), strict=True)] or [0, 0, 0]
    for name, (tests, wall, cpu) in [*folders.items(), ("all", total)]:
        lines.append(f"| {name} | {tests} | {wall:.1f} | {cpu:.1f} |")
    return lines


def slowest(costs: Iterable[Cost]) -> list[str]:
    """Return a line for each of the slowest tests."""
    found = sorted(costs, key=lambda cost: -cost.wall_s)[:SLOWEST]
    return [f"{cost.wall_s:7.2f} s wall {cost.cpu_s:7.2f} s CPU  {cost.test}" for cost in found]


def grown(costs: Iterable[Cost], recorded: Mapping[str, float]) -> list[str]:
    """Return a line for each folder that takes much more CPU than recorded."""
    now = {name: cpu for name, (_, _, cpu) in by_folder(costs).items()}
    return [
        f"tests/{name} takes {cpu:.0f} s of CPU; recorded are {recorded.get(name, 0.0):.0f}"
        for name, cpu in now.items()
        if cpu > recorded.get(name, 0.0) * GREW and cpu > recorded.get(name, 0.0) + GREW_S
    ]


def problems(tier: str, costs: Sequence[Cost], pace: float, *, alone: bool = True) -> list[str]:
    """Return why a tier's costs are not accepted; nothing when they are.

    Args:
        tier: its name.
        costs: of its tests.
        pace: as in `too_slow`.
        alone: slow tests ran again, without neighbours; a failure keeps them from it.
    """
    how = "alone" if alone else "beside others (a failure kept it from running again alone)"
    found = [
        f"{cost.test} takes {cost.wall_s:.1f} s {how}; a test without the marker `thorough` may"
        f" take {SLOW_S:.0f}"
        for cost in (too_slow(costs, pace) if tier == "quick" else [])
    ]
    cpu, limit = sum(cost.cpu_s for cost in costs), WALL_S[tier] * CORES
    if cpu > limit:
        found.append(
            f"`{tier}` takes {cpu:.0f} s of CPU; {CORES} cores have {limit:.0f} in"
            f" {WALL_S[tier] / 60:.0f} min"
        )
    return found


def report(
    tier: str, costs: Sequence[Cost], wall_s: float, build: Path, *, alone: bool = True
) -> list[str]:
    """Print and write what a tier cost; return why that is too much.

    Args:
        tier: its name.
        costs: of its tests.
        wall_s: of the whole run.
        build: a folder; the table goes to `test-costs-TIER.md` there.
        alone: as in `problems`.
    """
    recorded = json.loads(RECORDED.read_text()).get(tier, {})
    found = problems(tier, costs, pace_now(), alone=alone)
    wall = f"{tier}: {len(costs)} tests in {wall_s:.0f} s (at most {WALL_S[tier]:.0f})"
    notes = [f"grew: {line}" for line in grown(costs, recorded)]
    if wall_s > WALL_S[tier]:
        notes.append(f"late: {wall}")
    lines = [*slowest(costs), "", *table(costs), "", wall, *notes, *found]
    (build / f"test-costs-{tier}.md").write_text("\n".join(lines) + "\n")
    print("\n".join(["", f"slowest {SLOWEST}:", *lines]))  # noqa: T201
    return found
