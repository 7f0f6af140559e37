"""moto with its permissions switched on, and stricter where AWS is.

    running() --> Server: its administrator, and users that may do what a policy says
    request --> is each action allowed on each resource? --> S3, Glue

moto checks S3's actions on objects and buckets, and each signature. Added here:

- Glue's actions are checked on the catalog, the database and the table they touch;
- DeleteObjects is checked on each object;
- a user without permission to list a bucket gets 403, and not 404, for a missing object;
- objects of a table bucket (`…--table-s3`) need the actions of S3 Tables, on a table.

`python -m moto_iam -H 127.0.0.1 -p 5000` starts it; nothing is checked until `running` says so.

Source: AWS service authorization reference, "Actions, resources, and condition keys for AWS Glue",
"… for Amazon S3"; AWS Glue developer guide, "Specifying AWS Glue resource ARNs"; Amazon S3 API
reference, "GetObject", "Permissions"; moto's documentation, "IAM-like Access Control".
"""

from __future__ import annotations

import html
import json
import re
import sys
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
from moto.core.exceptions import AccessDeniedError, JsonRESTError
from moto.glue.responses import GlueResponse
from moto.iam.access_control import IAMRequest, S3IAMRequest
from moto.s3.exceptions import S3ClientError
from moto.s3.responses import S3Response
from moto_glue import honour_versions
from server_process import serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

REGION = "eu-central-1"
ACCOUNT = "123456789012"
EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
KEY = re.compile(rb"<Key>([^<]*)</Key>")
TABLE_BUCKET = "--table-s3"
TABLE_ARN = f"arn:aws:s3tables:{REGION}:{ACCOUNT}:bucket/lake/table/0a1b2c3d"
TABLE_ACTIONS = {
    "s3:PutObject": "s3tables:PutTableData",
    "s3:GetObject": "s3tables:GetTableData",
}


@dataclass(frozen=True)
class Server:
    """A server that checks permissions.

    Attributes:
        url: where it listens.
        iam: AWS's own client, to make users with.
        administrator: variables of a user who may do everything.
    """

    url: str
    iam: Any
    administrator: Mapping[str, str]

    def user(self, policy: Mapping[str, object]) -> dict[str, str]:
        """Make a user that may do what a policy says; return the variables of a process of his."""
        return _user(self.iam, policy)


def _user(iam: Any, policy: Mapping[str, object]) -> dict[str, str]:
    name = f"user-{uuid4().hex[:12]}"
    iam.create_user(UserName=name)
    if policy["Statement"]:
        iam.put_user_policy(UserName=name, PolicyName="it", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        "AWS_REGION": REGION,
    }


def client(service: str, url: str, environ: Mapping[str, str]) -> Any:
    """Return AWS's own client of a service."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
    )


@contextmanager
def running(folder: Path, program: str = __file__) -> Iterator[Server]:
    """Start the server.

    Args:
        folder: for the log.
        program: this one, or one that adds to it.
    """
    nobody = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    with serving(
        lambda port: [sys.executable, program, "-H", "127.0.0.1", "-p", str(port)],
        folder / "moto.log",
    ) as port:
        url = f"http://127.0.0.1:{port}"
        administrator = _user(client("iam", url, nobody), EVERYTHING)
        switch = urllib.request.Request(  # noqa: S310 - ours
            f"{url}/moto-api/reset-auth", data=b"0", headers={"content-type": "text/plain"}
        )
        urllib.request.urlopen(switch, timeout=30).close()  # noqa: S310 - ours
        yield Server(url, client("iam", url, administrator), administrator)


def touched(asked: Mapping[str, Any]) -> list[str]:
    """Return what a request of Glue touches, without the beginning of the ARN."""
    database = asked.get("DatabaseName") or asked.get("DatabaseInput", {}).get("Name")
    table = asked.get("TableInput", {}).get("Name") or asked.get("Name")
    found = ["catalog"]
    if database:
        found.append(f"database/{database}")
    if table:
        found.append(f"table/{database}/{table}")
    return found


def check_what_glue_touches() -> None:
    """Make Glue's requests need their action on all they touch, and refuse them as Glue does."""

    def check(self: GlueResponse, resource: str = "*") -> None:
        del resource
        arn = f"arn:aws:glue:{self.region}:{self.current_account}"
        for name in touched(json.loads(self.body or b"{}")):
            try:
                self._authenticate_and_authorize_action(IAMRequest, f"{arn}:{name}")
            except AccessDeniedError as error:
                said = f"{error.message} on resource: {arn}:{name}"
                raise JsonRESTError("AccessDeniedException", said) from None

    patched: Any = GlueResponse
    patched._authenticate_and_authorize_normal_action = check


class TableDataRequest(S3IAMRequest):
    """A request for an object of a table bucket."""

    def __init__(self, **about: Any) -> None:
        super().__init__(**about)
        self._action = TABLE_ACTIONS.get(self._action, self._action)


def check_each_object() -> None:
    """Make DeleteObjects need its action on each object, and hide what is not there."""
    check_one = S3Response._authenticate_and_authorize_s3_action

    def check(
        self: S3Response, bucket_name: str | None = None, key_name: str | None = None
    ) -> None:
        if key_name is None and self.data.get("Action") == "DeleteObject":
            for key in KEY.findall(self.raw_body):
                check_one(self, bucket_name, html.unescape(key.decode()))
            return
        if bucket_name is None or key_name is None:
            check_one(self, bucket_name)
            return
        if bucket_name.endswith(TABLE_BUCKET):
            self._authenticate_and_authorize_action(TableDataRequest, TABLE_ARN)
            return
        check_one(self, bucket_name, key_name)
        if self.data["Action"] != "GetObject":
            return
        try:
            there = self.backend.get_object(bucket_name, key_name)
        except S3ClientError:
            there = None
        if there is None:
            self.data["Action"] = "ListBucket"
            check_one(self, bucket_name)

    patched: Any = S3Response
    patched._authenticate_and_authorize_s3_action = check


if __name__ == "__main__":
    from moto.server import main

    honour_versions()
    check_what_glue_touches()
    check_each_object()
    main(sys.argv[1:])
