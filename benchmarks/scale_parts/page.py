"""Writes docs/scale.md and its pictures from figures.

`page.md` has the text. `{{table:…}}` becomes a table; `{{RUN.figure:format}}` becomes one figure of
one run. RUN is `mode-writers-committers-lake`, with `-kills` if processes were killed.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scale_parts.svg import Series, chart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

TEMPLATE = Path(__file__).with_name("page.md")
HOLE = re.compile(r"\{\{([^{}]+)\}\}")
COLUMNS = 120
FIRST_SHOWN = 100
REQUESTS = ("PUT", "GET", "HEAD", "POST")
PART_NAMES = {
    "metadata_json": "metadata.json",
    "manifest_lists": "manifest list",
    "manifests": "manifest",
}

Run = dict[str, Any]


def key(run: Run) -> str:
    """Return the name of a run in the text."""
    plan = run["plan"]
    kills = "-kills" if plan["kill_every_ms"] else ""
    return f"{plan['mode']}-{plan['writers']}-{plan['committers']}-{plan['lake']}{kills}"


def written(results: Mapping[str, Any], docs: Path) -> None:
    """Write the page and its pictures; fail if rows were lost, as the text says none were."""
    assert all(run["lost"] == run["twice"] == 0 for run in results["runs"])
    runs = {key(run): run for run in results["runs"]}
    for name, picture in pictures(results).items():
        (docs / name).write_text(picture)
    text = HOLE.sub(lambda hole: filled(hole[1], runs, results), TEMPLATE.read_text())
    (docs / "scale.md").write_text(wrapped(text))


def wrapped(text: str) -> str:
    """Wrap paragraphs and lists again, because figures and placeholders differ in length."""
    return "\n\n".join(map(_wrapped, text.strip().split("\n\n"))) + "\n"


def _wrapped(block: str) -> str:
    if block.startswith(("|", "#", "!", "    ", "```")):
        return block
    items = block.removeprefix("- ").split("\n- ") if block.startswith("- ") else [block]
    first, rest = ("- ", "  ") if block.startswith("- ") else ("", "")
    return "\n".join(
        textwrap.fill(" ".join(item.split()), COLUMNS, initial_indent=first,
                      subsequent_indent=rest, break_on_hyphens=False, break_long_words=False)
        for item in items
    )  # fmt: skip


def filled(hole: str, runs: Mapping[str, Run], results: Mapping[str, Any]) -> str:
    """Return the content of a placeholder in the text."""
    kind, _, rest = hole.partition(":")
    if kind == "table":
        return TABLES[rest](results)
    if kind == "machine":
        return str(results["machine"][rest])
    if kind == "growth":
        return f"{bytes_a_commit(results):.0f}"
    run, _, figure = kind.partition(".")
    if figure == "requests_per_file":
        return f"{requests_per_file(runs[run]):{rest}}"
    return f"{runs[run][figure]:{rest}}"


def bytes_a_commit(results: Mapping[str, Any]) -> float:
    """Return the bytes that each commit adds to a manifest list without maintenance."""
    alone = [g for g in results["growth"] if not g["care_every"]]
    sizes = [(g["commits"], g["manifest_lists"]["latest_bytes"]) for g in (alone[1], alone[-1])]
    return float((sizes[1][1] - sizes[0][1]) / (sizes[1][0] - sizes[0][0]))


def requests_per_file(run: Run) -> float:
    """Return the requests of a fleet per file, with those of committers; deletions are free."""
    found = run["calls"].items()
    paid = sum(n for what, n in found if what.split()[0] in REQUESTS and "delete" not in what)
    return float(paid / run["files"])


COLUMNS_OF_RUNS: Mapping[str, Callable[[Run], str]] = {
    "": lambda run: _mode(run["plan"]),
    "writers": lambda run: f"{run['plan']['writers']}",
    "rows": lambda run: f"{run['rows']:,}",
    "lost": lambda run: f"{run['lost']}",
    "twice": lambda run: f"{run['twice']}",
    "commits (1/s)": lambda run: f"{run['commits']} ({run['commits_per_s']:.1f})",
    "refused": lambda run: f"{run['refused']}",
    "visible p50, p99 (s)": lambda run: f"{run['visible_p50_s']:.1f}, {run['visible_p99_s']:.1f}",
    "waiting at the end": lambda run: f"{run['left_in_inbox']} of {run['files']:,}",
    "a commit p50 (ms)": lambda run: f"{run['commit_p50_ms']:,.0f}",
    "CPU a flush (ms)": lambda run: _whole(run["cpu_ms_per_flush"]),
    "requests a file": lambda run: f"{requests_per_file(run):.1f}",
    "killed": lambda run: f"{run['kills'] or ''}",
}


def table_of_runs(results: Mapping[str, Any], lake: str) -> str:
    """Return the table of the runs of one lake; requests are those to real servers."""
    shown = [name for name in COLUMNS_OF_RUNS if lake != "disk" or name != "requests a file"]
    lines = [shown, ["---:" if name else "---" for name in shown]]
    runs = (run for run in results["runs"] if run["plan"]["lake"] == lake)
    lines.extend([COLUMNS_OF_RUNS[name](run) for name in shown] for run in runs)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _mode(plan: Mapping[str, Any]) -> str:
    return str(plan["mode"]) + (f", committers: {plan['committers']}" if plan["committers"] else "")


def _whole(number: float | None) -> str:
    return "" if number is None else f"{number:.0f}"


def table_of_growth(results: Mapping[str, Any]) -> str:
    """Return the table of commit costs as a table ages."""
    head = (
        "| commits | care | CPU of a commit (ms) | the tenth, beside it | ratio | metadata.json | "
        "manifest list | all metadata |"
    )
    lines = [head, "|" + "---:|" * 8]
    for entry in results.get("growth", ()):
        everything = sum(entry[part]["bytes"] for part in PART_NAMES)
        lines.append(
            f"| {entry['commits']:,} | {_care(entry)} | {entry['cpu_ms']:.1f} | "
            f"{entry['tenth_cpu_ms']:.1f} | "
            f"{entry['ratio']:.2f} | {entry['metadata_json']['latest_bytes'] / 1e3:.0f} kB | "
            f"{entry['manifest_lists']['latest_bytes'] / 1e3:.0f} kB | {everything / 1e6:.1f} MB |"
        )
    return "\n".join(lines)


def _care(entry: Mapping[str, Any]) -> str:
    return f"every {entry['care_every']} commits" if entry["care_every"] else "none"


TABLES = {
    "disk": lambda results: table_of_runs(results, "disk"),
    "rest": lambda results: table_of_runs(results, "rest"),
    "growth": table_of_growth,
}


def pictures(results: Mapping[str, Any]) -> dict[str, str]:
    """Return every picture by the name of its file."""
    found = {}
    for lake in ("disk", "rest"):
        found[f"scale-visible-{lake}.svg"] = chart(
            f"From the event to the table ({lake})",
            "writers",
            "seconds",
            _of_modes(results["runs"], lake, {"p50": "visible_p50_s", "p99": "visible_p99_s"}),
        )
        found[f"scale-cpu-{lake}.svg"] = chart(
            f"CPU of a flush, commits included ({lake})",
            "writers",
            "ms",
            _of_modes(results["runs"], lake, {"": "cpu_ms_per_flush"}),
        )
    found["scale-commits.svg"] = chart(
        "Commits of a table, all writers together",
        "writers",
        "commits per second; refused ones per second",
        [
            one
            for lake in ("disk", "rest")
            for one in (
                Series(
                    f"direct, {lake}", _points(results["runs"], "direct", lake, "commits_per_s")
                ),
                Series(f"refused, {lake}", _refused(results["runs"], lake), dashed=True),
            )
        ],
    )
    if results.get("growth"):
        growth = [g for g in results["growth"] if g["commits"] >= FIRST_SHOWN]
        found["scale-growth.svg"] = chart(
            "A table grows",
            "commits",
            "CPU of a commit over that of a young table's; manifest list in units of 10 kB",
            [
                one
                for care, what in ((False, "alone"), (True, "cared for"))
                for one in _growth([g for g in growth if bool(g["care_every"]) is care], what)
            ],
        )
    return found


def _growth(growth: Sequence[Mapping[str, Any]], what: str) -> list[Series]:
    sizes = [(g["commits"], g["manifest_lists"]["latest_bytes"] / 1e4) for g in growth]
    return [
        Series(f"CPU, {what}", [(g["commits"], g["ratio"]) for g in growth]),
        Series(f"list, {what}", sizes, dashed=True),
    ]


def _of_modes(runs: Sequence[Run], lake: str, figures: Mapping[str, str]) -> list[Series]:
    return [
        Series(f"{mode} {name}".strip(), _points(runs, mode, lake, figure), dashed=name == "p99")
        for mode in ("direct", "inbox")
        for name, figure in figures.items()
    ]


def _points(runs: Iterable[Run], mode: str, lake: str, figure: str) -> list[tuple[float, float]]:
    """Return a figure by number of writers, for runs with at most one committer."""
    return [
        (run["plan"]["writers"], run[figure])
        for run in _plain(runs, lake)
        if run["plan"]["mode"] == mode and run["plan"]["committers"] <= 1 and run[figure]
    ]


def _refused(runs: Iterable[Run], lake: str) -> list[tuple[float, float]]:
    return [
        (run["plan"]["writers"], run["refused"] * run["commits_per_s"] / run["commits"])
        for run in _plain(runs, lake)
        if run["plan"]["mode"] == "direct" and run["refused"]
    ]


def _plain(runs: Iterable[Run], lake: str) -> list[Run]:
    """Return the runs of a lake without kills."""
    return [r for r in runs if r["plan"]["lake"] == lake and not r["plan"]["kill_every_ms"]]
