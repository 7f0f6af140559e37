"""A CDK construct: one lake, and any number of functions that write their telemetry to it.

    lake = Telemetry(stack, "Telemetry", layer_arn="arn:aws:lambda:…:1")
    lake.attach(function)  # adds the layer, the variable and the policy, and keeps everything else

The lake is plain Parquet files in a bucket. For Iceberg tables and a committer deploy
deploy/committer.yaml and give its outputs:

    Telemetry(…, policy_arn=WriterPolicyArn, destination=DataLocation,
              variables={"OTLP2PARQUET_COMMIT": "inbox"})
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "lake"


class Telemetry(Construct):
    """A lake, and the policy that lets functions write to it.

    Args:
        scope: the stack.
        id_: the construct's id.
        layer_arn: ARN of the layer version, as publish_layer.sh prints it.
        destination: `OTLP2PARQUET_DESTINATION` of an existing lake; empty: creates a bucket.
        policy_arn: with `destination`, the managed policy that lets functions write to it.
        variables: further variables of the functions.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        layer_arn: str,
        destination: str = "",
        policy_arn: str = "",
        variables: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, id_)
        self._layer = lambda_.LayerVersion.from_layer_version_arn(self, "Layer", layer_arn)
        if destination:
            self._policy = iam.ManagedPolicy.from_managed_policy_arn(self, "Policy", policy_arn)
        else:
            bucket = self._bucket()
            destination = f"s3://{bucket.bucket_name}/{PREFIX}"
            self._policy = self._writer(bucket)
        self.variables = {"OTLP2PARQUET_DESTINATION": destination, **(variables or {})}

    def attach(self, function: lambda_.Function) -> None:
        """Add the layer, the variables and the policy to a function."""
        function.add_layers(self._layer)
        for name, value in self.variables.items():
            function.add_environment(name, value)
        if function.role is None:
            raise ValueError(f"{function.node.path} has no role for the policy")
        function.role.add_managed_policy(self._policy)

    def _bucket(self) -> s3.Bucket:
        return s3.Bucket(
            self,
            "Bucket",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            removal_policy=RemovalPolicy.RETAIN,
        )

    def _writer(self, bucket: s3.Bucket) -> iam.ManagedPolicy:
        """Create the policy of docs/iam/plain-s3.json."""
        allowed = iam.PolicyStatement(
            sid="Files",
            actions=["s3:PutObject", "s3:GetObject"],
            resources=[bucket.arn_for_objects(f"{PREFIX}/*")],
        )
        return iam.ManagedPolicy(self, "Policy", statements=[allowed])
