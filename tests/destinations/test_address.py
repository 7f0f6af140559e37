"""Destination URLs: taken apart without opening anything, refused in one clear line."""

from __future__ import annotations

import pytest

from otlp2parquet_ext.common.secrets.urls import shown
from otlp2parquet_ext.lake.destinations.address import EXPECTED, AddressError, check_names, parse

ARN = "arn:aws:s3tables:eu-central-1:123456789012:bucket/telemetry"


@pytest.mark.parametrize(
    ("url", "kind", "place", "options"),
    [
        ("file:///mnt/lake", "file", "/mnt/lake", {}),
        ("sqlite:///a/c.db?warehouse=/w", "sqlite", "/a/c.db", {"warehouse": "/w"}),
        ("sqlite:///a/c.db?warehouse=file:///w/x", "sqlite", "/a/c.db", {"warehouse": "/w/x"}),
        ("sqlite:///a/c.db?warehouse=file:/w", "sqlite", "/a/c.db", {"warehouse": "/w"}),
        ("s3://bucket/a/b/", "s3", "bucket/a/b", {}),
        ("s3://bucket", "s3", "bucket", {}),
        (
            "s3://bucket/a?region=eu-west-1&endpoint=http://127.0.0.1:9000&path-style=true",
            "s3",
            "bucket/a",
            {"region": "eu-west-1", "endpoint": "http://127.0.0.1:9000", "path-style": "true"},
        ),
        (ARN, "s3tables", ARN, {}),
        (ARN + "?endpoint=http://x", "s3tables", ARN, {"endpoint": "http://x"}),
        ("glue://lake?warehouse=s3://bucket/w", "glue", "lake", {"warehouse": "s3://bucket/w"}),
        (
            "rest+https://catalog.example:8181/v2/?warehouse=main",
            "rest",
            "https://catalog.example:8181/v2",
            {"warehouse": "main"},
        ),
        ("rest+http://127.0.0.1:1", "rest", "http://127.0.0.1:1", {}),
        ("catalog://prod", "catalog", "prod", {}),
    ],
)
def test_a_url_is_taken_apart(url: str, kind: str, place: str, options: dict[str, str]) -> None:
    """One variable turns everything on."""
    address = parse(url)
    assert (address.kind, address.place, address.options) == (kind, place, options)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://host/x", "there is no scheme 'ftp'"),
        ("file://[::1/x", "Invalid IPv6 URL"),
        ("just text", "there is no scheme ''"),
        ("file://relative/path", "the path must be absolute"),
        ("file:///", "the path must be absolute"),
        ("file:///x?y=1", "'y' is not an option; there are none"),
        ("sqlite://", "the path must be absolute"),
        ("sqlite:///x/c.db?wharehouse=/x", "'wharehouse' is not an option; there are warehouse"),
        ("sqlite:///x/c.db?warehouse=x", "warehouse='x' is not an absolute path"),
        ("sqlite:///x/c.db?warehouse=file://x/y", "warehouse='file://x/y' is not an absolute path"),
        ("sqlite:///x/c.db?warehouse=s3://x/y", "warehouse='s3://x/y' is not an absolute path"),
        ("s3://Bucket/x", "'Bucket' is no name of a bucket"),
        ("s3:///x", "'' is no name of a bucket"),
        ("s3://bucket?path-style=yes", "path-style='yes' is neither true nor false"),
        ("s3://bucket?endpoint=localhost:9000", "endpoint='localhost:9000' is no http"),
        ("arn:aws:s3:::bucket", "this is no ARN of a table bucket"),
        (ARN.replace("123456789012", "1"), "this is no ARN of a table bucket"),
        ("glue://lake?warehouse=bucket", "warehouse='bucket' is no s3://bucket/prefix"),
        ("glue://Lake?warehouse=s3://bucket", "'Lake' is no lower-case name of a Glue database"),
        ("glue://lake", "warehouse='' is no s3://bucket/prefix"),
        ("rest+https:///x", "it names no host"),
        ("rest+https://me:secret@host/", "it must hold no secret"),
        ("catalog://a/b", "'a/b' is no name of a catalog"),
    ],
)
def test_a_malformed_url_is_an_error_that_says_what_is_valid(url: str, problem: str) -> None:
    """One clear line: the variable, its value, what is wrong, what to type instead."""
    with pytest.raises(AddressError) as caught:
        parse(url)
    assert str(caught.value).startswith(f"OTLP2PARQUET_DESTINATION={shown(url)!r}: {problem}")
    assert str(caught.value).endswith(f"expected {EXPECTED}")


@pytest.mark.parametrize(
    ("url", "quoted"),
    [
        ("s3://bucket/p?region=r", "s3://bucket/p?region=r"),
        ("rest+https://me:hush@host/?warehouse=w", "rest+https://host"),
        ("s3://AKIA:hu/sh@bucket/p", "s3://***"),
        ("s3://bucket?endpoint=https://u:hush@h", "s3://***"),
        ("x://h?token=hush&y=1&api-key=hush", "x://h"),
        ("x://h#hush", "x://h"),
        ("hush", "hush"),
        ("", ""),
    ],
)
def test_a_url_is_quoted_without_its_secrets(url: str, quoted: str) -> None:
    """The quotation still shows the wrong part."""
    assert shown(url) == quoted


@pytest.mark.parametrize("name", ["Logs", "log-lines", "a.b", "", "_x", "aws_logs", "x" * 256])
@pytest.mark.parametrize(
    "url", [ARN, f"rest+http://host?warehouse={ARN}", "glue://lake?warehouse=s3://bucket/w"]
)
def test_a_name_the_catalog_cannot_bear_is_refused_before_the_first_commit(
    url: str, name: str
) -> None:
    """The service would create it, and Athena would not see it."""
    with pytest.raises(AddressError, match=r"OTLP2PARQUET_TABLE_LOGS='.*': .* takes 1 to 255"):
        check_names(parse(url), "otel", {"logs": name})


def test_other_catalogs_take_any_name() -> None:
    """Iceberg itself has no rule."""
    check_names(parse("rest+http://host"), "Otel", {"logs": "Log-Lines"})


@pytest.mark.parametrize(
    ("url", "found"),
    [
        (ARN, (True, True)),
        (f"rest+https://s3tables.eu-central-1.amazonaws.com/iceberg?warehouse={ARN}", (True, True)),
        ("rest+https://host/x?warehouse=123456789012:s3tablescatalog/telemetry", (True, True)),
        ("rest+https://host?warehouse=s3://telemetry", (False, False)),
        ("glue://lake?warehouse=s3://bucket/w", (False, True)),
        ("s3://bucket/w", (False, False)),
    ],
)
def test_a_table_bucket_is_known_by_its_name_whoever_its_catalog_is(
    url: str, found: tuple[bool, bool]
) -> None:
    """There can be no inbox in it, and capitals would hide the table from Athena."""
    address = parse(url)
    assert (address.in_table_bucket, address.lower_case) == found
