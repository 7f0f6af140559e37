"""Variables of data-taps and otlp2parquet: each is taken as it was meant, or named in a line."""

from __future__ import annotations

import pytest

from otlp2parquet_ext.common.settings.settings import load, secrets_in
from otlp2parquet_ext.lake.destinations.destination_list import parse_all

TAP = "https://x.lambda-url.eu-west-1.on.aws/"
TOKEN = "eyJ0.e30.signature"  # noqa: S105 - of no use anywhere
DATA_TAPS = {
    "BD_TAP_CLIENT_TOKEN": (TOKEN, "tap_token", TOKEN),
    "BD_DATA_TAP_URL": (TAP, "tap_url", TAP),
    "EXTENSION_NAME": ("data-taps-lambda-extension", "extension_name", None),
    "RECEIVER_ADDRESS": ("sandbox", "receiver_address", None),
    "RECEIVER_PORT": ("4243", "receiver_port", 4243),
    "MAX_ITEMS": ("10000", "max_items", 10_000),
    "MAX_BYTES": ("262144", "max_bytes", 262_144),
    "TIMEOUT_MS": ("1000", "timeout_ms", 1_000),
    "AWS_LAMBDA_RUNTIME_EXTENSION_API_VERSION": ("2020-01-01", "extension_api_version", None),
    "AWS_LAMBDA_RUNTIME_TELEMETRY_API_VERSION": ("2022-07-01", "telemetry_api_version", None),
    "AWS_LAMBDA_RUNTIME_TELEMETRY_SCHEMA_VERSION": ("2022-12-13", "telemetry_schema_version", None),
}
"""Each variable of data-taps-lambda-extension: its default, our attribute, its value.

A value of None is the text itself. Source: README of data-taps-lambda-extension.
"""


@pytest.mark.parametrize("name", DATA_TAPS)
def test_each_variable_of_data_taps_is_read_under_its_own_name(name: str) -> None:
    """Swapping the layer needs no other change."""
    text, attribute, value = DATA_TAPS[name]
    settings, problems = load({name: text, "BD_DATA_TAP_URL": TAP})
    assert problems == []
    assert getattr(settings, attribute) == (text if value is None else value)


def test_all_variables_of_data_taps_together_are_no_problem_and_name_the_tap() -> None:
    """In data-taps NODE_ENV had to be one of three words; here it is not read."""
    environ = {name: text for name, (text, _, _) in DATA_TAPS.items()} | {"NODE_ENV": "staging"}
    settings, problems = load(environ)
    assert (settings.destination, problems) == (TAP, [])
    assert TOKEN in secrets_in(environ)


def test_a_data_tap_is_one_destination_more_beside_those_that_are_named() -> None:
    """So a lake can be tried beside the tap that is there, with one variable."""
    environ = {"BD_DATA_TAP_URL": TAP, "OTLP2PARQUET_DESTINATION": "s3://bucket/p"}
    assert [a.kind for a in parse_all(load(environ)[0].destination)] == ["s3", "tap"]
    twice = {"BD_DATA_TAP_URL": TAP, "OTLP2PARQUET_DESTINATION": f"{TAP},s3://bucket/p"}
    assert [a.kind for a in parse_all(load(twice)[0].destination)] == ["s3", "tap"]


def test_a_tap_that_has_no_address_is_said_before_anything_is_lost() -> None:
    """The seed took a placeholder for it, and then failed with every flush."""
    assert load({"BD_TAP_CLIENT_TOKEN": TOKEN})[1] == [
        "BD_TAP_CLIENT_TOKEN is set, but BD_DATA_TAP_URL is not: nothing is forwarded"
    ]
    settings, problems = load({"BD_DATA_TAP_URL": "tap.example"})
    assert (settings.destination, len(problems)) == ("", 1)
    named = {"BD_TAP_CLIENT_TOKEN": TOKEN, "OTLP2PARQUET_DESTINATION": TAP}
    assert load(named)[1] == []


ARN = "arn:aws:s3tables:eu-central-1:123456789012:bucket/telemetry"
PLACES: list[tuple[dict[str, str], str]] = [
    ({"ICEBERG_BUCKET_ARN": ARN}, ARN),
    ({"ICEBERG_BUCKET_ARN": ARN, "CATALOG_MODE": "iceberg", "S3_BUCKET": "b"}, ARN),
    ({"ICEBERG_REST_URI": "https://c.example/v1"}, "rest+https://c.example/v1"),
    (
        {
            "ICEBERG_REST_URI": "https://c.example",
            "ICEBERG_WAREHOUSE": "w",
            "ICEBERG_CATALOG_NAME": "rest",
        },
        "rest+https://c.example?warehouse=w",
    ),
    (
        {"CATALOG_MODE": "none", "ICEBERG_BUCKET_ARN": ARN, "S3_BUCKET": "otlp-logs"},
        "s3://otlp-logs",
    ),
    (
        {
            "STORAGE_BACKEND": "s3",
            "S3_BUCKET": "logs",
            "S3_REGION": "us-east-1",
            "S3_ENDPOINT": "http://127.0.0.1:9000",
        },
        "s3://logs?region=us-east-1&endpoint=http://127.0.0.1:9000",
    ),
    ({"STORAGE_BACKEND": "fs", "STORAGE_PATH": "/data"}, "file:///data"),
]


@pytest.mark.parametrize(("theirs", "url"), PLACES)
def test_variables_of_otlp2parquet_name_the_destination(theirs: dict[str, str], url: str) -> None:
    """They keep their meaning, and any variable of ours has precedence."""
    environ = {f"OTLP2PARQUET_{name}": value for name, value in theirs.items()}
    settings, problems = load(environ)
    assert (settings.destination, problems) == (url, [])
    parse_all(url)
    ours, problems = load({**environ, "OTLP2PARQUET_DESTINATION": "s3://bucket"})
    assert ours.destination == "s3://bucket"
    assert len(problems) == 1
    assert "OTLP2PARQUET_DESTINATION says where batches go" in problems[0]


def test_variables_of_otlp2parquet_that_name_no_place_are_said_in_one_line() -> None:
    """A bucket elsewhere (R2) is no default of ours."""
    settings, problems = load({"OTLP2PARQUET_STORAGE_BACKEND": "r2"})
    assert settings.destination == ""
    assert problems == [
        "OTLP2PARQUET_STORAGE_BACKEND: these name no destination; set OTLP2PARQUET_DESTINATION"
    ]


NAMES = {
    "ICEBERG_NAMESPACE": ("otlp", "namespace"),
    "ICEBERG_TABLE_LOGS": ("otel_logs", "table_logs"),
    "ICEBERG_TABLE_TRACES": ("otel_traces", "table_traces"),
    "ICEBERG_TABLE_METRICS_GAUGE": ("otel_gauge", "table_metrics_gauge"),
    "ICEBERG_TABLE_METRICS_SUM": ("otel_sum", "table_metrics_sum"),
    "ICEBERG_TABLE_METRICS_HISTOGRAM": ("otel_histogram", "table_metrics_histogram"),
    "ICEBERG_TABLE_METRICS_EXPONENTIAL_HISTOGRAM": (
        "otel_exponential",
        "table_metrics_exponential_histogram",
    ),
    "ICEBERG_TABLE_METRICS_SUMMARY": ("otel_summary", "table_metrics_summary"),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_tables_are_those_of_otlp2parquet_where_they_are_set(name: str) -> None:
    """Both systems' defaults can be had."""
    value, attribute = NAMES[name]
    settings, problems = load({f"OTLP2PARQUET_{name}": value})
    assert (getattr(settings, attribute), problems) == (value, [])


def test_the_longest_payload_has_the_name_it_had() -> None:
    """Bytes here as there."""
    settings, problems = load({"OTLP2PARQUET_MAX_PAYLOAD_BYTES": "6291456"})
    assert (settings.otlp_max_bytes, problems) == (6_291_456, [])


@pytest.mark.parametrize(
    "name",
    [
        "BATCH_MAX_ROWS",
        "BATCH_MAX_BYTES",
        "BATCH_MAX_AGE_SECS",
        "BATCH_ENABLED",
        "BATCHING_ENABLED",
        "PARQUET_ROW_GROUP_SIZE",
        "LOG_LEVEL",
        "LOG_FORMAT",
        "CONFIG",
        "CONFIG_CONTENT",
        "ICEBERG_FORMAT_VERSION",
        "ICEBERG_TARGET_FILE_SIZE_BYTES",
        "ICEBERG_STAGING_PREFIX",
        "ICEBERG_DATA_LOCATION",
        "LAMBDA_INTEGRATED_ICEBERG",
    ],
)
def test_what_has_no_effect_here_is_said_with_what_has(name: str) -> None:
    """On Lambda most had none there either; a setting without effect is the worst kind."""
    [problem] = load({f"OTLP2PARQUET_{name}": "1"})[1]
    assert problem.startswith(f"OTLP2PARQUET_{name}: a setting of otlp2parquet; it has no effect")


@pytest.mark.parametrize("part", ["api-key=hush-hush", "a=b,authorization=Bearer%20hush-hush"])
def test_headers_are_secrets(part: str) -> None:
    """Each value for itself: a server may quote one."""
    found = secrets_in({"OTEL_EXPORTER_OTLP_HEADERS": part})
    assert any(secret.endswith("hush-hush") and "=" not in secret for secret in found)
