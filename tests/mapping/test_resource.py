"""The resource: the execution environment in OpenTelemetry's words."""

from __future__ import annotations

import json

import pytest

from otlp2parquet_ext.records.mapping.resource import Resource, resource
from otlp2parquet_ext.records.telemetry.values import EnvironmentContext

ARN = "arn:aws:lambda:eu-west-1:012345678912:function:orders"


def context(**changes: object) -> EnvironmentContext:
    """Give the context of an ordinary function, changed."""
    ordinary: dict[str, object] = {
        "instance_id": "i-1",
        "function_name": "orders",
        "function_version": "17",
        "memory_mb": 512,
        "region": "eu-west-1",
    }
    return EnvironmentContext(**{**ordinary, **changes})  # type: ignore[arg-type]


def attributes(found: Resource) -> dict[str, object]:
    """Give the attributes as an object."""
    made: dict[str, object] = json.loads(found.attributes)
    return made


def test_an_ordinary_environment() -> None:
    """Everything the semantic conventions demand, and what has a column is not repeated."""
    found = resource(context(), ARN)
    assert found[:3] == ("orders", None, "i-1")
    assert attributes(found) == {
        "cloud.provider": "aws",
        "cloud.platform": "aws_lambda",
        "cloud.region": "eu-west-1",
        "cloud.account.id": "012345678912",
        "cloud.resource_id": f"{ARN}:17",
        "faas.name": "orders",
        "faas.version": "17",
        "faas.max_memory": 536_870_912,
    }


def test_what_is_unknown_is_absent() -> None:
    """Before the first INVOKE account and ARN are unknown."""
    assert set(attributes(resource(context()))) == {
        "cloud.provider",
        "cloud.platform",
        "cloud.region",
        "faas.name",
        "faas.version",
        "faas.max_memory",
    }
    nothing = resource(EnvironmentContext(instance_id="i"))
    assert nothing.service_name == "unknown_service"
    assert set(attributes(nothing)) == {"cloud.provider", "cloud.platform"}


@pytest.mark.parametrize("suffix", ["", ":live", ":17", ":$LATEST"])
def test_the_resource_is_the_version_that_runs_not_the_alias_invoked(suffix: str) -> None:
    """One environment is one resource, however it is invoked."""
    assert attributes(resource(context(), ARN + suffix))["cloud.resource_id"] == f"{ARN}:17"


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_the_arn_is_built_where_it_is_not_told(region: str, partition: str) -> None:
    """The register answer may name the account before any INVOKE; its zeros count."""
    found = attributes(resource(context(region=region, account_id="000000000042")))
    assert found["cloud.account.id"] == "000000000042"
    wanted = f"arn:{partition}:lambda:{region}:000000000042:function:orders:17"
    assert found["cloud.resource_id"] == wanted


def test_an_arn_that_is_none_is_not_believed() -> None:
    """Facts that do not parse are not facts."""
    assert "cloud.resource_id" not in attributes(resource(context(), "orders"))


@pytest.mark.parametrize(
    ("service_name", "variables", "name"),
    [
        ("explicit", "service.name=listed", "explicit"),
        ("", "service.name=listed", "listed"),
        ("", "", "orders"),
    ],
)
def test_the_service_name_is_the_most_explicit_one(
    service_name: str, variables: str, name: str
) -> None:
    """OTEL_SERVICE_NAME, then OTEL_RESOURCE_ATTRIBUTES, then the function's name."""
    found = resource(context(service_name=service_name, resource_attributes=variables))
    assert found.service_name == name
    assert "service.name" not in attributes(found)


def test_resource_attributes_are_percent_decoded_and_odd_entries_skipped() -> None:
    """The user's setting has precedence, and an entry without `k=v` is no attribute."""
    text = "service.namespace=shop, team = a%2Cb%20c ,=x,y,,cloud.region=moon,u=%FF%C3%A9,e="
    found = resource(context(resource_attributes=text))
    assert found.service_namespace == "shop"
    own = attributes(found)
    assert own["team"] == "a,b c"
    assert own["cloud.region"] == "moon"
    assert own["u"] == "\ufffdé"
    assert own["e"] == ""
    assert not {"", "y", "service.namespace"} & set(own)
