"""The signature that a catalog needs, derived from the user's settings."""

from __future__ import annotations

import pytest

from otlp2parquet_ext.lake.iceberg.catalogs.remedies import AWS_IDENTITY, Operation
from otlp2parquet_ext.lake.iceberg.catalogs.rest_client import RestTable
from otlp2parquet_ext.lake.iceberg.catalogs.signing import (
    Signing,
    remedies_for,
    signing,
    table_bucket,
)

ARN = "arn:aws:s3tables:eu-west-1:123456789012:bucket/lake"


@pytest.mark.parametrize(
    ("uri", "warehouse", "options", "signed"),
    [
        ("https://catalog.example/api", "lake", {}, None),
        ("https://catalog.example/api", "lake", {"region": "eu-west-1"}, None),
        ("https://s3tables.eu-west-1.amazonaws.com/iceberg", ARN, {}, ("s3tables", "eu-west-1")),
        ("http://127.0.0.1:1/iceberg", ARN, {}, ("s3tables", "eu-west-1")),
        ("https://glue.us-east-1.amazonaws.com/iceberg", "1", {}, ("glue", "us-east-1")),
        ("https://glue.cn-north-1.amazonaws.com.cn/iceberg", "1", {}, ("glue", "cn-north-1")),
        ("https://s3tables.eu-west-1.api.aws/iceberg", ARN, {}, ("s3tables", "eu-west-1")),
        ("https://glue.us-east-1.amazonaws.com/iceberg", ARN, {}, ("glue", "us-east-1")),
        ("https://host", "", {"name": "execute-api", "region": "r"}, ("execute-api", "r")),
        ("https://host", "", {"name": "execute-api"}, ("execute-api", "")),
        ("https://glue.us-east-1.amazonaws.com.evil.example/", "1", {}, None),
    ],
)
def test_the_users_word_goes_before_the_host_and_the_host_before_the_arn(
    uri: str, warehouse: str, options: dict[str, str], signed: tuple[str, str] | None
) -> None:
    """PyIceberg's options (`signing-name`, `signing-region`) precede what an address implies."""
    expected = None if signed is None else Signing(*signed)
    assert signing(uri, warehouse, **options) == expected


def test_a_table_bucket_is_reached_in_its_own_region_and_partition() -> None:
    """China has a domain of its own. Other endpoints are for tests and private networks."""
    found = table_bucket(ARN, "otel", "logs")
    assert found is not None
    assert found.uri == "https://s3tables.eu-west-1.amazonaws.com/iceberg"
    assert found.warehouse == ARN
    china = table_bucket(ARN.replace("arn:aws:", "arn:aws-cn:"), "otel", "logs")
    assert china is not None
    assert china.uri == "https://s3tables.eu-west-1.amazonaws.com.cn/iceberg"
    other = table_bucket(ARN, "otel", "logs", "http://127.0.0.1:1/")
    assert other is not None
    assert other.uri == "http://127.0.0.1:1/iceberg"


@pytest.mark.parametrize(
    "arn", ["", "lake", "arn:aws:s3:::lake", f"{ARN}/table/x", ARN.replace("123456789012", "1")]
)
def test_what_is_no_table_bucket_is_none(arn: str) -> None:
    """The caller reports it, with the name of the variable."""
    assert table_bucket(arn, "otel", "logs") is None


def test_refusals_are_explained_in_the_words_of_the_service() -> None:
    """The same 403 means another action in each service."""
    wanted = RestTable("https://host", ARN, "otel", "logs")
    for service, action in (
        ("s3tables", "s3tables:UpdateTableMetadataLocation"),
        ("glue", "glue:UpdateTable"),
    ):
        found = remedies_for(wanted, Signing(service, "eu-west-1"))
        assert action in found.actions[Operation.COMMIT]
        assert found.actions.keys() == set(Operation)
        assert found.identity == AWS_IDENTITY
    assert not remedies_for(wanted, Signing("execute-api", "eu-west-1")).actions
