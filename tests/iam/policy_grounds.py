"""Servers that check permissions, for trying policies, each with its administrator.

    Ground.glue(), .plain(), .apart() --> an empty place, as the administrator sees it
    Ground.stage(place, policy) --> the same for a user with that policy

S3's part is tried twice, with two implementations of policies that have no line in common.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import moto_iam
import places
import versitygw
from places import Bucket, Place
from policy_documents import filled, together
from policy_steps import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from policy_documents import Policy


@dataclass(frozen=True)
class Ground:
    """moto, for S3 and Glue: policies belong to users.

    Attributes:
        server: with permissions switched on.
    """

    server: moto_iam.Server

    @property
    def s3(self) -> str:
        """Where S3 is."""
        return self.server.url

    def plain(self) -> Place:
        """Plain files in a bucket."""
        return places.plain_s3(self.s3, self.server.administrator)

    def glue(self) -> Place:
        """A lake in Glue."""
        return places.glue(self.server.url, self.server.administrator, self.s3)

    def apart(self) -> Place:
        """The same, its inbox in another bucket."""
        place = self.glue()
        database = values(place)["DATABASE"]
        prefix = f"some/inbox/{database}/logs/"
        inbox = places.new_bucket(self.s3, self.server.administrator, prefix)
        told = {"OTLP2PARQUET_INBOX": f"s3://{inbox.bucket}/some/inbox"}
        return replace(place, environ={**place.environ, **told}, elsewhere=inbox)

    def stage(self, place: Place, *policies: Policy) -> Stage:
        """Create a user with some policies, and no others."""
        policy = filled(together(*policies), values(place))
        user = self.server.user(policy)
        self.allow(place, policy, user)
        return Stage(place, replace(place, environ={**place.environ, **user}))

    def allow(self, place: Place, policy: Policy, user: Mapping[str, str]) -> None:
        """Do what else is needed for a user to have a policy."""


@dataclass(frozen=True)
class SecondGround(Ground):
    """The same, but S3 is Versity's gateway, where policies belong to buckets.

    Attributes:
        gateway: its URL; the administrator has an account there.
    """

    gateway: str

    @property
    def s3(self) -> str:
        """See `Ground.s3`."""
        return self.gateway

    def allow(self, place: Place, policy: Policy, user: Mapping[str, str]) -> None:
        """See `Ground.allow`: each bucket gets the statements about it."""
        versitygw.add_user(self.gateway, user)
        for bucket in (place.objects, place.elsewhere):
            if not isinstance(bucket, Bucket):
                continue
            arn = f"arn:aws:s3:::{bucket.bucket}"
            mine = [
                {**statement, "Principal": {"AWS": [user["AWS_ACCESS_KEY_ID"]]}}
                for statement in policy["Statement"]
                if statement["Resource"][0].split("/")[0] == arn
            ]
            if mine:
                document = json.dumps({**policy, "Statement": mine})
                bucket.client.put_bucket_policy(Bucket=bucket.bucket, Policy=document)


def values(place: Place) -> dict[str, str]:
    """Return the values of a policy's placeholders."""
    assert isinstance(place.objects, Bucket)
    where = place.objects.prefix.strip("/")
    found = {"BUCKET": place.objects.bucket, "PREFIX": where}
    if place.has_catalog:
        found["PREFIX"], found["DATABASE"], _ = where.rsplit("/", 2)
    if isinstance(place.elsewhere, Bucket):
        found["INBOX_BUCKET"] = place.elsewhere.bucket
        found["INBOX_PREFIX"] = place.elsewhere.prefix.strip("/").rsplit("/", 2)[0]
    return {**found, "REGION": moto_iam.REGION, "ACCOUNT": moto_iam.ACCOUNT}
