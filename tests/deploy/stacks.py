"""A deployed template and its resources, read through AWS's own client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
from moto_iam import ACCOUNT, REGION
from places import Bucket, Place
from policy_documents import together
from template_files import path

if TYPE_CHECKING:
    from moto_iam import Server
    from policy_documents import Policy

LAYER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:otlp2parquet-ext-arm64:1"


@dataclass(frozen=True)
class Stack:
    """A deployed stack.

    Attributes:
        server: where.
        region: of the stack.
        name: of the stack.
        outputs: by name.
        resources: the physical names, by logical ones; of those that were made.
    """

    server: Server
    region: str
    name: str
    outputs: dict[str, str]
    resources: dict[str, str]

    def client(self, service: str) -> Any:
        """Return AWS's own client of a service, an administrator's."""
        return client(self.server, self.region, service)

    def function(self) -> dict[str, Any]:
        """Return the configuration of the stack's function."""
        found = self.client("lambda").get_function_configuration(FunctionName=self.name)
        configuration: dict[str, Any] = found
        return configuration

    def variables(self) -> dict[str, str]:
        """Return the variables of the stack's function."""
        found: dict[str, str] = self.function()["Environment"]["Variables"]
        return found

    def policy(self, logical: str) -> Policy:
        """Return a policy of the stack."""
        found = self.client("iam").get_policy_version(
            PolicyArn=self.resources[logical], VersionId="v1"
        )
        document: Policy = found["PolicyVersion"]["Document"]
        return document

    def role_policy(self) -> Policy:
        """Return all that the function's role may do."""
        named = self.function()["Role"].rpartition("/")[2]
        iam = self.client("iam")
        attached = iam.list_attached_role_policies(RoleName=named)["AttachedPolicies"]
        assert not iam.list_role_policies(RoleName=named)["PolicyNames"]
        logical = {physical: name for name, physical in self.resources.items()}
        return together(*(self.policy(logical[one["PolicyArn"]]) for one in attached))

    def place(self, url: str, policy: Policy, environ: dict[str, str]) -> Place:
        """Return the lake as a user with a policy sees it.

        Args:
            url: the destination.
            policy: of the user.
            environ: further variables of the user.
        """
        user = self.server.user(policy)
        bucket = Bucket(self.client("s3"), self.outputs["DataBucketName"], "lake/otel/logs/")
        environ = {**environ, **user, "AWS_ENDPOINT_URL": self.server.url}
        return Place("deployed", url, bucket, environ)


def client(server: Server, region: str, service: str) -> Any:
    """Return AWS's own client of a service."""
    return boto3.client(
        service,
        endpoint_url=server.url,
        region_name=region,
        aws_access_key_id=server.administrator["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=server.administrator["AWS_SECRET_ACCESS_KEY"],
    )


def deploy(server: Server, template: str, region: str = REGION, **parameters: str) -> Stack:
    """Deploy a template under a name of its own."""
    name = f"{template}-{uuid4().hex[:8]}"
    given = {"LayerArn": LAYER, **parameters}
    formation = client(server, region, "cloudformation")
    formation.create_stack(
        StackName=name,
        TemplateBody=path(template).read_text(),
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    (stack,) = formation.describe_stacks(StackName=name)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    made = formation.list_stack_resources(StackName=name)["StackResourceSummaries"]
    return Stack(
        server,
        region,
        name,
        {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", ())},
        {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in made},
    )
