"""Variables of the two systems from which users migrate: data-taps' extension and otlp2parquet.

    BD_DATA_TAP_URL                 → one more destination
    OTLP2PARQUET_ICEBERG_REST_URI…  → the destination, if `OTLP2PARQUET_DESTINATION` is not set
    OTLP2PARQUET_BATCH_MAX_ROWS…    → a log line that names the variable to set instead

This module is imported before the first `next`, but only if one of them is set. It imports nothing.

Source: README of data-taps-lambda-extension; otlp2parquet v0.3.0, its configuration;
docs/migrating-from-data-taps.md, docs/migrating-from-otlp2parquet.md.
"""

from __future__ import annotations

from otlp2parquet_ext.common.settings.setting import PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otlp2parquet_ext.common.settings.setting import Value

PLACES = (
    "STORAGE_BACKEND", "S3_BUCKET", "S3_REGION", "S3_ENDPOINT", "STORAGE_PATH", "CATALOG_MODE",
    "ICEBERG_BUCKET_ARN", "ICEBERG_REST_URI", "ICEBERG_WAREHOUSE", "ICEBERG_CATALOG_NAME",
)  # fmt: skip
"""Variables of otlp2parquet that name the location of its tables."""

WITHOUT_EFFECT: Mapping[str, str] = {
    "BATCH_MAX_ROWS": "set MAX_ITEMS",
    "BATCH_MAX_BYTES": "set MAX_BYTES",
    "BATCH_MAX_AGE_SECS": "set TIMEOUT_MS",
    "BATCH_ENABLED": "batches are always made",
    "BATCHING_ENABLED": "batches are always made",
    "PARQUET_ROW_GROUP_SIZE": "a file has one row group",
    "LOG_LEVEL": "each problem is logged once",
    "LOG_FORMAT": "lines are JSON",
    "CONFIG": "set variables",
    "CONFIG_CONTENT": "set variables",
    "ICEBERG_FORMAT_VERSION": "tables are of version 2",
    "ICEBERG_TARGET_FILE_SIZE_BYTES": "a batch is a file",
    "ICEBERG_STAGING_PREFIX": "files lie where the table does",
    "ICEBERG_DATA_LOCATION": "files lie where the table does",
    "LAMBDA_INTEGRATED_ICEBERG": "set OTLP2PARQUET_DESTINATION",
}
"""Variables of otlp2parquet without effect here, and the reason."""


def take_over(
    values: dict[str, Value], environ: Mapping[str, str], unknown: Sequence[str]
) -> list[str]:
    """Complete the destination from the variables of both systems.

    Args:
        values: by attribute; `destination` is completed.
        environ: all variables.
        unknown: names with our prefix that are not our settings.

    Returns:
        One line for each variable that has no effect.
    """
    problems = []
    theirs = {name: environ[PREFIX + name].strip() for name in PLACES if environ.get(PREFIX + name)}
    if theirs and not values["destination"]:
        values["destination"], problem = _place(theirs)
        problems += [problem] if problem else []
    elif theirs:
        names = ", ".join(PREFIX + name for name in theirs)
        problems.append(f"{names}: OTLP2PARQUET_DESTINATION says where batches go; no effect")
    known = {PREFIX + name for name in PLACES}
    problems += [_no_effect(name) for name in unknown if name not in known]
    return problems + _tap(values)


def _no_effect(name: str) -> str:
    instead = WITHOUT_EFFECT.get(name.removeprefix(PREFIX))
    if instead is None:
        return f"{name}: there is no such setting; it has no effect"
    return f"{name}: a setting of otlp2parquet; it has no effect here: {instead}"


def _tap(values: dict[str, Value]) -> list[str]:
    url, others = str(values["tap_url"]), str(values["destination"])
    if not url:
        if values["tap_token"] and not ("https://" in others or "http://" in others):
            return ["BD_TAP_CLIENT_TOKEN is set, but BD_DATA_TAP_URL is not: nothing is forwarded"]
        return []
    if not url.startswith(("https://", "http://")):
        return ["BD_DATA_TAP_URL: expected https://…; nothing is forwarded to it"]
    if url not in others.replace(",", " ").split():
        values["destination"] = f"{others} {url}".strip()
    return []


def _place(theirs: Mapping[str, str]) -> tuple[str, str]:
    """Return the destination that otlp2parquet's variables name, and the problem with them."""
    get = theirs.get
    if get("CATALOG_MODE", "iceberg").lower() != "none":
        if arn := get("ICEBERG_BUCKET_ARN"):
            return arn, ""
        if uri := get("ICEBERG_REST_URI"):
            warehouse = get("ICEBERG_WAREHOUSE", "")
            return f"rest+{uri}" + (f"?warehouse={warehouse}" if warehouse else ""), ""
    backend = get("STORAGE_BACKEND", "s3").lower()
    if backend == "fs" and get("STORAGE_PATH", "").startswith("/"):
        return f"file://{theirs['STORAGE_PATH']}", ""
    if backend == "s3" and (bucket := get("S3_BUCKET")):
        options = (("region", get("S3_REGION")), ("endpoint", get("S3_ENDPOINT")))
        query = "&".join(f"{name}={value}" for name, value in options if value)
        return f"s3://{bucket}" + (f"?{query}" if query else ""), ""
    names = ", ".join(PREFIX + name for name in theirs)
    return "", f"{names}: these name no destination; set OTLP2PARQUET_DESTINATION"
