"""The meaning of a catalog's answer: only a certain refusal counts as a refusal."""

from __future__ import annotations

import json

import pytest

from otlp2parquet_ext.lake.http.response import Response
from otlp2parquet_ext.lake.iceberg.catalogs.outcomes import (
    CatalogFailure,
    CatalogOutcome,
    failure,
    outcome,
)
from otlp2parquet_ext.lake.iceberg.catalogs.rest_answers import Config, Loaded, StorageCredential


def iceberg(status: int, type_: str, message: str = "why") -> Response:
    """Answer in the form of the specification."""
    error = {"error": {"message": message, "type": type_, "code": status}}
    return Response(status, {}, json.dumps(error).encode())


def aws(status: int, type_: str, message: str = "why") -> Response:
    """Answer as Glue and S3 Tables do."""
    body = json.dumps({"__type": f"com.amazonaws#{type_}", "Message": message}).encode()
    return Response(status, {}, body)


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (iceberg(409, "CommitFailedException"), CatalogOutcome.CONFLICT),
        (iceberg(400, "CommitFailedException"), CatalogOutcome.CONFLICT),
        (aws(400, "ConcurrentModificationException"), CatalogOutcome.CONFLICT),
        (iceberg(500, "CommitStateUnknownException"), CatalogOutcome.UNKNOWN),
        (iceberg(502, "InternalServerError"), CatalogOutcome.UNKNOWN),
        (iceberg(503, "SlowDown"), CatalogOutcome.UNKNOWN),
        (iceberg(504, "TimeoutException"), CatalogOutcome.UNKNOWN),
        (Response(507, {}, b"?"), CatalogOutcome.UNKNOWN),
        (Response(202, {}, b""), CatalogOutcome.UNKNOWN),
        (Response(302, {"location": "x"}, b""), CatalogOutcome.UNKNOWN),
        (Response(408, {}, b""), CatalogOutcome.UNKNOWN),
        (aws(400, "OperationTimeoutException"), CatalogOutcome.UNKNOWN),
        (aws(400, "InternalServiceException"), CatalogOutcome.UNKNOWN),
        (iceberg(404, "NoSuchTableException"), CatalogOutcome.ABSENT),
        (aws(400, "EntityNotFoundException"), CatalogOutcome.ABSENT),
        (iceberg(403, "ForbiddenException"), CatalogOutcome.DENIED),
        (aws(400, "AccessDeniedException"), CatalogOutcome.DENIED),
        (iceberg(401, "NotAuthorizedException"), CatalogOutcome.UNIDENTIFIED),
        (iceberg(419, "AuthenticationTimeoutException"), CatalogOutcome.UNIDENTIFIED),
        (aws(400, "ExpiredTokenException"), CatalogOutcome.UNIDENTIFIED),
        (aws(403, "UnrecognizedClientException"), CatalogOutcome.UNIDENTIFIED),
        (iceberg(429, "TooManyRequests"), CatalogOutcome.THROTTLED),
        (aws(400, "ThrottlingException"), CatalogOutcome.THROTTLED),
        (iceberg(400, "BadRequestException"), CatalogOutcome.REFUSED),
        (iceberg(422, "UnprocessableEntityException"), CatalogOutcome.REFUSED),
    ],
)
def test_a_failure_has_one_meaning(answer: Response, meaning: CatalogOutcome) -> None:
    """A commit that may have succeeded is looked up.

    One that certainly did not is given up or kept.
    """
    assert outcome(failure(answer)) is meaning


def test_a_failure_is_one_line() -> None:
    """Java's catalogs send a stack trace, load balancers send pages."""
    assert str(failure(iceberg(400, "Bad", "two\nlines"))) == "HTTP 400 Bad: two lines"
    assert str(failure(Response(502, {}, b"<h1>Bad\n gateway</h1>"))) == (
        "HTTP 502: <h1>Bad gateway</h1>"
    )
    assert str(CatalogFailure(500, "", "")) == "HTTP 500: no reason given"
    assert len(str(failure(iceberg(400, "Bad", "x" * 10_000)))) < 400


def test_a_catalogs_overrides_go_before_ours_and_ours_before_its_defaults() -> None:
    """The specification requires this order."""
    config = Config({"prefix": "default", "s3.region": "a"}, {"uri": "theirs", "s3.region": "b"})
    assert config.get("prefix") == "default"
    assert config.get("prefix", "ours") == "ours"
    assert config.get("uri", "ours") == "theirs"
    assert config.get("nothing") == ""
    assert config.storage() == {"s3.region": "b"}


def test_the_credentials_that_fit_a_tables_place_best_are_taken() -> None:
    """A catalog may vend several credentials, for different prefixes."""
    lent = [
        StorageCredential("s3://b", {"s3.access-key-id": "bucket"}),
        StorageCredential("s3://b/t", {"s3.access-key-id": "table"}),
        StorageCredential("s3://other/table", {"s3.access-key-id": "other"}),
    ]
    config = {"s3.access-key-id": "config", "s3.path-style-access": True, "token": "t"}
    table = Loaded({"location": "s3://b/t"}, "m", config, lent)
    assert table.storage() == {"s3.access-key-id": "table", "s3.path-style-access": "true"}
    assert Loaded({"location": "s3://c"}, "m", config).storage()["s3.access-key-id"] == "config"
