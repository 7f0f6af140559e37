"""Every variable once: name, default, unit, range, sentence.

    environment --load()--> Settings + problems (one line each)

    setting.py   what a variable is
    table.py     all of them

A bad value never fails the function: it is reported and the default is used instead.
Runs before the first `next`, so it imports nothing, not even `typing` (see decision 0001).
"""

from __future__ import annotations

from otlp2parquet_ext.settings.setting import PREFIX
from otlp2parquet_ext.settings.table import SETTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_NAME = "otlp2parquet"
"""The launcher's file name in the layer."""


class Settings:
    """What the variables say, checked; one attribute for each entry of `SETTINGS`.

    Args:
        values: a value of the right type for each attribute.
    """

    destination: str
    namespace: str
    table_logs: str
    table_traces: str
    table_metrics_gauge: str
    table_metrics_sum: str
    table_metrics_histogram: str
    table_metrics_exponential_histogram: str
    table_metrics_summary: str
    commit: str
    inbox: str
    create_table: str
    column_case: str
    snapshots_kept: int
    committer_destination: str
    maintain: str
    sweep: str
    rest_token: str
    rest_credential: str
    max_items: int
    max_bytes: int
    timeout_ms: int
    flush: str
    commit_interval_ms: int
    receiver_address: str
    receiver_port: int
    platform_timeout_ms: int
    telemetry_types: str
    spool_dir: str
    spool_capacity_bytes: int
    memory_capacity_bytes: int
    fail: str
    extension_name: str
    extension_api_version: str
    telemetry_api_version: str
    telemetry_schema_version: str

    def __init__(self, values: Mapping[str, int | str]) -> None:
        self.__dict__.update(values)

    def table_name(self, table: str) -> str:
        """Return what a table is called in a catalog; `table` is a name of `tables.registry`."""
        return str(self.__dict__[f"table_{table}"])


def load(environ: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """Read the settings from `environ`.

    Returns:
        The settings, and one line for each variable that is malformed or unknown: its name, its
        value, what is valid, and what is used instead.
    """
    values: dict[str, int | str] = {}
    problems: list[str] = []
    for setting in SETTINGS:
        values[setting.attribute] = setting.default
        name = next((n for n in setting.spellings() if environ.get(n, "").strip()), None)
        if name is None:
            continue
        value = setting.parse(environ[name])
        if value is None:
            problems.append(
                f"{name}={environ[name]!r}: expected {setting.expected()}, "
                f"for example {setting.default}; using {setting.default}"
            )
        else:
            values[setting.attribute] = value
    return Settings(values), problems + _unknown(environ)


def _unknown(environ: Mapping[str, str]) -> list[str]:
    known = {name for setting in SETTINGS for name in setting.spellings()}
    return [
        f"{name}: there is no such setting; it has no effect"
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in known
    ]
