"""`Settings`: the parsed values of all variables, and the problems found in them.

This module runs before the first `next`, so it imports nothing, not even `typing` (see decision
0001).
"""

from __future__ import annotations

from otlp2parquet_ext.common.settings.setting import PREFIX, WholeNumber
from otlp2parquet_ext.common.settings.table import SETTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Literal

    from otlp2parquet_ext.common.settings.setting import Setting, Value

    FlushStrategy = Literal["adaptive", "end", "threshold"]
    TelemetryType = Literal["platform", "function", "extension"]
    SignalName = Literal["logs", "traces", "metrics"]

MEMORY_VARIABLE = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"

DEFAULT_NAME = "otlp2parquet"
"""The launcher's file name in the layer."""


class Settings:
    """The parsed values of all variables; one attribute for each entry of `SETTINGS`.

    A switch is a `bool`, a word a `Literal`, and a comma list a `frozenset`, so a type checker
    finds a comparison with a misspelt value. It does not check `in`, so `has_signal` and
    `subscribes_to` search the lists.

    Args:
        values: a value of the right type for each attribute.
    """

    destination: str
    tap_url: str
    tap_token: str
    tap_compression: Literal["none", "gzip"]
    otlp_headers: str
    otlp_compression: Literal["gzip", "none"]
    namespace: str
    table_logs: str
    table_traces: str
    table_metrics_gauge: str
    table_metrics_sum: str
    table_metrics_histogram: str
    table_metrics_exponential_histogram: str
    table_metrics_summary: str
    commit: Literal["direct", "inbox", "relay"]
    inbox: str
    create_table: bool
    column_case: Literal["auto", "pascal", "lower"]
    snapshots_kept: int
    committer_destination: str
    maintain: bool
    sweep: bool
    ingest_destination: str
    ingest_token: str
    rest_token: str
    rest_credential: str
    max_items: int
    max_bytes: int
    timeout_ms: int
    flush: FlushStrategy
    preload: Literal["auto", "init", "lazy"]
    commit_interval_ms: int
    receiver_address: str
    receiver_port: int
    otlp: bool
    otlp_port: int
    otlp_max_bytes: int
    max_payload_bytes: int
    platform_timeout_ms: int
    telemetry_types: frozenset[TelemetryType]
    signals: frozenset[SignalName]
    spool_dir: str
    spool_capacity_bytes: int
    memory_capacity_bytes: int
    spool_full: Literal["newest", "oldest"]
    redact: str
    exclude: str
    record_time_ms: int
    check: bool
    fail: Literal["open", "closed"]
    extension_name: str
    extension_api_version: Literal["2020-01-01"]
    telemetry_api_version: Literal["2022-07-01"]
    telemetry_schema_version: Literal["2022-07-01", "2022-12-13", "2025-01-29"]

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.__dict__.update(values)

    def has_signal(self, signal: SignalName) -> bool:
        """Tell whether rows are made for a signal."""
        return signal in self.signals

    def subscribes_to(self, telemetry_type: TelemetryType) -> bool:
        """Tell whether we subscribe to a type of events."""
        return telemetry_type in self.telemetry_types

    def table_name(self, table: str) -> str:
        """Return the name of a table in a catalog; `table` is a name of `tables.registry`."""
        return str(self.__dict__[f"table_{table}"])


def load(environ: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """Read the settings from `environ`.

    Returns:
        The settings, and one line for each variable that is malformed, unknown, or too large for
        the memory of the function: its name, its value, what is valid, and what is used instead.
    """
    values: dict[str, Value] = {}
    problems: list[str] = []
    memory_mb = environ.get(MEMORY_VARIABLE, "").strip()
    given = {name for name, text in environ.items() if text and not text.isspace()}
    for setting in SETTINGS:
        values[setting.attribute] = setting.value
        if given.isdisjoint(setting.spellings()):
            continue
        name = next(name for name in setting.spellings() if name in given)
        value, problem = _read(setting, name, environ[name], memory_mb)
        values[setting.attribute] = value
        problems += [problem] if problem else []
    unknown = _unknown(environ)
    if unknown or values["tap_url"] or values["tap_token"]:
        # Imported only if one of the other systems' variables is set.
        from otlp2parquet_ext.common.settings.seeds import take_over  # noqa: PLC0415

        problems += take_over(values, environ, unknown)
    return Settings(values), problems


def _read(setting: Setting, name: str, text: str, memory_mb: str) -> tuple[Value, str]:
    """Return the value of a variable that is present, and the problem with its text."""
    kind = setting.kind
    value = kind.parse(text)
    if value is None:
        return setting.value, (
            f"{name}={text!r}: expected {kind.expected()}, "
            f"for example {setting.default}; using {setting.default}"
        )
    if isinstance(kind, WholeNumber) and isinstance(value, int):
        most = kind.most(setting.value, memory_mb)
        if value > most:
            return most, (
                f"{name}={text!r}: a function of {memory_mb} MB has the memory for "
                f"{setting.names[0]} up to {most}; using {most}"
            )
    return value, ""


def _unknown(environ: Mapping[str, str]) -> list[str]:
    known = {name for setting in SETTINGS for name in setting.spellings()}
    return [name for name in sorted(environ) if name.startswith(PREFIX) and name not in known]


SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN")
SECRET_WORDS = ("authorization", "cred", "key", "pass", "pwd", "secret", "signature", "tok")


def names_secret(name: str) -> bool:
    """Tell whether the name of a property or of a URL's option looks like that of a secret."""
    return any(word in name.lower() for word in SECRET_WORDS)


PLACES_OF_SECRETS = (PREFIX, "BD_TAP_", "OTEL_EXPORTER_", "AWS_CONTAINER_")


def secrets_in(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the secrets in `environ`: complete values, and parts of URLs."""
    own: dict[str, bool] = {}
    for setting in SETTINGS:
        own.update(dict.fromkeys(setting.spellings(), setting.secret))
    for name, value in environ.items():
        catalog = name.startswith("PYICEBERG_CATALOG__") and names_secret(name)
        found: list[str] = []
        if catalog or own.get(name) or name in SECRETS:
            found += (value.strip(), value.partition(":")[2].strip())
            found += (pair.partition("=")[2].strip() for pair in value.split(","))
        elif "://" in value:
            from otlp2parquet_ext.common.secrets.url_options import secrets_of  # noqa: PLC0415 - with the first message

            paths = name in own or name.startswith(PLACES_OF_SECRETS)
            found += secrets_of(value, paths=paths)
        yield from filter(None, found)
