"""`deploy/aws-cli.sh` with the real AWS CLI: what a function has besides stays."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from built_tools import needed

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "aws-cli.sh"
REGION = "eu-central-1"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
ALLOW = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/*"}],
}
ZIP = b"PK\5\6" + bytes(18)  # an empty one
LAKE = "OTLP2PARQUET_DESTINATION=s3://lake/prefix"
OWN = {"TABLE": "orders", "SECRET": "a=b c"}


@dataclass(frozen=True)
class Aws:
    """The AWS command line and the server it talks to.

    Attributes:
        url: of the server.
        home: the CLI's home folder.
    """

    url: str
    home: Path

    def environment(self) -> dict[str, str]:
        """Return what a shell with credentials has; nothing of this machine's own."""
        return {
            "PATH": f"{needed('aws')}/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str) -> Any:
        """Return AWS's own client of a service, for what comes before and after the script."""
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, **keys)

    def script(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        command = [str(SCRIPT), *words]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=self.environment()
        )

    def layer(self, name: str) -> str:
        """Publish a layer version; return its ARN."""
        made = self.client("lambda").publish_layer_version(LayerName=name, Content={"ZipFile": ZIP})
        arn: str = made["LayerVersionArn"]
        return arn

    def function(self, name: str, **more: Any) -> None:
        """Make a function with a role of its own."""
        role = self.client("iam").create_role(
            RoleName=f"{name}-role", AssumeRolePolicyDocument=json.dumps(TRUST)
        )["Role"]["Arn"]
        self.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="app.handler",
            Role=role,
            Code={"ZipFile": ZIP},
            **more,
        )

    def has(self, name: str) -> tuple[list[str], dict[str, str]]:
        """Return a function's layers and variables."""
        found = self.client("lambda").get_function_configuration(FunctionName=name)
        layers = [layer["Arn"] for layer in found.get("Layers", ())]
        return layers, found.get("Environment", {}).get("Variables", {})

    def policies(self, name: str) -> list[str]:
        """Return the managed policies of a function's role."""
        found = self.client("iam").list_attached_role_policies(RoleName=f"{name}-role")
        return [one["PolicyArn"] for one in found["AttachedPolicies"]]


@pytest.fixture
def aws(moto: str, tmp_path: Path) -> Aws:
    """Give the command line and a server."""
    needed("aws")
    return Aws(moto, tmp_path)


@pytest.fixture
def ours(aws: Aws) -> str:
    """Publish a layer that is called as ours."""
    return aws.layer("otlp2parquet-ext-x86_64")


def test_attaching_keeps_what_a_function_has_and_detaching_brings_it_back(
    aws: Aws, ours: str
) -> None:
    """AWS's own command replaces all layers and all variables: a function would lose its own."""
    one, two = aws.layer("first"), aws.layer("second")
    aws.function("full", Layers=[one, two], Environment={"Variables": OWN})
    before = aws.has("full")
    assert before == ([one, two], OWN)
    done = aws.script("attach", "--layer", ours, "--set", LAKE, "full")
    assert (done.returncode, done.stdout) == (0, "full: attached\n"), done.stderr
    wanted = {**OWN, "OTLP2PARQUET_DESTINATION": "s3://lake/prefix"}
    assert aws.has("full") == ([one, two, ours], wanted)
    again = aws.script("attach", "--layer", ours, "--set", LAKE, "full")
    assert again.stdout == "full: nothing to change\n"
    done = aws.script("detach", "full")
    assert (done.returncode, done.stdout) == (0, "full: detached\n"), done.stderr
    assert aws.has("full") == before


def test_attaching_a_newer_version_takes_the_place_of_the_old_one(aws: Aws, ours: str) -> None:
    """Two versions of the layer would be two extensions of one name; other settings stay."""
    other, newer = aws.layer("other"), aws.layer("otlp2parquet-ext-x86_64")
    assert newer != ours
    had = {"OTLP2PARQUET_FLUSH": "end"}
    aws.function("older", Layers=[ours, other], Environment={"Variables": had})
    done = aws.script("attach", "--layer", newer, "--set", LAKE, "older")
    assert done.returncode == 0, done.stderr
    layers, found = aws.has("older")
    assert layers == [newer, other]
    assert found["OTLP2PARQUET_FLUSH"] == "end"


def test_each_architecture_gets_its_layer(aws: Aws, ours: str) -> None:
    """One command for a fleet of both; without a fitting layer the function is left alone."""
    for_arm = aws.layer("otlp2parquet-ext-arm64")
    aws.function("on-arm", Architectures=["arm64"])
    refused = aws.script("attach", "--layer", ours, "--set", LAKE, "on-arm")
    assert refused.returncode == 1
    assert "it is of arm64: give one --layer for that" in refused.stderr
    assert aws.has("on-arm") == ([], {})
    done = aws.script("attach", "--layer", ours, "--layer", for_arm, "--set", LAKE, "on-arm")
    assert done.returncode == 0, done.stderr
    assert aws.has("on-arm")[0] == [for_arm]


def test_a_tag_names_many_functions_and_a_policy_goes_to_the_role_of_each(
    aws: Aws, ours: str
) -> None:
    """Those without the tag are left alone; who detaches takes the policy off again."""
    for name in ("tagged-1", "tagged-2"):
        aws.function(name, Tags={"telemetry": "lake"})
    aws.function("untagged", Tags={"telemetry": "no"})
    made = aws.client("iam").create_policy(PolicyName="writer", PolicyDocument=json.dumps(ALLOW))
    policy = made["Policy"]["Arn"]
    tagged = ("--tag", "telemetry=lake", "--policy", policy)
    done = aws.script("attach", "--layer", ours, "--set", LAKE, *tagged)
    assert done.returncode == 0, done.stderr
    for name in ("tagged-1", "tagged-2"):
        assert aws.has(name)[0] == [ours]
        assert aws.policies(name) == [policy]
    assert (aws.has("untagged")[0], aws.policies("untagged")) == ([], [])
    done = aws.script("detach", *tagged)
    assert done.returncode == 0, done.stderr
    assert (aws.has("tagged-1")[0], aws.policies("tagged-1")) == ([], [])
    assert aws.script("detach", *tagged).returncode == 0


def test_a_dry_run_changes_nothing_and_shows_no_value(aws: Aws, ours: str) -> None:
    """Values may be secrets."""
    aws.function("dry", Environment={"Variables": OWN})
    done = aws.script("attach", "--dry-run", "--layer", ours, "--set", LAKE, "dry")
    assert done.returncode == 0, done.stderr
    assert f"dry: would become layers {ours} variables TABLE SECRET OTLP2P" in done.stdout
    assert "a=b c" not in done.stdout + done.stderr
    assert aws.has("dry") == ([], OWN)


def test_one_that_fails_is_named_and_the_others_are_done(aws: Aws, ours: str) -> None:
    """The user has to know which functions of a fleet are done."""
    aws.function("there")
    done = aws.script("attach", "--layer", ours, "--set", LAKE, "not-there", "there")
    assert done.returncode == 1
    assert "not-there: failed" in done.stderr
    assert aws.has("there")[0] == [ours]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "attach or detach?"),
        (["attach", "f"], "attach needs --layer"),
        (["attach", "--layer", "arn", "--set", "NO", "f"], "--set NO: expected NAME=VALUE"),
        (["attach", "--layer", "arn", "--tag", "a=b", "f"], "by name, or by --tag, not both"),
        (["detach", "--tag", "a"], "--tag a: expected KEY=VALUE"),
        (["detach", "--set", "A=b", "f"], "detach sets nothing"),
        (["detach", "--all"], "unknown option '--all'"),
        (["detach"], "no function is named"),
    ],
)
def test_what_makes_no_sense_is_refused(aws: Aws, words: list[str], said: str) -> None:
    """The error comes before the first request."""
    done = aws.script(*words)
    assert done.returncode == 1
    assert said in done.stderr


def test_the_script_is_sound() -> None:
    """As shellcheck sees it."""
    checker = shutil.which("shellcheck")
    if checker is None:
        pytest.skip("shellcheck is not installed: as root, tests/prepare")
    done = subprocess.run([checker, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
