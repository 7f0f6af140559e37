"""One trial after the other, each with a verdict; none can break the others.

    Trial --run--> Verdict: ok | note | failed | skipped

What a service that does not answer would be asked next is skipped: a check of a destination that
is not there takes as long as one request of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from otlp2parquet_ext.common.hold_limits import steady_ms
from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.checking.policies import actions_of, statements_for
from otlp2parquet_ext.lake.checking.remedies import Cause, cause_of, lacking, remedy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

OK, NOTE, FAILED, SKIPPED = "ok", "note", "failed", "skipped"

ERROR_CHARACTERS = 1_000

FROZEN_MS = 25_000
"""Longer than any trial takes: an environment that was frozen meanwhile tries once more."""


class NotTried(Exception):  # noqa: N818 - nothing is wrong
    """There is nothing to try, or no way to; says why, or nothing where nobody wants to know."""


class Trial(NamedTuple):
    """One thing to find out.

    Attributes:
        step: its name, a word or two.
        run: finds out, and says what; raises what is wrong.
        service: what is asked; once that does not answer, it is not asked again.
        policy: one of `policies.POLICIES`; what that does not allow may fail.
        needs: steps without which it makes no sense.
        matters: False where failing is no failure.
    """

    step: str
    run: Callable[[], str]
    service: str = ""
    policy: str = ""
    needs: tuple[str, ...] = ()
    matters: bool = True


class TrialVerdict(NamedTuple):
    """What came of one trial.

    Attributes:
        step: its name.
        state: `ok`, `note` (works without), `failed` or `skipped`.
        says: what was found out.
        remedy: what to do; "" when there is nothing.
        statements: of IAM, that allow what was refused.
        destination: whose step it is, where there are several.
    """

    step: str
    state: str
    says: str
    remedy: str = ""
    statements: tuple[Mapping[str, Any], ...] = ()
    destination: str = ""

    @property
    def name(self) -> str:
        """The step and whose it is."""
        return f"{self.step} of {self.destination}" if self.destination else self.step


def tried(
    trials: Iterable[Trial], values: Mapping[str, str], until_ms: int
) -> Iterator[TrialVerdict]:
    """Yield a verdict for each trial, in order.

    Args:
        trials: may depend on what earlier ones found.
        values: stand for the placeholders of policies.
        until_ms: ms of `steady_ms` after which no trial begins: the wall clock may be set.
    """
    failed: set[str] = set()
    silent: set[str] = set()
    for trial in trials:
        if why := _why_not(trial, failed, silent, until_ms):
            failed.add(trial.step)
            yield TrialVerdict(trial.step, SKIPPED, why)
            continue
        verdict, cause = _tried(trial, values)
        if verdict.state in (FAILED, NOTE) and cause is not None:
            failed.add(trial.step)
        if cause is Cause.SILENT:
            silent.add(trial.service)
        if verdict.says:
            yield verdict


def _why_not(trial: Trial, failed: set[str], silent: set[str], until_ms: int) -> str:
    if trial.service and trial.service in silent:
        return f"{trial.service} did not answer before"
    if missing := [step for step in trial.needs if step in failed]:
        return f"makes no sense without {missing[0]!r}"
    return "the time for the check is over" if steady_ms() >= until_ms else ""


def _tried(trial: Trial, values: Mapping[str, str]) -> tuple[TrialVerdict, Cause | None]:
    began_ms = steady_ms()
    try:
        try:
            return TrialVerdict(trial.step, OK, trial.run()), None
        except NotTried:
            raise
        except Exception:
            if steady_ms() - began_ms < FROZEN_MS:
                raise
            return TrialVerdict(trial.step, OK, trial.run()), None
    except NotTried as error:
        return TrialVerdict(trial.step, NOTE, quote(error, ERROR_CHARACTERS)), None
    except Exception as error:  # noqa: BLE001 - whatever it is, the other trials say more
        return _failure(trial, error, values)


def _failure(
    trial: Trial, error: Exception, values: Mapping[str, str]
) -> tuple[TrialVerdict, Cause | None]:
    cause, lacks = cause_of(error), lacking(error)
    needed = actions_of(trial.policy)
    if not trial.matters or (lacks and needed and not needed & set(lacks)):
        return TrialVerdict(
            trial.step, NOTE, f"{quote(error, ERROR_CHARACTERS)}; the extension works without"
        ), cause
    statements = statements_for(trial.policy, lacks, values)
    said = quote(error, ERROR_CHARACTERS) or type(error).__name__
    advice = remedy(error, cause, lacks)
    return TrialVerdict(trial.step, FAILED, said, advice, statements), cause
