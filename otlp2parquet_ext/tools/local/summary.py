"""Writes the outcome of a run as a dozen lines of text: pure.

Successes take one line each. Failures are shown completely: the runtime's own error, an extension's
end, lost events.
"""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.terminal import clean_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otlp2parquet_ext.tools.local.outcome import ExtensionRun, Invocation, Outcome
    from otlp2parquet_ext.tools.local.plan import Plan

_MIB = 1 << 20
_MOST_FAILURES = 5
_SHOWN_CHARACTERS = 2_000


def summary(plan: Plan, outcome: Outcome) -> str:
    """Return the summary as lines, without a newline at the end."""
    lines = [
        _row("function", _function(plan)),
        _row("INIT", _init(outcome)),
        *_invocations(plan, outcome.invocations),
        *_extensions(outcome.extensions),
        _row("telemetry", _telemetry(outcome)),
        *_shutdown(outcome),
        _row("memory", _memory(plan, outcome)),
        _row("isolation", _isolation(outcome)),
        *(_row("", note) for note in outcome.isolation.notes),
    ]
    return "\n".join(lines)


def error_text(payload: bytes) -> str:
    """Return a runtime's error document in one line: `Type: message`."""
    try:
        document = json.loads(payload)
        return f"{document['errorType']}: {document['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        return payload.decode(errors="replace").strip()


def _row(name: str, text: str) -> str:
    """Return one line, without the line ends of an error's text, which could fake other rows."""
    line = clean_line(text[:_SHOWN_CHARACTERS])
    if (more := len(text) - _SHOWN_CHARACTERS) > 0:
        line += f" … and {more:,} characters more"
    return f"{name:<12}{line}"


def _function(plan: Plan) -> str:
    what = plan.handler or " ".join(plan.command)
    kind = ", managed instances" if plan.managed else ""
    return (
        f"{what}, {plan.memory_mb} MB ({plan.vcpus:.2f} vCPU), timeout {plan.timeout_s:g} s, "
        f"{'JSON' if plan.logs_objects else 'text'} logs{kind}"
    )


def _init(outcome: Outcome) -> str:
    if not outcome.init_error:
        return f"{outcome.init_ms:.0f} ms"
    return f"failed after {outcome.init_ms:.0f} ms: {error_text(outcome.init_error_payload)}"


def _invocations(plan: Plan, invocations: Sequence[Invocation]) -> Iterable[str]:
    counts = Counter(invocation.status for invocation in invocations)
    yield _row("invocations", ", ".join(f"{count} {name}" for name, count in counts.items()))
    if invocations:
        yield _row("", f"runtime {_spread([it.runtime_ms for it in invocations])}")
        after = [it.post_runtime_extension_ms for it in invocations]
        yield _row("", f"extensions after the runtime {_spread(after)}")
    if invocations and not plan.managed:
        yield _row("", f"billed {sum(it.billed_ms for it in invocations)} ms in total")
    failures = [it for it in invocations if it.status != "success"]
    for failure in failures[:_MOST_FAILURES]:
        yield _row("", f"{failure.request_id} {failure.status}: {error_text(failure.response)}")
    if len(failures) > _MOST_FAILURES:
        yield _row("", f"… and {len(failures) - _MOST_FAILURES} more")


def _extensions(runs: Sequence[ExtensionRun]) -> Iterable[str]:
    for run in runs[:_MOST_FAILURES]:
        yield _row("extension", _extension(run))
    if len(runs) > _MOST_FAILURES:
        yield _row("", f"… and {len(runs) - _MOST_FAILURES} more processes, after resets")


def _extension(run: ExtensionRun) -> str:
    if run.exit_code is None:
        return f"{run.name}: did not start"
    ready = "never ready"
    if run.ready_ms is not None:
        ready = f"ready after {run.ready_ms:.0f} ms"
        if run.ready_cpu_ms is not None:
            ready += f" ({run.ready_cpu_ms:.0f} ms CPU)"
    memory = ""
    if run.peak_rss_bytes is not None:
        memory = f", at most {run.peak_rss_bytes / _MIB:.0f} MB"
    end = "killed" if run.killed else f"exit {run.exit_code}"
    return f"{run.name}: {ready}{memory}, {end}"


def _shutdown(outcome: Outcome) -> Iterable[str]:
    if outcome.shutdown_ms is not None:
        yield _row("SHUTDOWN", f"took {outcome.shutdown_ms:.0f} ms of 2000 ms")


def _telemetry(outcome: Outcome) -> str:
    delivered = [it for it in outcome.deliveries if it.acknowledged and not it.redelivery]
    refused = sum(not it.acknowledged for it in outcome.deliveries)
    text = (
        f"{len(outcome.events)} events; {sum(it.records for it in delivered)} delivered "
        f"in {len(delivered)} deliveries"
    )
    if refused:
        text += f", {refused} attempts failed"
    if outcome.undelivered:
        text += f", {len(outcome.undelivered)} never delivered"
    if outcome.dropped_records:
        text += f", {outcome.dropped_records} dropped ({outcome.dropped_bytes} bytes)"
    return text


def _memory(plan: Plan, outcome: Outcome) -> str:
    if outcome.peak_memory_bytes is None:
        return "not measured: no memory cgroup"
    return f"at most {math.ceil(outcome.peak_memory_bytes / _MIB)} MB of {plan.memory_mb} MB"


def _isolation(outcome: Outcome) -> str:
    facts = outcome.isolation
    text = f"freezer {facts.freezer}, CPU limit {facts.cpu}, memory limit {facts.memory}"
    return text + (f"; {outcome.resets} resets" if outcome.resets else "")


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f} ms (median), {max(values):.1f} ms (slowest)"
