"""The variables that say where batches go, and what becomes of them there.

Loaded before the first `next`: imports nothing but its neighbour.
"""

from __future__ import annotations

from otlp2parquet_ext.common.settings.setting import PREFIX, OneOf, Setting, Switch, WholeNumber

ON_OFF = Switch(("on", "off"), "on")

OTHER_TABLES = (
    ("traces", "spans"),
    ("metrics_gauge", "gauges"),
    ("metrics_sum", "sums"),
    ("metrics_histogram", "histograms"),
    ("metrics_exponential_histogram", "exponential histograms"),
    ("metrics_summary", "summaries"),
)

LAKE: tuple[Setting, ...] = (
    Setting(
        "destination",
        (PREFIX + "DESTINATION",),
        "",
        "Where batches go: `s3://bucket/prefix` or `file:///path` (plain Parquet); "
        "`arn:aws:s3tables:…`, `glue://database?warehouse=s3://…`, `rest+https://…`, "
        "`catalog://name` or `sqlite:///path/catalog.db` (Iceberg), see destinations.md; "
        "`https://…` (a Data Tap) or `otlp+https://…` (a collector), see forwarding.md. Several, "
        "with a space or a comma before each further one. Empty, and no `BD_DATA_TAP_URL`: "
        "nothing is collected.",
    ),
    Setting(
        "tap_url",
        ("BD_DATA_TAP_URL",),
        "",
        "A Data Tap to forward to, beside what `OTLP2PARQUET_DESTINATION` names.",
    ),
    Setting(
        "tap_token",
        ("BD_TAP_CLIENT_TOKEN",),
        "",
        "What a Data Tap knows us by, sent as `x-bd-authorization`.",
        secret=True,
    ),
    Setting(
        "tap_compression",
        (PREFIX + "TAP_COMPRESSION",),
        "none",
        "`gzip` for what is sent to an `https://…` destination that inflates it; a Data Tap does "
        "not.",
        OneOf(("none", "gzip")),
    ),
    Setting(
        "otlp_headers",
        (PREFIX + "OTLP_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"),
        "",
        "Headers of every request to an `otlp+https://…` destination, as `name=value,name=value`, "
        "values percent-encoded.",
        secret=True,
    ),
    Setting(
        "otlp_compression",
        (PREFIX + "OTLP_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"),
        "gzip",
        "How requests to an `otlp+https://…` destination are compressed.",
        OneOf(("gzip", "none")),
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
        "with the inbox for when it cannot; `inbox`, a committer, for large fleets, and always "
        "with `catalog://`.",
        OneOf(("direct", "inbox")),
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
        "Whether the first commit to a table that does not exist creates it.",
        ON_OFF,
    ),
    Setting(
        "column_case",
        (PREFIX + "COLUMN_CASE",),
        "auto",
        "Names of the columns of a table that is created: `pascal` is `ServiceName`, `lower` is "
        "`servicename`; `auto` is lower case for S3 Tables and Glue, which can bear no other.",
        OneOf(("auto", "pascal", "lower")),
    ),
    Setting(
        "snapshots_kept",
        (PREFIX + "SNAPSHOTS_KEPT",),
        20,
        "Snapshots of the table that stay when a commit adds one; older ones expire with it.",
        WholeNumber(1, 10_000, unit="snapshots"),
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
        ON_OFF,
    ),
    Setting(
        "sweep",
        (PREFIX + "SWEEP",),
        "on",
        "Whether the committer, once a day, also deletes metadata that nothing has referred to for "
        "three days, and puts files of rows that lost their descriptor into the inbox.",
        ON_OFF,
    ),
    Setting(
        "ingest_destination",
        (PREFIX + "INGEST_DESTINATION",),
        "",
        "For an ingest function: where it stores what it takes, instead of "
        "`OTLP2PARQUET_DESTINATION`, with which the extension would also collect the function's "
        "own telemetry; see ingest.md.",
    ),
    Setting(
        "ingest_token",
        (PREFIX + "INGEST_TOKEN",),
        "",
        "For an ingest function: the bearer tokens that may send to it, separated by commas, or "
        "the ARN of a secret or parameter that holds them. Empty: every client may send.",
        secret=True,
    ),
    Setting(
        "rest_token",
        (PREFIX + "REST_TOKEN",),
        "",
        "Bearer token of a REST catalog.",
        secret=True,
    ),
    Setting(
        "rest_credential",
        (PREFIX + "REST_CREDENTIAL",),
        "",
        "OAuth2 client of a REST catalog, as `client_id:client_secret`; gets the token.",
        secret=True,
    ),
)


DESTINATION = "OTLP2PARQUET_DESTINATION"
