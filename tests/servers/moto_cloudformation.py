"""moto with its permissions switched on, which deploys the templates of deploy/.

moto knows a part of CloudFormation. What the templates need besides is made here by moto's own
services: table buckets, alarms, schedules, function URLs, a bucket's notifications, its refusal of
public access, a role's managed policies. Types moto has no service for, or whose part it would not
play (it heeds no condition of a bucket's policy), are only there by name.

`python -m moto_cloudformation -H 127.0.0.1 -p 5000` starts it; see `moto_iam` for permissions.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import moto_iam
from moto.awslambda.models import lambda_backends
from moto.awslambda.responses import LambdaResponse
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.common_models import CloudFormationModel
from moto.iam.models import Role, iam_backends
from moto.s3.models import FakeBucket, s3_backends
from moto.s3tables.models import s3tables_backends
from moto.s3tables.responses import S3TablesResponse
from moto.scheduler.models import scheduler_backends
from moto.scheduler.responses import EventBridgeSchedulerResponse
from moto_glue import honour_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from moto_iam import Server

    Properties = Mapping[str, Any]
    Make = Callable[[str, str, str, Properties], tuple[str, dict[str, Any]]]

KNOWN: list[type[CloudFormationModel]] = []
"""moto finds models among living subclasses only."""


def running(folder: Path) -> AbstractContextManager[Server]:
    """Start the server; see `moto_iam.running`."""
    return moto_iam.running(folder, __file__)


def table_bucket(
    account: str, region: str, name: str, given: Properties
) -> tuple[str, dict[str, Any]]:
    """Make a table bucket."""
    del name
    made = s3tables_backends[account][region].create_table_bucket(given["TableBucketName"])
    return made.arn, {"TableBucketARN": made.arn}


def namespace(
    account: str, region: str, name: str, given: Properties
) -> tuple[str, dict[str, Any]]:
    """Make a namespace of a table bucket."""
    del name
    s3tables_backends[account][region].create_namespace(given["TableBucketARN"], given["Namespace"])
    return given["Namespace"], {}


def alarm(account: str, region: str, name: str, given: Properties) -> tuple[str, dict[str, Any]]:
    """Make an alarm."""
    cloudwatch_backends[account][region].put_metric_alarm(
        name=name,
        namespace=given["Namespace"],
        metric_name=given["MetricName"],
        comparison_operator=given["ComparisonOperator"],
        evaluation_periods=int(given["EvaluationPeriods"]),
        period=int(given["Period"]),
        threshold=float(given["Threshold"]),
        statistic=given["Statistic"],
        description=given["AlarmDescription"],
        dimensions=given["Dimensions"],
        alarm_actions=list(given["AlarmActions"]),
        treat_missing_data=given["TreatMissingData"],
    )
    return name, {}


def schedule(account: str, region: str, name: str, given: Properties) -> tuple[str, dict[str, Any]]:
    """Make a schedule."""
    scheduler_backends[account][region].create_schedule(
        description=given["Description"],
        end_date=None,  # type: ignore[arg-type]
        flexible_time_window=given["FlexibleTimeWindow"],
        group_name="default",
        kms_key_arn="",
        name=name,
        schedule_expression=given["ScheduleExpression"],
        schedule_expression_timezone="UTC",
        start_date=None,  # type: ignore[arg-type]
        state="ENABLED",
        target=given["Target"],
        action_after_completion=None,
    )
    return name, {}


def function_url(
    account: str, region: str, name: str, given: Properties
) -> tuple[str, dict[str, Any]]:
    """Give a function a URL."""
    del name
    backend = lambda_backends[account][region]
    made = backend.create_function_url_config(given["TargetFunctionArn"], dict(given))
    return made.function.function_arn, {"FunctionUrl": made.url}


def only_named(
    account: str, region: str, name: str, given: Properties
) -> tuple[str, dict[str, Any]]:
    """Take note of a resource."""
    del account, region, given
    return name, {}


TYPES: Mapping[str, Make] = {
    "AWS::S3Tables::TableBucket": table_bucket,
    "AWS::S3Tables::Namespace": namespace,
    "AWS::CloudWatch::Alarm": alarm,
    "AWS::Scheduler::Schedule": schedule,
    "AWS::Lambda::Url": function_url,
    "AWS::Lambda::EventInvokeConfig": only_named,
    "AWS::S3::BucketPolicy": only_named,
    "AWS::SQS::QueuePolicy": only_named,
}


class Made:
    """A resource of a stack.

    Args:
        physical: its name, as `Ref` gives it.
        attributes: as `Fn::GetAtt` gives them.
    """

    def __init__(self, physical: str, attributes: dict[str, Any]) -> None:
        self.physical_resource_id = physical
        self._attributes = attributes

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Tell whether there may be an attribute."""
        return bool(attr)

    def get_cfn_attribute(self, attr: str) -> Any:
        """Return an attribute."""
        return self._attributes[attr]

    def is_created(self) -> bool:
        """Tell that it is there."""
        return True


def model(kind: str, make: Make) -> type[CloudFormationModel]:
    """Return the object with which moto makes resources of a type."""

    def create(
        cls: Any, /, resource_name: str, json: Any, account_id: str, region: str, **_: Any
    ) -> Made:
        del cls
        return Made(*make(account_id, region, resource_name, json.get("Properties", {})))

    methods = {
        "cloudformation_type": staticmethod(lambda: kind),
        "cloudformation_name_type": staticmethod(lambda: ""),
        "create_from_cloudformation_json": classmethod(create),
    }
    return type(kind.replace(":", ""), (CloudFormationModel,), methods)


def configure(bucket: str, account: str, given: Properties) -> None:
    """Give a new bucket the properties of its template that moto ignores."""
    backend = s3_backends[account]["aws"]
    if "PublicAccessBlockConfiguration" in given:
        wanted = given["PublicAccessBlockConfiguration"]
        backend.put_public_access_block(bucket, {key: str(wanted[key]).lower() for key in wanted})
    told = given.get("NotificationConfiguration", {}).get("QueueConfigurations", ())
    if told:
        queues = [
            {
                "Queue": one["Queue"],
                "Event": [one["Event"]],
                "Filter": {"S3Key": {"FilterRule": one["Filter"]["S3Key"]["Rules"]}},
            }
            for one in told
        ]
        backend.put_bucket_notification_configuration(bucket, {"QueueConfiguration": queues})


def configure_buckets() -> None:
    """Configure the buckets of templates as their templates say."""
    create = FakeBucket.create_from_cloudformation_json.__func__  # type: ignore[attr-defined]

    def created(
        cls: type[FakeBucket],
        resource_name: str,
        json: Any,
        account_id: str,
        *more: Any,
        **about: Any,
    ) -> FakeBucket:
        made: FakeBucket = create(cls, resource_name, json, account_id, *more, **about)
        configure(made.name, account_id, json.get("Properties", {}))
        return made

    patched: Any = FakeBucket
    patched.create_from_cloudformation_json = classmethod(created)


def attach_policies() -> None:
    """Give roles of templates their managed policies, which moto forgets."""
    create = Role.create_from_cloudformation_json.__func__  # type: ignore[attr-defined]

    def created(
        cls: type[Role], resource_name: str, json: Any, account_id: str, *more: Any, **about: Any
    ) -> Role:
        made: Role = create(cls, resource_name, json, account_id, *more, **about)
        for arn in json.get("Properties", {}).get("ManagedPolicyArns", ()):
            if arn is not None:  # AWS::NoValue
                iam_backends[account_id]["aws"].attach_role_policy(arn, made.name)
        return made

    patched: Any = Role
    patched.create_from_cloudformation_json = classmethod(created)


def trust_signatures() -> None:
    """Accept any signature for some services, because moto computes theirs wrongly."""

    def trust(self: object, resource: str = "*") -> None:
        del self, resource

    for responses in (LambdaResponse, EventBridgeSchedulerResponse, S3TablesResponse):
        patched: Any = responses
        patched._authenticate_and_authorize_normal_action = trust


if __name__ == "__main__":
    from moto.server import main

    honour_versions()
    moto_iam.check_what_glue_touches()
    moto_iam.check_each_object()
    KNOWN.extend(model(kind, make) for kind, make in TYPES.items())
    configure_buckets()
    attach_policies()
    trust_signatures()
    main(sys.argv[1:])
