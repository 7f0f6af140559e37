"""Every variable once: name, default, unit, range, sentence.

    environment --load()--> Settings + problems (one line each)

A bad value never fails the function: it is reported and the default is used instead.
Runs before the first `next`, so it imports nothing, not even `typing` (see decision 0001).
`docs/configuration.md` and `otlp2parquet-ext settings` are made from `SETTINGS`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "OTLP2PARQUET_"
SCHEMA_VERSIONS = ("2022-07-01", "2022-12-13", "2025-01-29")


class Setting:
    """One variable: how it is spelled, what it may hold, what it means.

    Args:
        attribute: its name in `Settings`.
        names: variables that set it, the first present wins; a name without the prefix is also
            read with it, and the prefixed one wins.
        default: used when no variable is present or the value is bad.
        says: one sentence for the docs.
        unit: of a whole number, "" for text.
        low, high: inclusive range of a whole number.
        choices: legal words, () for free text.
        many: the value is a comma list of `choices`.
    """

    __slots__ = ("attribute", "choices", "default", "high", "low", "many", "names", "says", "unit")

    def __init__(
        self,
        attribute: str,
        names: tuple[str, ...],
        default: int | str,
        says: str,
        *,
        unit: str = "",
        low: int = 0,
        high: int = 0,
        choices: tuple[str, ...] = (),
        many: bool = False,
    ) -> None:
        self.attribute, self.names, self.default, self.says = attribute, names, default, says
        self.unit, self.low, self.high, self.choices, self.many = unit, low, high, choices, many

    def spellings(self) -> tuple[str, ...]:
        """Return every variable that sets this, in the order in which they are looked at."""
        prefixed = tuple(n if n.startswith(PREFIX) else PREFIX + n for n in self.names)
        return prefixed + tuple(n for n in self.names if not n.startswith(PREFIX))

    @property
    def valid_is_limited(self) -> bool:
        """False for free text."""
        return isinstance(self.default, int) or bool(self.choices)

    def expected(self) -> str:
        """Say in words what is valid."""
        if isinstance(self.default, int):
            return f"a whole number of {self.unit} from {self.low} to {self.high}"
        words = ", ".join(self.choices)
        return f"a comma list of {words}" if self.many else f"one of {words}"

    def parse(self, text: str) -> int | str | None:
        """Return the value `text` stands for, None when it is not valid."""
        text = text.strip()
        if isinstance(self.default, int):
            if not (text.isascii() and text.isdigit() and len(text) <= 15):
                return None
            return int(text) if self.low <= int(text) <= self.high else None
        if not self.choices:
            return text
        words = [w.strip().lower() for w in text.split(",")] if self.many else [text.lower()]
        return ",".join(words) if all(w in self.choices for w in words) else None


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "destination",
        (PREFIX + "DESTINATION",),
        "",
        "Where batches go, as a URL: `sqlite:///path/catalog.db?warehouse=/path` (Iceberg, local) "
        "or `file:///path` (plain Parquet). Empty: nothing is collected.",
    ),
    Setting(
        "namespace",
        (PREFIX + "NAMESPACE", PREFIX + "ICEBERG_NAMESPACE"),
        "otel",
        "Iceberg namespace of the tables.",
    ),
    Setting(
        "table_logs",
        (PREFIX + "TABLE_LOGS", PREFIX + "ICEBERG_TABLE_LOGS"),
        "logs",
        "Name of the logs table.",
    ),
    Setting(
        "max_items",
        ("MAX_ITEMS",),
        10_000,
        "Buffered events at which a batch is sealed and flushed.",
        unit="events",
        low=1,
        high=1_000_000,
    ),
    Setting(
        "max_bytes",
        ("MAX_BYTES",),
        262_144,
        "Buffered bytes at which a batch is sealed and flushed.",
        unit="bytes",
        low=65_536,
        high=104_857_600,
    ),
    Setting(
        "timeout_ms",
        ("TIMEOUT_MS",),
        1_000,
        "Age of the oldest buffered event at which a batch is sealed and flushed.",
        unit="milliseconds",
        low=25,
        high=900_000,
    ),
    Setting(
        "flush",
        (PREFIX + "FLUSH",),
        "adaptive",
        "When to flush: `end` holds every invocation until its telemetry is flushed, `threshold` "
        "never holds one, `adaptive` holds rare invocations and never frequent ones.",
        choices=("adaptive", "end", "threshold"),
    ),
    Setting(
        "commit_interval_ms",
        (PREFIX + "COMMIT_INTERVAL_MS",),
        5_000,
        "Least time between two Iceberg commits of one environment; files written in between are "
        "safe and become visible with the next commit. 0 commits with every flush.",
        unit="milliseconds",
        low=0,
        high=3_600_000,
    ),
    Setting(
        "receiver_address",
        ("RECEIVER_ADDRESS",),
        "sandbox",
        "Address the receiver listens on. `sandbox` listens on every interface of the sandbox: "
        "Lambda and emulators reach it by different ones, and nothing outside reaches any.",
    ),
    Setting(
        "receiver_port",
        ("RECEIVER_PORT",),
        4_243,
        "TCP port of the receiver; if it is taken, a free one is used.",
        unit="port",
        low=1,
        high=65_535,
    ),
    Setting(
        "platform_timeout_ms",
        (PREFIX + "PLATFORM_TIMEOUT_MS",),
        100,
        "How long Lambda itself may buffer events before it delivers them to us.",
        unit="milliseconds",
        low=25,
        high=30_000,
    ),
    Setting(
        "telemetry_types",
        (PREFIX + "TELEMETRY_TYPES",),
        "platform,function",
        "Telemetry streams to subscribe to; `extension` adds the output of all extensions.",
        choices=("platform", "function", "extension"),
        many=True,
    ),
    Setting(
        "spool_dir",
        (PREFIX + "SPOOL_DIR",),
        "/tmp",  # noqa: S108 - Lambda's only writable folder, and the one that survives a reset
        "Folder in which undelivered telemetry is kept.",
    ),
    Setting(
        "spool_capacity_bytes",
        (PREFIX + "SPOOL_CAPACITY_BYTES",),
        134_217_728,
        "Bytes of undelivered telemetry held on disk; what comes beyond is dropped and counted.",
        unit="bytes",
        low=1_048_576,
        high=10_737_418_240,
    ),
    Setting(
        "memory_capacity_bytes",
        (PREFIX + "MEMORY_CAPACITY_BYTES",),
        4_194_304,
        "Bytes of undelivered telemetry held in memory when the spool folder is full or not "
        "writable; what comes beyond is dropped and counted.",
        unit="bytes",
        low=0,
        high=1_073_741_824,
    ),
    Setting(
        "fail",
        ("EXTENSION_FAIL",),
        "open",
        "`open`: the function runs even when telemetry cannot be collected; `closed`: a refused "
        "subscription or a missing destination fails the function's init.",
        choices=("open", "closed"),
    ),
    Setting(
        "extension_name",
        ("EXTENSION_NAME",),
        "otlp2parquet",
        "Name to register under when the launcher does not say it; must be the file's name.",
    ),
    Setting(
        "extension_api_version",
        ("AWS_LAMBDA_RUNTIME_EXTENSION_API_VERSION",),
        "2020-01-01",
        "Path segment of the Extensions API.",
    ),
    Setting(
        "telemetry_api_version",
        ("AWS_LAMBDA_RUNTIME_TELEMETRY_API_VERSION",),
        "2022-07-01",
        "Path segment of the Telemetry API.",
    ),
    Setting(
        "telemetry_schema_version",
        ("AWS_LAMBDA_RUNTIME_TELEMETRY_SCHEMA_VERSION",),
        SCHEMA_VERSIONS[-1],
        "Schema of the delivered events; Managed Instances accept the latest only.",
        choices=SCHEMA_VERSIONS,
    ),
)

SETTINGS_BY_ATTRIBUTE = {setting.attribute: setting for setting in SETTINGS}


class Settings:
    """What the variables say, checked; one attribute for each entry of `SETTINGS`.

    Args:
        values: a value of the right type for each attribute.
    """

    destination: str
    namespace: str
    table_logs: str
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
