"""Render verdicts and settings: for a terminal, for a program, for the log of a function."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.common.log import without_secrets
from otlp2parquet_ext.lake.checking.runner import FAILED
from otlp2parquet_ext.lake.checking.setting_sources import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otlp2parquet_ext.lake.checking.runner import TrialVerdict
    from otlp2parquet_ext.lake.checking.setting_sources import SettingSource

STEP_WIDTH = 20


def lines(verdict: TrialVerdict) -> Iterator[str]:
    """Yield the lines for a terminal: the verdict, and the remedy below it."""
    yield f"{verdict.state:<8}{verdict.step:<{STEP_WIDTH}} {without_secrets(verdict.says)}"
    indent = " " * 8
    if verdict.remedy:
        yield f"{indent}{without_secrets(verdict.remedy)}"
    for statement in verdict.statements:
        yield "\n".join(indent + line for line in json.dumps(statement, indent=2).splitlines())


def setting_lines(found: Sequence[SettingSource], *, everything: bool) -> Iterator[str]:
    """Yield a line for each setting with a value of the user, or for all settings."""
    set_ = [one for one in found if one.source != DEFAULT or everything]
    for one in set_:
        ignored = f", not from {', '.join(one.ignored)}" if one.ignored else ""
        bad = ", which is not valid" if one.problem else ""
        value = without_secrets(one.value)
        yield f"setting {one.name:<{STEP_WIDTH}} {value!r} from {one.source}{bad}{ignored}"
    if len(set_) < len(found):
        yield f"        and {len(found) - len(set_)} more by default (--all shows them)"


def as_json(verdict: TrialVerdict) -> dict[str, Any]:
    """Return a verdict as a JSON object."""
    return {
        "destination": without_secrets(verdict.destination),
        "step": verdict.step,
        "state": verdict.state,
        "says": without_secrets(verdict.says),
        "remedy": without_secrets(verdict.remedy),
        "statements": list(verdict.statements),
    }


def setting_json(one: SettingSource) -> dict[str, Any]:
    """Return a setting as a JSON object."""
    return {**one._asdict(), "value": without_secrets(one.value), "ignored": list(one.ignored)}


def sentence(verdict: TrialVerdict) -> str:
    """Return a verdict in one line, with its IAM statements."""
    parts = (f"check: {verdict.name}: {verdict.state}: {verdict.says}", verdict.remedy)
    text = "; ".join(part for part in parts if part)
    return " ".join((text, *(json.dumps(statement) for statement in verdict.statements)))


def summary(found: Sequence[TrialVerdict], took_ms: int) -> str:
    """Return the result of the whole check in one line."""
    failed = [verdict.name for verdict in found if verdict.state == FAILED]
    if not failed:
        return f"check: all {len(found)} steps are fine, in {took_ms} ms"
    return f"check: {len(failed)} of {len(found)} steps failed: {', '.join(dict.fromkeys(failed))}"
