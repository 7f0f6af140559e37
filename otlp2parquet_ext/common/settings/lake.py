"""The variables of destinations, tables and commits.

This module is loaded before the first `next`, so it imports only `setting.py`.
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
        "Destination of batches: `s3://bucket/prefix` or `file:///path` (plain Parquet); "
        "`arn:aws:s3tables:…`, `glue://database?warehouse=s3://…`, `rest+https://…`, "
        "`catalog://name` or `sqlite:///path/catalog.db` (Iceberg), see destinations.md; "
        "`https://…` (a Data Tap) or `otlp+https://…` (a collector), see forwarding.md. Separate "
        "several by spaces or commas. If it is empty and `BD_DATA_TAP_URL` is not set, nothing is "
        "collected.",
    ),
    Setting(
        "tap_url",
        ("BD_DATA_TAP_URL",),
        "",
        "A Data Tap to forward to, in addition to `OTLP2PARQUET_DESTINATION`.",
    ),
    Setting(
        "tap_token",
        ("BD_TAP_CLIENT_TOKEN",),
        "",
        "Token for a Data Tap, sent as `x-bd-authorization`.",
        secret=True,
    ),
    Setting(
        "tap_compression",
        (PREFIX + "TAP_COMPRESSION",),
        "none",
        "Compression of requests to an `https://…` destination. A Data Tap accepts no `gzip`.",
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
        "Compression of requests to an `otlp+https://…` destination.",
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
        "How stored files become visible in the Iceberg table: `direct`, each environment commits "
        "its own, or uses the inbox if it cannot; `inbox`, a committer commits, for large fleets, "
        "and always with `catalog://`; `relay`, a committer also makes the files, and an "
        "environment only stores what it received, compressed.",
        OneOf(("direct", "inbox", "relay")),
    ),
    Setting(
        "inbox",
        (PREFIX + "INBOX",),
        "",
        "Folder or bucket of the inbox, as `s3://bucket/prefix` or `file:///path`. Set it if the "
        "table's location cannot have an inbox (S3 Tables), or if environments may not write "
        "there. Empty: the table's location.",
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
        "`servicename`; `auto` is lower case for S3 Tables and Glue, which allow no capitals.",
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
        "Destination of a function that is a committer. Do not set `OTLP2PARQUET_DESTINATION` for "
        "it: the extension would store the committer's own telemetry, and each file would invoke "
        "the committer again, without end.",
    ),
    Setting(
        "maintain",
        (PREFIX + "MAINTAIN",),
        "on",
        "Whether the committer, when it has time left, merges small manifests and deletes files "
        "that only expired snapshots refer to.",
        ON_OFF,
    ),
    Setting(
        "sweep",
        (PREFIX + "SWEEP",),
        "on",
        "Whether the committer, once a day, also deletes metadata that was unreferenced for three "
        "days, and puts data files that lost their descriptor back into the inbox.",
        ON_OFF,
    ),
    Setting(
        "ingest_destination",
        (PREFIX + "INGEST_DESTINATION",),
        "",
        "Destination of an ingest function. With `OTLP2PARQUET_DESTINATION` the extension would "
        "also collect the function's own telemetry; see ingest.md.",
    ),
    Setting(
        "ingest_token",
        (PREFIX + "INGEST_TOKEN",),
        "",
        "Bearer tokens that an ingest function accepts, separated by commas, or the ARN of a "
        "secret or parameter that contains them. Empty: every client may send.",
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
        "OAuth2 client of a REST catalog, as `client_id:client_secret`, for fetching a token.",
        secret=True,
    ),
)


DESTINATION = "OTLP2PARQUET_DESTINATION"
