"""Run one trial after the other; an error in one does not stop the others.

    Trial --run--> TrialVerdict: ok | note | failed | skipped

After a service does not respond, all later trials of that service are skipped. So the check of an
unreachable destination takes no longer than one request.
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
"""Time that only a freeze of the environment explains: a failed trial of this length runs again."""


class NotTried(Exception):  # noqa: N818 - nothing is wrong
    """The trial is not possible or not needed; the message has the reason, "" for no verdict."""


class Trial(NamedTuple):
    """One step of the check.

    Attributes:
        step: its name, a word or two.
        run: runs the trial; returns a sentence, or raises the problem.
        service: the service that it calls; after no response, later trials of it are skipped.
        policy: one of `policies.POLICIES`; a refused action that it does not allow is only a note.
        needs: steps that must have succeeded before.
        matters: a failure counts; False makes it a note.
    """

    step: str
    run: Callable[[], str]
    service: str = ""
    policy: str = ""
    needs: tuple[str, ...] = ()
    matters: bool = True


class TrialVerdict(NamedTuple):
    """The result of one trial.

    Attributes:
        step: its name.
        state: `ok`, `note` (the extension works without it), `failed` or `skipped`.
        says: a sentence with the result.
        remedy: the remedy; "" without one.
        statements: IAM statements that allow the refused action.
        destination: name of the destination, if there are several.
    """

    step: str
    state: str
    says: str
    remedy: str = ""
    statements: tuple[Mapping[str, Any], ...] = ()
    destination: str = ""

    @property
    def name(self) -> str:
        """The step, with its destination if there are several."""
        return f"{self.step} of {self.destination}" if self.destination else self.step


def tried(
    trials: Iterable[Trial], values: Mapping[str, str], until_ms: int
) -> Iterator[TrialVerdict]:
    """Yield a verdict for each trial, in order.

    Args:
        trials: the trials; a later one may depend on the results of earlier ones.
        values: values for the placeholders of policies.
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
    except Exception as error:  # noqa: BLE001 - after any error, the other trials still run
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
