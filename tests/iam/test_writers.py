"""Roles that only store cannot write files that readers use, or the committer's notes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import boto3
import moto_iam
import pytest
import versitygw
from botocore.exceptions import ClientError
from places import Bucket, Place
from policy_documents import FOLDER, document, filled
from policy_grounds import Ground, SecondGround, values
from policy_pages import PAGE

from otlp2parquet_ext.lake.iceberg.commit.set_aside import FOLDER as INBOX
from otlp2parquet_ext.lake.iceberg.upkeep.notes import FOLDER as CARE

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.xdist_group("iam"), pytest.mark.thorough]

MAY = ["data/Timestamp_day=2024-10-04/x.parquet", f"{INBOX}/1-x.json"]
MAY_NOT = [
    "metadata/00001-x.metadata.json",
    f"{CARE}/1.json",
    "x.parquet",
    "../other/data/x",
]
BUCKET_POLICY = FOLDER / "bucket" / "writers.json"


@pytest.fixture(scope="module", params=["moto", "versity"])
def ground(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ground]:
    """Two servers that check permissions."""
    with moto_iam.running(tmp_path_factory.mktemp("moto")) as server:
        if request.param == "moto":
            yield Ground(server)
            return
        with versitygw.running(tmp_path_factory.mktemp("versitygw")) as url:
            versitygw.add_user(url, server.administrator, "admin")
            yield SecondGround(server, url)


def may_put(place: Place, user: dict[str, str], ground: Ground, name: str) -> bool:
    """Tell whether a user may put an object below a table's location."""
    assert isinstance(place.objects, Bucket)
    client = boto3.client(
        "s3",
        endpoint_url=ground.s3,
        region_name=moto_iam.REGION,
        aws_access_key_id=user["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=user["AWS_SECRET_ACCESS_KEY"],
    )
    key = place.objects.prefix + name
    if name.startswith("../"):
        key = f"{place.objects.prefix.rsplit('/', 3)[0]}/{name.removeprefix('../')}"
    try:
        client.put_object(Bucket=place.objects.bucket, Key=key, Body=b"x")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDenied"  # noqa: PT017 - both are answers
        return False
    return True


def test_a_role_that_only_stores_may_put_files_and_descriptors_alone(ground: Ground) -> None:
    """Forged metadata would be the table; a forged note has the committer delete files."""
    place = ground.glue()
    stage = ground.stage(place, document("inbox-mode"))
    user = dict(stage.user.environ)
    assert [name for name in MAY if not may_put(place, user, ground, name)] == []
    assert [name for name in MAY_NOT if may_put(place, user, ground, name)] == []


def test_a_bucket_denies_metadata_to_writers_whatever_else_they_may(ground: Ground) -> None:
    """A role often has a policy more than it should."""
    if not isinstance(ground, SecondGround):
        pytest.skip("moto evaluates a bucket's policy without its principals")
    place = ground.glue()
    stage = ground.stage(place, document("glue"))
    user = dict(stage.user.environ)
    assert may_put(place, user, ground, MAY_NOT[0])
    assert isinstance(place.objects, Bucket)
    mine = {"AWS": [user["AWS_ACCESS_KEY_ID"]]}
    (statement,) = (
        one
        for one in json.loads(BUCKET_POLICY.read_text())["Statement"]
        if one["Sid"] == "WritersOnlyStore"
    )
    denied = filled({"Statement": [{**statement, "Principal": "here"}]}, values(place))
    client, bucket = place.objects.client, place.objects.bucket
    policy = json.loads(client.get_bucket_policy(Bucket=bucket)["Policy"])
    policy["Statement"] += [{**one, "Principal": mine} for one in denied["Statement"]]
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    assert [name for name in MAY if not may_put(place, user, ground, name)] == []
    assert [name for name in MAY_NOT[:2] if may_put(place, user, ground, name)] == []


def test_the_page_shows_the_policy_of_the_bucket() -> None:
    """It is the text of its file, which users can apply unchanged."""
    assert BUCKET_POLICY.read_text() in PAGE.read_text()
