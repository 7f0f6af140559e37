"""`publish_layer.sh` with the real AWS CLI, against a server that answers as AWS does (moto)."""

import base64
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from built_tools import needed
from layer_roots import CHECKOUT, zip_file
from server_process import serving

pytestmark = pytest.mark.layer

SCRIPT = CHECKOUT / "publish_layer.sh"
SMALL = b"PK\5\6" + bytes(18)  # an empty zip


@dataclass(frozen=True)
class Aws:
    """The AWS command line and the server it talks to."""

    tools: Path
    url: str
    dist: Path

    def environment(self, **more: str) -> dict[str, str]:
        """Return what a shell with credentials has; nothing of this machine's own."""
        return {
            "PATH": f"{self.tools}:/usr/bin:/bin",
            "HOME": str(self.dist),
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
            "OTLP2PARQUET_DIST": str(self.dist),
            **more,
        }

    def publish(
        self, *options: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        return subprocess.run(
            [str(SCRIPT), *options],
            capture_output=True,
            text=True,
            check=False,
            env=self.environment() if env is None else dict(env),
        )

    def layer(self, region: str, arn: str) -> dict[str, Any]:
        """Return Lambda's description of a layer version."""
        name, version = arn.split(":")[6:8]
        which = ("--layer-name", name, "--version-number", version)
        return self.ask(region, "lambda", "get-layer-version", *which)

    def ask(self, region: str, *words: str) -> dict[str, Any]:
        """Run one command of the AWS CLI."""
        done = subprocess.run(
            [str(self.tools / "aws"), "--region", region, "--output", "json", *words],
            capture_output=True,
            text=True,
            check=True,
            env=self.environment(),
        )
        answer: dict[str, Any] = json.loads(done.stdout or "{}")
        return answer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Start moto for this file's tests."""
    tools = needed("aws") / "bin"
    with serving(
        lambda port: [str(tools / "moto_server"), "-H", "127.0.0.1", "-p", str(port)],
        tmp_path_factory.mktemp("moto") / "server.log",
    ) as port:
        yield tools, f"http://127.0.0.1:{port}"


@pytest.fixture
def aws(server: tuple[Path, str], tmp_path: Path) -> Aws:
    """Give the command line, with small zips in place of the built ones."""
    for arch in ("x86_64", "arm64"):
        (tmp_path / zip_file(arch).name).write_bytes(SMALL + arch.encode())
    return Aws(server[0], server[1], tmp_path)


def arns(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the ARNs the script printed."""
    return [line for line in done.stdout.splitlines() if line.startswith("arn:")]


def test_what_was_published_is_what_was_built(aws: Aws, arch: str) -> None:
    """Lambda returns the hash of the received zip; moto keeps no address to fetch it from."""
    built = zip_file(arch)
    env = aws.environment(OTLP2PARQUET_DIST=str(built.parent))
    done = aws.publish("--regions", "eu-central-1", "--arch", arch, env=env)
    assert done.returncode == 0, done.stderr
    said = aws.layer("eu-central-1", arns(done)[0])
    assert said["CompatibleArchitectures"] == [arch]
    assert said["LicenseInfo"] == "Apache-2.0"
    assert "otlp2parquet_ext 0." in str(said["Description"])
    assert said["Content"]["CodeSha256"] == fingerprint(built)


def fingerprint(file: Path) -> str:
    """Return the hash of a file as Lambda writes it."""
    return base64.b64encode(hashlib.sha256(file.read_bytes()).digest()).decode()


def test_both_architectures_reach_every_region(aws: Aws) -> None:
    """And each ARN comes with the line that attaches it."""
    done = aws.publish("--regions", "eu-central-1,us-east-1", "--name", "everywhere")
    assert done.returncode == 0, done.stderr
    assert [tuple(arn.split(":")[3:7:3]) for arn in arns(done)] == [
        (region, f"everywhere-{arch}")
        for region in ("eu-central-1", "us-east-1")
        for arch in ("x86_64", "arm64")
    ]
    for arn in arns(done):
        region = arn.split(":")[3]
        assert (
            f"aws lambda update-function-configuration --region {region} "
            f"--function-name FUNCTION --layers {arn}" in done.stdout
        )


def test_a_zip_goes_through_a_bucket_of_the_region_and_arrives_whole(aws: Aws, arch: str) -> None:
    """More than 50 MB cannot be sent directly. Downloaded again, it is the same byte for byte."""
    region = "us-east-1"
    aws.ask(region, "s3api", "create-bucket", "--bucket", f"layers-{region}")
    env = aws.environment(OTLP2PARQUET_DIST=str(zip_file(arch).parent))
    options = ("--regions", region, "--arch", arch, "--s3-bucket", "layers-{region}")
    done = aws.publish(*options, "--name", "by-bucket", env=env)
    assert done.returncode == 0, done.stderr
    listed = aws.ask(region, "s3api", "list-objects-v2", "--bucket", f"layers-{region}")
    key = next(one["Key"] for one in listed["Contents"] if arch in one["Key"])
    again = aws.dist / "again.zip"
    aws.ask(region, "s3api", "get-object", "--bucket", f"layers-{region}", "--key", key, str(again))
    assert again.read_bytes() == zip_file(arch).read_bytes()
    said = aws.layer(region, arns(done)[0])
    assert said["Content"]["CodeSha256"] == fingerprint(zip_file(arch))


def test_a_public_layer_may_be_used_by_every_account(aws: Aws) -> None:
    """Without the option only its own account may use it."""
    options = ("--regions", "eu-central-1", "--arch", "x86_64", "--name", "open")
    done = aws.publish(*options, "--public")
    assert done.returncode == 0, done.stderr
    policy = aws.ask(
        "eu-central-1",
        *("lambda", "get-layer-version-policy", "--layer-name", "open-x86_64"),
        *("--version-number", arns(done)[0].rpartition(":")[2]),
    )
    assert '"Principal": "*"' in str(policy["Policy"])


def test_a_dry_run_says_all_and_does_nothing(aws: Aws) -> None:
    """Not even credentials are needed."""
    env = {"PATH": "/usr/bin:/bin", "OTLP2PARQUET_DIST": str(aws.dist)}
    done = aws.publish("--dry-run", "--regions", "eu-west-1", "--name", "nothing", env=env)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("lambda publish-layer-version --region eu-west-1") == 2
    layers = aws.ask("eu-west-1", "lambda", "list-layers")["Layers"]
    assert "nothing" not in str(layers)


def test_without_credentials_it_says_so(aws: Aws) -> None:
    """Before anything is uploaded."""
    env = aws.environment()
    del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
    done = aws.publish("--regions", "eu-central-1", env=env)
    assert (done.returncode, arns(done)) == (1, [])
    assert "no usable credentials: " in done.stderr


def test_without_the_command_line_it_says_so(aws: Aws) -> None:
    """And how to get it."""
    env = aws.environment(PATH="/usr/bin:/bin")
    if subprocess.run(["sh", "-c", "command -v aws"], env=env, check=False).returncode == 0:
        pytest.skip("an AWS CLI is installed in /usr/bin")
    done = aws.publish("--regions", "eu-central-1", env=env)
    assert done.returncode == 1
    assert "the AWS CLI is not installed (pip install awscli)" in done.stderr


def test_a_zip_too_large_for_a_direct_upload_needs_a_bucket(aws: Aws) -> None:
    """AWS itself would answer with a request that is too long."""
    large = aws.dist / zip_file("arm64").name
    with large.open("wb") as file:
        file.truncate(50 * 1_048_576 + 1)
    done = aws.publish("--regions", "eu-central-1")
    assert (done.returncode, arns(done)) == (1, [])
    assert "52428801 bytes, a direct upload may have 52428800: give --s3-bucket" in done.stderr


def test_a_region_that_refuses_is_named(aws: Aws) -> None:
    """Layers that were published before it stay, and were printed."""
    env = aws.environment(AWS_ENDPOINT_URL_LAMBDA="http://127.0.0.1:1", AWS_MAX_ATTEMPTS="1")
    done = aws.publish("--regions", "eu-central-1", env=env)
    assert done.returncode == 1
    assert "eu-central-1 refused otlp2parquet-ext-x86_64" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--arch", "mips"], "--arch mips: expected x86_64 or arm64"),
        (["--regions"], "--regions needs a value"),
        (["--all"], "unknown option '--all'"),
    ],
)
def test_options_that_make_no_sense_are_named(options: list[str], said: str) -> None:
    """Nothing has happened by then."""
    done = subprocess.run(
        [str(SCRIPT), *options], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 1
    assert said in done.stderr
