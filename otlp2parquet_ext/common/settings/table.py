"""The table of all variables; the docs, `otlp2parquet-ext settings` and `load` use it.

This module is loaded before the first `next`, so it imports only its neighbours.
"""

from __future__ import annotations

from otlp2parquet_ext.common.settings.lake import LAKE
from otlp2parquet_ext.common.settings.setting import (
    PREFIX,
    OneOf,
    Setting,
    SomeOf,
    Switch,
    WholeNumber,
)

OFF_ON = Switch(("off", "on"), "on")
ZERO_ONE = Switch(("0", "1"), "1")
TELEMETRY_TYPES = ("platform", "function", "extension")
SCHEMA_VERSIONS = ("2022-07-01", "2022-12-13", "2025-01-29")

SETTINGS: tuple[Setting, ...] = (
    *LAKE,
    Setting(
        "max_items",
        ("MAX_ITEMS",),
        10_000,
        "Buffered events at which a batch is sealed and flushed.",
        WholeNumber(1, 1_000_000, unit="events"),
    ),
    Setting(
        "max_bytes",
        ("MAX_BYTES",),
        262_144,
        "Buffered bytes at which a batch is sealed and flushed; a 32nd of the function's memory "
        "at most.",
        WholeNumber(65_536, 104_857_600, unit="bytes", memory_mb=8),
    ),
    Setting(
        "timeout_ms",
        ("TIMEOUT_MS",),
        1_000,
        "Age of the oldest buffered event at which a batch is sealed and flushed.",
        WholeNumber(25, 900_000, unit="milliseconds"),
    ),
    Setting(
        "flush",
        (PREFIX + "FLUSH",),
        "adaptive",
        "When to flush: `end` holds every invocation until its telemetry is flushed, `threshold` "
        "never holds one, `adaptive` holds rare invocations and never frequent ones.",
        OneOf(("adaptive", "end", "threshold")),
    ),
    Setting(
        "preload",
        (PREFIX + "PRELOAD",),
        "auto",
        "When the libraries that make batches are imported (pyarrow and others): `init`, during "
        "the function's own start; `lazy`, with the first batch; `auto`, as `init`, because "
        "SHUTDOWN leaves no time for it.",
        OneOf(("auto", "init", "lazy")),
    ),
    Setting(
        "commit_interval_ms",
        (PREFIX + "COMMIT_INTERVAL_MS",),
        5_000,
        "Least time between two Iceberg commits of one environment; files written in between are "
        "safe and become visible with the next commit. 0 commits with every flush.",
        WholeNumber(0, 3_600_000, unit="milliseconds"),
    ),
    Setting(
        "receiver_address",
        ("RECEIVER_ADDRESS",),
        "sandbox",
        "Address the receiver listens on. `sandbox` is every interface of the sandbox, because "
        "Lambda and emulators use different ones. No interface is reachable from outside.",
    ),
    Setting(
        "receiver_port",
        ("RECEIVER_PORT",),
        4_243,
        "TCP port of the receiver; if it is taken, a free one is used.",
        WholeNumber(1, 65_535),
    ),
    Setting(
        "otlp",
        (PREFIX + "OTLP",),
        "off",
        "`on`: the function's own OpenTelemetry SDK can export to `http://127.0.0.1:4318`; see "
        "otlp.md. Off by default, because another collector may use the port.",
        OFF_ON,
    ),
    Setting(
        "otlp_port",
        (PREFIX + "OTLP_PORT",),
        4_318,
        "TCP port of the OTLP endpoint, on the loopback address; if it is taken, OTLP stays off.",
        WholeNumber(1, 65_535),
    ),
    Setting(
        "otlp_max_bytes",
        (PREFIX + "OTLP_MAX_BYTES", PREFIX + "MAX_PAYLOAD_BYTES"),
        4_194_304,
        "Longest OTLP request that is read, as it arrives and uncompressed; a 32nd of the "
        "function's memory at most.",
        WholeNumber(65_536, 67_108_864, unit="bytes", memory_mb=128),
    ),
    Setting(
        "max_payload_bytes",
        (PREFIX + "MAX_PAYLOAD_BYTES",),
        6_291_456,
        "Longest request that an ingest function reads, as it arrives and uncompressed; a 32nd of "
        "its memory at most.",
        WholeNumber(65_536, 67_108_864, unit="bytes", memory_mb=192),
    ),
    Setting(
        "platform_timeout_ms",
        (PREFIX + "PLATFORM_TIMEOUT_MS",),
        100,
        "Longest time that Lambda itself buffers events before it delivers them.",
        WholeNumber(25, 30_000, unit="milliseconds"),
    ),
    Setting(
        "telemetry_types",
        (PREFIX + "TELEMETRY_TYPES",),
        "platform,function",
        "Telemetry streams to subscribe to; `extension` adds the output of all extensions.",
        SomeOf(TELEMETRY_TYPES),
    ),
    Setting(
        "signals",
        (PREFIX + "SIGNALS",),
        "logs",
        "Signals to derive from Lambda's telemetry: `logs`, a row for every event; `traces` and "
        "`metrics`, spans and FaaS metrics of platform events; see signals.md.",
        SomeOf(("logs", "traces", "metrics")),
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
        "Most bytes of undelivered telemetry on disk; beyond them records are dropped and counted.",
        WholeNumber(1_048_576, 10_737_418_240, unit="bytes"),
    ),
    Setting(
        "memory_capacity_bytes",
        (PREFIX + "MEMORY_CAPACITY_BYTES",),
        4_194_304,
        "Most bytes of undelivered telemetry in memory, if the spool folder is full or not "
        "writable; beyond them records are dropped and counted.",
        WholeNumber(0, 1_073_741_824, unit="bytes"),
    ),
    Setting(
        "spool_full",
        (PREFIX + "SPOOL_FULL",),
        "newest",
        "Telemetry that is dropped and counted when disk and memory are full: the `newest`, or "
        "the `oldest`, one segment at a time.",
        OneOf(("newest", "oldest")),
    ),
    Setting(
        "redact",
        (PREFIX + "REDACT",),
        "",
        "Regular expression of text that is masked before telemetry leaves memory, for example "
        "`password=(\\S+)`. If it has groups, only their text is masked; see security.md.",
    ),
    Setting(
        "exclude",
        (PREFIX + "EXCLUDE",),
        "",
        "Comma list of events that get no row: types (`platform.extension`, `platform.*`), and "
        "`<WARN` for records of a lower severity.",
    ),
    Setting(
        "record_time_ms",
        (PREFIX + "RECORD_TIME_MS",),
        300_000,
        "Most that the time in a function's record may differ from the time at which Lambda got "
        "the record, to become its `Timestamp`; a time further off stays an attribute. 0: only "
        "an equal one counts.",
        WholeNumber(0, 86_400_000, unit="milliseconds"),
    ),
    Setting(
        "check",
        (PREFIX + "CHECK",),
        "0",
        "`1`: when an environment starts, it also checks the destination step by step, and logs "
        "one line for each step; see check.md. For a first deployment: each environment sends some "
        "ten requests more.",
        ZERO_ONE,
    ),
    Setting(
        "fail",
        ("EXTENSION_FAIL",),
        "open",
        "`open`: the function runs even when telemetry cannot be collected; `closed`: a refused "
        "subscription or a missing destination fails the function's init.",
        OneOf(("open", "closed")),
    ),
    Setting(
        "extension_name",
        ("EXTENSION_NAME",),
        "otlp2parquet",
        "Name to register under if the launcher gives none; must be the name of the file.",
    ),
    Setting(
        "extension_api_version",
        ("AWS_LAMBDA_RUNTIME_EXTENSION_API_VERSION",),
        "2020-01-01",
        "Path segment of the Extensions API.",
        OneOf(("2020-01-01",)),
    ),
    Setting(
        "telemetry_api_version",
        ("AWS_LAMBDA_RUNTIME_TELEMETRY_API_VERSION",),
        "2022-07-01",
        "Path segment of the Telemetry API; the schema has a version of its own.",
        OneOf(("2022-07-01",)),
    ),
    Setting(
        "telemetry_schema_version",
        ("AWS_LAMBDA_RUNTIME_TELEMETRY_SCHEMA_VERSION",),
        SCHEMA_VERSIONS[-1],
        "Schema of the delivered events; Managed Instances accept the latest only.",
        OneOf(SCHEMA_VERSIONS),
    ),
)
