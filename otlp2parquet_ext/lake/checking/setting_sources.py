"""Each setting's value, and its source: a variable, the command line, or the default. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.common.settings.table import SETTINGS
from otlp2parquet_ext.lake.destinations.destination_list import shown_list

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from otlp2parquet_ext.common.settings.setting import Setting

DEFAULT = "default"
COMMAND_LINE = "the command line"
HIDDEN = "***"


class SettingSource(NamedTuple):
    """One setting.

    Attributes:
        name: the variable in the documentation.
        value: the effective value; secrets are masked.
        source: the variable that the value comes from, or `default`.
        problem: the reason why the variable's value is not used; "" if it is used.
        ignored: other variables for this setting that have no effect.
    """

    name: str
    value: str
    source: str
    problem: str = ""
    ignored: tuple[str, ...] = ()


def setting_sources(
    environ: Mapping[str, str], on_command_line: Collection[str] = ()
) -> tuple[list[SettingSource], list[str]]:
    """Return all settings, and the problems of unknown variables.

    Args:
        environ: environment variables of the process.
        on_command_line: those of them that come from the command line.
    """
    settings, problems = load(environ)
    found = []
    for setting in SETTINGS:
        given = [name for name in setting.spellings() if environ.get(name, "").strip()]
        source = given[0] if given else DEFAULT
        value = _shown(setting, setting.text_of(getattr(settings, setting.attribute)))
        problem = next((p for p in problems if given and p.startswith(f"{source}=")), "")
        source = COMMAND_LINE if source in on_command_line else source
        found.append(SettingSource(setting.names[0], value, source, problem, tuple(given[1:])))
    return found, [p for p in problems if p not in {one.problem for one in found}]


def _shown(setting: Setting, value: str) -> str:
    if setting.secret and value:
        return HIDDEN
    return shown_list(value) if "://" in value else value
