"""Tokens in Secrets Manager and Systems Manager: fetched, kept a while, fetched again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from gateway_events import function_url
from places import AWS, plain_folder, soon

from otlp2parquet_ext.functions.ingest import secrets
from otlp2parquet_ext.functions.ingest.service import IngestService

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def client(service: str, endpoint: str) -> Any:
    """Make a client that is not ours."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=AWS["AWS_REGION"],
        aws_access_key_id=AWS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=AWS["AWS_SECRET_ACCESS_KEY"],
    )


def serving(folder: Path, arn: str, **variables: str) -> IngestService:
    """Start the function with its tokens elsewhere."""
    own = {**plain_folder(folder).variables, "OTLP2PARQUET_INGEST_TOKEN": arn}
    return IngestService({**AWS, **own, **variables})


def status(service: IngestService, token: str) -> int:
    """Send an empty request with a token."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    found: int = service.answer(function_url("POST", "/v1/logs", b"{}", headers), soon())[
        "statusCode"
    ]
    return found


@pytest.mark.parametrize("text", ["one-token,two-token", '{"token": "one-token two-token"}'])
def test_tokens_of_a_secret_open(text: str, moto: str, tmp_path: Path) -> None:
    """As text, and as the console of Secrets Manager writes it."""
    made = client("secretsmanager", moto).create_secret(
        Name=f"s-{tmp_path.name}", SecretString=text
    )
    service = serving(tmp_path, made["ARN"], AWS_ENDPOINT_URL=moto)
    assert [status(service, token) for token in ("one-token", "two-token")] == [200, 200]
    assert status(service, made["ARN"]) == 403


def test_tokens_of_a_parameter_open(moto: str, tmp_path: Path) -> None:
    """Encrypted ones, too."""
    ssm = client("ssm", moto)
    ssm.put_parameter(Name="/ingest/token", Value="one-token", Type="SecureString")
    arn = ssm.get_parameter(Name="/ingest/token")["Parameter"]["ARN"]
    service = serving(tmp_path, arn, AWS_ENDPOINT_URL_SSM=moto)
    assert (status(service, "one-token"), status(service, "other")) == (200, 403)


def test_a_rotated_secret_is_noticed_and_an_outage_is_not(
    moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is fetched again after five minutes. Valid tokens stay valid during an outage."""
    keeper = client("secretsmanager", moto)
    arn = keeper.create_secret(Name=f"s-{tmp_path.name}", SecretString="old-token")["ARN"]
    service = serving(tmp_path, arn, AWS_ENDPOINT_URL=moto)
    assert status(service, "old-token") == 200
    keeper.put_secret_value(SecretId=arn, SecretString="new-token")
    assert (status(service, "old-token"), status(service, "new-token")) == (200, 403)
    monkeypatch.setattr(secrets, "CACHE_MS", 0)
    assert (status(service, "old-token"), status(service, "new-token")) == (403, 200)
    keeper.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    assert (status(service, "old-token"), status(service, "new-token")) == (403, 200)
    said = capfd.readouterr().err
    assert "the tokens fetched before stay valid" in said
    assert "new-token" not in said


@pytest.mark.parametrize(
    ("arn", "variables", "told"),
    [
        ("arn:aws:secretsmanager:eu-central-1:123456789012:secret:none-x", {}, "GetSecretValue"),
        ("arn:aws:s3:::bucket", {}, "expected tokens, or the ARN of"),
        ("arn:", {}, "expected tokens, or the ARN of"),
        (
            "arn:aws:ssm:eu-central-1:123456789012:parameter/x",
            {"AWS_ENDPOINT_URL_SSM": "http://127.0.0.1:9"},
            "cannot be fetched",
        ),
    ],
)
def test_without_its_tokens_nobody_is_let_in_and_nobody_turned_away(
    *,
    arn: str,
    variables: Mapping[str, str],
    told: str,
    moto: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Clients try again later, and the log has the reason."""
    service = serving(tmp_path, arn, **{"AWS_ENDPOINT_URL": moto, **variables})
    assert status(service, "any-token") == 503
    assert told in capfd.readouterr().err
