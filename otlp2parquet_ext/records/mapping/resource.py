"""The resource: attributes of the execution environment, in OpenTelemetry's words.

It is the same for every row of a batch. It may grow between batches, when the first INVOKE adds the
function's ARN; earlier rows stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

import msgspec

if TYPE_CHECKING:
    from otlp2parquet_ext.records.telemetry.values import EnvironmentContext

_MIB = 1_048_576
_ARN_PARTS = 7  # arn:partition:lambda:region:account:function:name, before a version or alias
_COLUMN_KEYS = ("service.name", "service.namespace", "service.instance.id")


class Resource(NamedTuple):
    """The resource columns' values.

    Attributes:
        service_name: `service.name`.
        service_namespace: `service.namespace`; None if unset.
        service_instance_id: `service.instance.id`.
        attributes: all others, as JSON text.
    """

    service_name: str
    service_namespace: str | None
    service_instance_id: str
    attributes: str


def resource(context: EnvironmentContext, function_arn: str = "", log_stream: str = "") -> Resource:
    """Return the resource of the execution environment.

    Args:
        context: facts from its variables and the answer to register.
        function_arn: ARN as invoked, with the suffix of an alias or version; "" if not yet known.
        log_stream: full name of the log stream; "" if not known.

    Source: OpenTelemetry semantic conventions, "Instrumenting AWS Lambda", "Function as a Service"
    (resource), "Cloud".
    """
    own = parse_attributes(context.resource_attributes)
    attributes: dict[str, object] = {**_aws(context, function_arn, log_stream), **own}
    name = context.service_name or own.get("service.name") or context.function_name
    for key in _COLUMN_KEYS:
        attributes.pop(key, None)
    return Resource(
        service_name=name or "unknown_service",
        service_namespace=own.get("service.namespace"),
        service_instance_id=own.get("service.instance.id") or context.instance_id,
        attributes=msgspec.json.encode(attributes).decode(),
    )


def parse_attributes(text: str) -> dict[str, str]:
    """Read `OTEL_RESOURCE_ATTRIBUTES`: `k=v,k=v`, percent-encoded.

    Entries without a key or without `=` are skipped.
    """
    pairs = (entry.partition("=") for entry in text.split(",") if "=" in entry)
    attributes = {unquote(key.strip()): unquote(value.strip()) for key, _, value in pairs}
    attributes.pop("", None)
    return attributes


def partition(region: str) -> str:
    """Return the ARN partition of a region."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _aws(context: EnvironmentContext, function_arn: str, log_stream: str) -> dict[str, object]:
    arn = function_arn.split(":")[:_ARN_PARTS]
    if len(arn) < _ARN_PARTS:
        arn = []
    account = context.account_id or (arn[4] if arn else "")
    known: dict[str, object] = {
        "cloud.provider": "aws",
        "cloud.platform": "aws_lambda",
        "cloud.region": context.region,
        "cloud.account.id": account,
        "cloud.resource_id": _resource_id(context, arn, account),
        "faas.name": context.function_name,
        "faas.version": context.function_version,
        "faas.instance": log_stream,
        "faas.max_memory": context.memory_mb * _MIB,
    }
    return {key: value for key, value in known.items() if value}


def _resource_id(context: EnvironmentContext, arn: list[str], account: str) -> str:
    """Return the ARN of the running function version, not of the invoked alias."""
    if not arn:
        if not (context.region and account and context.function_name):
            return ""
        where = (partition(context.region), "lambda", context.region, account)
        arn = ["arn", *where, "function", context.function_name]
    return ":".join([*arn, context.function_version]).rstrip(":")
