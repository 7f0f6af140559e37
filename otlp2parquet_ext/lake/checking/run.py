"""The whole check: the settings, then each destination, one trial after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.common.hold_limits import steady_ms
from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.lake.checking.plans import trials_of
from otlp2parquet_ext.lake.checking.runner import FAILED, NOTE, TrialVerdict, tried
from otlp2parquet_ext.lake.checking.setting_sources import setting_sources
from otlp2parquet_ext.lake.checking.target import Subject
from otlp2parquet_ext.lake.destinations.address import AddressError
from otlp2parquet_ext.lake.destinations.choose import all_checked, names
from otlp2parquet_ext.lake.destinations.commit_strategy import (
    check_files_have_a_place,
    environment_settings,
    strategy_problem,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from otlp2parquet_ext.lake.checking.setting_sources import SettingSource


class Wish(NamedTuple):
    """The options of a check; see `Subject`."""

    wanted: Collection[str] = ("logs",)
    others: bool = False
    create: bool = False
    add_columns: bool = False
    send: bool = False
    limit_ms: int = 10_000
    total_ms: int = 120_000
    in_environment: bool = False


def settings_of(
    environ: Mapping[str, str], given: Collection[str] = ()
) -> tuple[list[SettingSource], list[TrialVerdict]]:
    """Return each setting with its source, and a verdict for each wrong variable.

    Args:
        environ: environment variables of the process.
        given: those of them that come from the command line.
    """
    found, unknown = setting_sources(environ, given)
    problems = [one.problem for one in found if one.problem] + unknown
    return found, [TrialVerdict("settings", FAILED, problem) for problem in problems]


def verdicts(environ: Mapping[str, str], wish: Wish = Wish()) -> Iterator[TrialVerdict]:  # noqa: B008 - frozen
    """Try the destinations of the setting, in its order, each step by step.

    Args:
        environ: settings and credentials.
        wish: options of the check.
    """
    settings, _ = load(environ)
    if not settings.destination:
        yield TrialVerdict(
            "destination",
            FAILED,
            "OTLP2PARQUET_DESTINATION is not set: no telemetry is collected",
            "set it to a URL, for example s3://bucket/prefix",
        )
        return
    try:
        until_ms = steady_ms() + wish.total_ms
        addresses = all_checked(settings)
        labels = names(addresses) if len(addresses) > 1 else [""]
        used = environment_settings(addresses, settings)
        for address, label in zip(addresses, labels, strict=True):
            check_files_have_a_place(address, used, environ)
            subject = Subject(
                address,
                used,
                environ,
                wish.wanted,
                wish.others,
                wish.create,
                wish.add_columns,
                wish.send,
                wish.limit_ms,
                wish.in_environment,
            )
            if problem := strategy_problem((address,), settings):
                yield TrialVerdict("strategy", NOTE, problem, destination=label)
            for verdict in tried(trials_of(subject), subject.values, until_ms):
                yield verdict._replace(destination=label)
    except AddressError as error:
        yield TrialVerdict("destination", FAILED, str(error))


def wanted_tables(text: str) -> frozenset[str]:
    """Parse a list of tables.

    Raises:
        AddressError: a name is unknown.
    """
    from otlp2parquet_ext.records.tables.registry import TABLES  # noqa: PLC0415 - it imports pyarrow

    wanted = frozenset(TABLES if text == "all" else (name.strip() for name in text.split(",")))
    if unknown := wanted - TABLES.keys():
        raise AddressError(
            f"--tables {text}: there is no table {min(unknown)!r}; expected a comma list of "
            f"{', '.join(TABLES)}, or all"
        )
    return wanted
