"""Writes docs/performance.md and its pictures from results; pure except `write`.

`page.md` has the text, `notes.toml` the reasons of missed budgets.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from performance_parts import budgets, tables
from performance_parts.pictures import pictures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from performance_parts.budgets import Row

    Results = Mapping[str, Any]

TEMPLATE = Path(__file__).with_name("page.md")
NOTES = Path(__file__).with_name("notes.toml")
HOLE = re.compile(r"\{\{([a-z_:]+)\}\}")
PICTURE = re.compile(r"!\[[^\]]*\]\((performance-[a-z]+\.svg)\)\n*")
VERDICTS = {True: "yes", False: "**no**", None: "not measured"}


def write(results: Results, docs: Path) -> None:
    """Write the page and its pictures."""
    drawn = pictures(results)
    for name, picture in drawn.items():
        (docs / name).write_text(picture)
    notes = tomllib.loads(NOTES.read_text())["notes"]
    (docs / "performance.md").write_text(page(results, notes, drawn))


def page(results: Results, notes: Mapping[str, str], drawn: Mapping[str, str]) -> str:
    """Return the page.

    Args:
        results: results of the parts; a missing part leaves its table out.
        notes: reasons of missed budgets, by their rows' keys.
        drawn: the existing pictures.
    """
    text = HOLE.sub(lambda hole: filled(hole[1], results, notes), TEMPLATE.read_text())
    text = PICTURE.sub(lambda found: found[0] if found[1] in drawn else "", text)
    return re.sub(r"\n{3,}", "\n\n", text)


def filled(hole: str, results: Results, notes: Mapping[str, str]) -> str:
    """Return the content of a placeholder in the text."""
    if hole == "table:budgets":
        return budget_table(budgets.rows(results))
    if hole == "misses":
        return misses(budgets.rows(results), notes)
    if hole == "machine":
        return machine(results)
    if hole == "requests":
        counts = results.get("flushes", {}).get("requests", {})
        return ", ".join(f"{kind} {count}" for kind, count in counts.items()) or "not measured"
    return tables.TABLES[hole.removeprefix("table:")](results) or "Not measured."


def budget_table(rows: Sequence[Row]) -> str:
    """Return the table of all budgets."""
    head = ["what", "budget", "measured", "reference", "ratio", "met"]
    lines = [[r.what, r.budget, r.measured, r.reference, r.ratio, VERDICTS[r.met]] for r in rows]
    return tables.table(head, lines)


def misses(rows: Sequence[Row], notes: Mapping[str, str]) -> str:
    """Return a line for each missed budget: the reason, and the next step."""
    missed = [row for row in rows if row.met is False]
    if not missed:
        return "Every budget that was measured is met."
    unknown = "not explained yet."
    lines = [f"- **{row.what}**: {notes.get(row.key, unknown)}" for row in missed]
    return "Missed, and why:\n\n" + "\n".join(lines)


def machine(results: Results) -> str:
    """Describe the machine of the measurement; warn if it was loaded or had no limits."""
    abouts = [part["about"] for part in results.values() if "about" in part]
    if not abouts:
        return ""
    it = abouts[0]["machine"]
    loads = [about["machine"]["load"] for about in abouts]
    limits = it["limits"]
    said = (
        f"Measured on {it['date']} at commit {it['commit']}: {it['cpus']} cores of "
        f"{it['processor']}, {it['memory_mb'] / 1_024:.0f} GB, Linux {it['kernel']}, "
        f"{it['architecture']}, layer with Python {it['python']}, Node {it['node']}; limits by "
        f"{limits['cpu']} (CPU) and {limits['memory']} (memory); load {min(loads):.1f} to "
        f"{max(loads):.1f}."
    )
    later: dict[str, list[str]] = {}
    for name, part in results.items():
        commit = part["about"]["machine"]["commit"] if "about" in part else it["commit"]
        if commit != it["commit"]:
            later.setdefault(commit, []).append(name)
    for commit, names in later.items():
        said += f" Measured again at {commit}: {', '.join(names)}."
    if any("none" in one for one in limits.values()):
        said += " **Without groups everything ran unlimited: envelopes do not differ.**"
    if any(about["quick"] for about in abouts):
        said += " **Some parts are from a quick run: few rounds.**"
    failed = [name for name, part in results.items() if "failed" in part]
    if failed:
        said += f" **Failed: {', '.join(failed)}.**"
    incomplete = [name for name, part in results.items() if part.get("problems")]
    if incomplete:
        said += f" **Incomplete: {', '.join(incomplete)}; `performance.json` says why.**"
    return said
