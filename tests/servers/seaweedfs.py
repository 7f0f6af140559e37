"""SeaweedFS: S3, and table buckets with an Iceberg REST catalog, all requests signed.

The closest there is to S3 Tables without an account: table buckets take nothing but a table's
`data/` and `metadata/`, names are those S3 Tables allows, and the catalog chooses locations. Other
than AWS it lets objects be listed and deleted, and verifies neither region nor service of a
signature.

It is not installed by the tests: `SEAWEEDFS_WEED` names the program, 4.42 or later, or `weed` is
on PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import urllib.request
from base64 import b64encode
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from reserved_port import ReservedPort
from server_process import START_S, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

VARIABLE = "SEAWEEDFS_WEED"
REGION = "us-east-1"
ARN = f"arn:aws:s3tables:{REGION}:000000000000:bucket/"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "lake-key-id",
    "AWS_SECRET_ACCESS_KEY": "lake+secret/key=",
    "AWS_REGION": REGION,
}
VISITOR = {**CREDENTIALS, "AWS_ACCESS_KEY_ID": "visitor-key-id"}
"""A user who may send any request to the catalog, and none to S3."""

ACTIONS = {
    "lake": ["Admin", "Read", "Write", "List", "Tagging"],
    "visitor": [
        f"s3tables:{action}"
        for action in ("CreateNamespace", "CreateTable", "GetTable", "UpdateTable")
    ],
}
ROLE = "arn:aws:iam::role/Files"
LENDING = {
    "sts": {
        "tokenDuration": "1h",
        "maxSessionLength": "12h",
        "issuer": "lake",
        "signingKey": b64encode(b"a key that nobody has to keep...").decode(),
    },
    "policy": {"defaultEffect": "Deny"},
    "policies": [
        {
            "name": "Files",
            "document": {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}],
            },
        }
    ],
    "roles": [
        {
            "roleName": "Files",
            "roleArn": ROLE,
            "trustPolicy": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Federated": "iceberg-catalog"},
                        "Action": ["sts:AssumeRoleWithCredentials"],
                    }
                ],
            },
            "attachedPolicies": ["Files"],
        }
    ],
}
"""The setting that lets the catalog vend credentials for a table's files to its clients."""

# Volumes are made by the handful for each bucket, and tests have many buckets.
ENVIRON = {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}


class Server(NamedTuple):
    """Where it is reached."""

    s3: str
    catalog: str


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Start master, volume server, filer, S3 and the catalog in one process, on this machine only.

    Skips the test, saying why, where there is no such program.

    Args:
        folder: for everything it keeps.
    """
    program = os.environ.get(VARIABLE) or shutil.which("weed")
    if not program:
        pytest.skip(
            f"SeaweedFS is not installed: put `weed` on the PATH, or {VARIABLE}=FILE names it"
        )
    (folder / "data").mkdir(parents=True, exist_ok=True)
    identities = [
        _identity("lake", CREDENTIALS),
        _identity("visitor", VISITOR),
    ]
    (folder / "s3.json").write_text(json.dumps({"identities": identities}))
    (folder / "iam.json").write_text(json.dumps(LENDING))
    ports: dict[str, ReservedPort] = {}

    def command(catalog: int) -> list[str]:
        ports.update(_ports())
        options = {**_options(folder), **ports, "s3.port.iceberg": str(catalog)}
        return [program, "server", *(f"-{name}={value}" for name, value in options.items())]

    log = folder / "server.log"
    with serving(command, log, env=ENVIRON, cwd=folder) as catalog:
        s3 = f"http://127.0.0.1:{ports['s3.port']}"
        _await(s3, f"http://127.0.0.1:{ports['master.port']}", log)
        yield Server(s3, f"http://127.0.0.1:{catalog}")


def _identity(name: str, environ: Mapping[str, str]) -> dict[str, Any]:
    keys = {
        "accessKey": environ["AWS_ACCESS_KEY_ID"],
        "secretKey": environ["AWS_SECRET_ACCESS_KEY"],
    }
    return {"name": name, "credentials": [keys], "actions": ACTIONS[name]}


def _ports() -> dict[str, ReservedPort]:
    """Choose a port for each of its parts except the catalog."""
    services = ("master", "volume", "filer", "s3")
    names = [f"{service}.port{kind}" for service in services for kind in ("", ".grpc")]
    return {name: ReservedPort() for name in names}


def _options(folder: Path) -> dict[str, str]:
    """Return the other options of `weed server`: no access from outside, and no reports."""
    return {
        "dir": str(folder / "data"),
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": "64",
        "volume.max": "0",
        "filer.localSocket": str(folder / "filer.sock"),
        "s3": "true",
        "s3.localSocket": str(folder / "s3.sock"),
        "s3.config": str(folder / "s3.json"),
        "s3.iam.config": str(folder / "iam.json"),
        "s3.iceberg.credentialRole": ROLE,
        "s3.port.lance": "0",
    }


def _await(s3: str, master: str, log: Path) -> None:
    """Wait until an object can be stored.

    Its parts connect to each other after they listen. The master is asked before S3, which would
    wait for a minute after a miss.
    """
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{master}/dir/assign", timeout=5) as answer:  # noqa: S310 - ours
                ready = "fid" in json.load(answer)
            if ready:
                client("s3", s3).create_bucket(Bucket="started")
                client("s3", s3).put_object(Bucket="started", Key="x", Body=b"x")
                return
        except (OSError, BotoCoreError, ClientError):
            pass
        time.sleep(0.2)
    raise AssertionError(f"SeaweedFS stores nothing: {log.read_text()[-2_000:]}")


def client(service: str, url: str) -> Any:
    """Return boto3's client for a service of the server: `s3`, `s3tables`."""
    return boto3.client(
        service,
        endpoint_url=url,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )
