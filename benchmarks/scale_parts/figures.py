"""Computes the figures of a run from the logs of its processes and the table."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from scale_parts import readback

if TYPE_CHECKING:
    from scale_parts.plan import Home, Plan
    from scale_parts.readback import Entry

EXAMPLES = 5


@dataclass(frozen=True)
class Seen:
    """Unix ms at which each delivery was received and became visible, by `writer delivery`."""

    given: dict[str, int]
    visible: dict[str, int]


def of_run(
    plan: Plan,
    home: Home,
    *,
    wall_s: float,
    kills: int,
    left: int,
    spooled: int,
    requests: Counter[str],
) -> dict[str, Any]:
    """Return the figures of a run.

    Args:
        plan, home: plan and folder of the run.
        wall_s: its duration.
        kills: number of killed processes.
        left: number of descriptors in the inbox after the end of the last writer.
        spooled: number of segments in spools at that time, which the end of a sandbox would lose.
        requests: counts of the proxies, if the lake has any.
    """
    entries = readback.entries(home)
    seen = _seen(plan, home, entries)
    found = readback.rows(home)
    expected = {f"{one} {row}" for one in seen.given for row in range(plan.rows)}
    lost, twice = expected - found.keys(), [text for text, count in found.items() if count > 1]
    waits = sorted(at - seen.given[d] for d, at in seen.visible.items() if d in seen.given)
    ends = [json.loads(line) for path in home.folder.glob("*-end.log") for line in path.open()]
    counts: Counter[str] = sum((Counter(end["counts"]) for end in ends), Counter())
    if plan.lake != "disk":
        counts = Counter({"busy": counts["busy"]}) + requests
    commit_ms = sorted(ms for end in ends for ms in end["ms"] if ms >= plan.catalog_ms)
    commits = len({entry.snapshot_id for entry in entries})
    span_s = (max(seen.visible.values()) - min(seen.given.values())) / 1_000
    return {
        "label": plan.label,
        "plan": plan.values(),
        "rows": len(expected),
        "lost": len(lost),
        "lost_examples": sorted(lost)[:EXAMPLES],
        "twice": len(twice),
        "twice_examples": sorted(twice)[:EXAMPLES],
        "files": len(entries),
        "kills": kills,
        "left_in_inbox": left,
        "left_in_spools": spooled,
        "commits": commits,
        "commits_per_s": commits / span_s,
        "refused": counts["refused"],
        "busy": counts["busy"],
        "visible_rows_per_s": len(expected) / span_s,
        "visible_p50_s": _percentile(waits, 50) / 1_000,
        "visible_p99_s": _percentile(waits, 99) / 1_000,
        "commit_p50_ms": _percentile(commit_ms, 50),
        "commit_p99_ms": _percentile(commit_ms, 99),
        # A killed process has reported no CPU time.
        "cpu_ms_per_flush": None if kills else _cpu_ms(home, "writer") / len(seen.given),
        "committer_cpu_ms_per_file": None if kills else _cpu_ms(home, "committer") / len(entries),
        "calls": dict(counts),
        "wall_s": wall_s,
    }


def _seen(plan: Plan, home: Home, entries: list[Entry]) -> Seen:
    given = {
        f"writer-{number} {line.split()[0]}": int(line.split()[1])
        for number in range(plan.writers)
        for line in home.log(f"writer-{number}").read_text().splitlines()
    }
    first_seen = dict(map(int, line.split()) for line in home.log("watcher").open())
    visible: dict[str, int] = {}
    for path, snapshot_id in entries:
        if snapshot_id in first_seen:  # without the snapshots of the final drain
            bodies = pq.read_table(home.path(path), columns=["Body"])
            for text in set(bodies.column(0).to_pylist()):
                visible[text.rpartition(" ")[0]] = first_seen[snapshot_id]
    return Seen(given, visible)


def _cpu_ms(home: Home, prefix: str) -> float:
    """Return the CPU time of processes that ended by themselves."""
    return sum(
        float(json.loads(line)["cpu_ms"])
        for path in home.folder.glob(f"{prefix}-*-end.log")
        for line in path.open()
    )


def _percentile(ordered: list[Any], percent: int) -> float:
    """Return a percentile of sorted values; 0 without values."""
    return float(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]) if ordered else 0.0
