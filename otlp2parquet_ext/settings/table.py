"""Every variable, once; the docs, `otlp2parquet-ext settings` and `load` are made from this.

Loaded before the first `next`: imports nothing but its neighbour.
"""

from __future__ import annotations

from otlp2parquet_ext.settings.setting import PREFIX, Setting

SCHEMA_VERSIONS = ("2022-07-01", "2022-12-13", "2025-01-29")

OTHER_TABLES = (
    ("traces", "spans"),
    ("metrics_gauge", "gauges"),
    ("metrics_sum", "sums"),
    ("metrics_histogram", "histograms"),
    ("metrics_exponential_histogram", "exponential histograms"),
    ("metrics_summary", "summaries"),
)

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "destination",
        (PREFIX + "DESTINATION",),
        "",
        "Where batches go: `s3://bucket/prefix` or `file:///path` (plain Parquet); "
        "`arn:aws:s3tables:…`, `glue://database?warehouse=s3://…`, `rest+https://…`, "
        "`catalog://name` or `sqlite:///path/catalog.db` (Iceberg); see destinations.md. Empty: "
        "nothing is collected.",
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
    *(
        Setting(
            f"table_{name}",
            (f"{PREFIX}TABLE_{name.upper()}", f"{PREFIX}ICEBERG_TABLE_{name.upper()}"),
            name,
            f"Name of the table of {of}.",
        )
        for name, of in OTHER_TABLES
    ),
    Setting(
        "commit",
        (PREFIX + "COMMIT",),
        "direct",
        "Who makes stored files visible in the Iceberg table: `direct`, each environment itself, "
        "with the inbox for when it cannot; `inbox`, a committer, for large fleets.",
        choices=("direct", "inbox"),
    ),
    Setting(
        "inbox",
        (PREFIX + "INBOX",),
        "",
        "Folder or bucket of the inbox, as `s3://bucket/prefix` or `file:///path`, for tables in "
        "whose own location none can be (S3 Tables), or environments that may not write there. "
        "Empty: the table's location.",
    ),
    Setting(
        "create_table",
        (PREFIX + "CREATE_TABLE",),
        "on",
        "Whether a table that does not exist is created by whoever commits to it first.",
        choices=("on", "off"),
    ),
    Setting(
        "column_case",
        (PREFIX + "COLUMN_CASE",),
        "auto",
        "Names of the columns of a table that is created: `pascal` is `ServiceName`, `lower` is "
        "`servicename`; `auto` is lower case for S3 Tables and Glue, which can bear no other.",
        choices=("auto", "pascal", "lower"),
    ),
    Setting(
        "snapshots_kept",
        (PREFIX + "SNAPSHOTS_KEPT",),
        20,
        "Snapshots of the table that stay when a commit adds one; older ones expire with it.",
        unit="snapshots",
        low=1,
        high=10_000,
    ),
    Setting(
        "committer_destination",
        (PREFIX + "COMMITTER_DESTINATION",),
        "",
        "For a function that is a committer: the table it commits to, instead of "
        "`OTLP2PARQUET_DESTINATION`, with which the extension would collect the committer's own "
        "telemetry, and so wake it for ever.",
    ),
    Setting(
        "maintain",
        (PREFIX + "MAINTAIN",),
        "on",
        "Whether the committer, when it has time left, merges small manifests and deletes what "
        "only expired snapshots referred to.",
        choices=("on", "off"),
    ),
    Setting(
        "sweep",
        (PREFIX + "SWEEP",),
        "on",
        "Whether the committer, once a day, also deletes metadata that nothing has referred to for "
        "three days, and puts files of rows that lost their descriptor into the inbox.",
        choices=("on", "off"),
    ),
    Setting(
        "rest_token",
        (PREFIX + "REST_TOKEN",),
        "",
        "Bearer token of a REST catalog.",
    ),
    Setting(
        "rest_credential",
        (PREFIX + "REST_CREDENTIAL",),
        "",
        "OAuth2 client of a REST catalog, as `client_id:client_secret`; gets the token.",
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
        choices=("2020-01-01",),
    ),
    Setting(
        "telemetry_api_version",
        ("AWS_LAMBDA_RUNTIME_TELEMETRY_API_VERSION",),
        "2022-07-01",
        "Path segment of the Telemetry API; the schema has a version of its own.",
        choices=("2022-07-01",),
    ),
    Setting(
        "telemetry_schema_version",
        ("AWS_LAMBDA_RUNTIME_TELEMETRY_SCHEMA_VERSION",),
        SCHEMA_VERSIONS[-1],
        "Schema of the delivered events; Managed Instances accept the latest only.",
        choices=SCHEMA_VERSIONS,
    ),
)
