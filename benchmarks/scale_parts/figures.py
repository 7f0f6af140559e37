"""From the logs of a run's processes and the table itself to the run's figures."""

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
    """When each delivery came in and became visible, Unix ms, by `writer delivery`."""

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
    """Return everything worth knowing of a run.

    Args:
        plan, home: of the run.
        wall_s: how long it took.
        kills: processes that were killed.
        left: descriptors in the inbox when the last writer had ended.
        spooled: segments that were still in spools then: with a sandbox they would be lost.
        requests: as proxies counted them, of a lake that is behind some.
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
        # Who was killed has left no account of its CPU.
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
        if snapshot_id in first_seen:  # not what a drain afterwards made visible
            bodies = pq.read_table(home.path(path), columns=["Body"])
            for text in set(bodies.column(0).to_pylist()):
                visible[text.rpartition(" ")[0]] = first_seen[snapshot_id]
    return Seen(given, visible)


def _cpu_ms(home: Home, prefix: str) -> float:
    """Return the CPU time of processes that came to their own end."""
    return sum(
        float(json.loads(line)["cpu_ms"])
        for path in home.folder.glob(f"{prefix}-*-end.log")
        for line in path.open()
    )


def _percentile(ordered: list[Any], percent: int) -> float:
    """Return a percentile of sorted values, 0 of none."""
    return float(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]) if ordered else 0.0
