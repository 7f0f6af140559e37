"""The text of the templates: valid, equal in equal parts, and careful with data."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from template_files import NAMES, nodes, path, resources, template

from otlp2parquet_ext import __version__
from otlp2parquet_ext.common.settings.table import SETTINGS

pytestmark = pytest.mark.thorough

PACKAGE = Path(__file__).parents[2] / "otlp2parquet_ext"
KEPT = ("S3::Bucket", "S3::BucketPolicy", "S3Tables::TableBucket", "S3Tables::Namespace")
RETAIN = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
NEED_INGEST = pytest.mark.skipif(
    not (PACKAGE / "ingest").exists(), reason="there is no ingest function in this checkout"
)
TEMPLATES = [pytest.param(name, marks=NEED_INGEST if name == "ingest" else ()) for name in NAMES]
# Names in the templates of otlp2parquet: the guide's and the generated one's.
SEED_PARAMETERS = {
    "Architecture",
    "AuthType",
    "BucketName",
    "CatalogMode",
    "IcebergNamespace",
    "LambdaS3Bucket",
    "LambdaS3Key",
    "LambdaVersion",
    "LogLevel",
    "LogRetentionDays",
}
SEED_OUTPUTS = {
    "DataBucketName",
    "DataLocation",
    "FunctionArn",
    "FunctionName",
    "FunctionUrl",
    "S3TablesBucketArn",
    "S3TablesBucketName",
}
# Of the same name in several templates, and rightly not the same.
DIFFERENT = {
    "Bucket": "the committer's tells a queue",
    "CatalogMode": "plain files need no committer",
    "DataLocation": "plain files need no committer",
    "CreateBucket": "the committer wants a bucket's events",
    "Function": "",
    "LogGroup": "only the sample may have none",
    "LogLevel": "only the sample has a log of its own",
    "LogPolicy": "as LogGroup",
    "LogRetentionDays": "as LogGroup",
    "MemorySize": "",
    "Role": "",
    "WriterPolicy": "who commits needs more",
}


@pytest.mark.parametrize("name", NAMES)
def test_cloudformation_would_take_it(name: str) -> None:
    """Every property and value as CloudFormation's own schemas have them, nothing unused."""
    lint = Path(sys.executable).with_name("cfn-lint")
    command = [str(lint), str(path(name))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_data_outlives_its_stack(name: str) -> None:
    """A user who deletes a stack, or renames its bucket, keeps the data."""
    found = [it for kind in KEPT for it in resources(name, kind).values()]
    assert len(found) == len(KEPT)
    assert all(it.items() >= RETAIN.items() for it in found)


@pytest.mark.parametrize("name", NAMES)
def test_buckets_are_closed(name: str) -> None:
    """Encrypted, nothing public, no ACLs, no request without TLS."""
    (bucket,) = resources(name, "S3::Bucket").values()
    about = bucket["Properties"]
    assert all(about["PublicAccessBlockConfiguration"].values())
    assert len(about["PublicAccessBlockConfiguration"]) == 4
    assert about["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert "SSEAlgorithm" in str(about["BucketEncryption"])
    (policy,) = resources(name, "S3::BucketPolicy").values()
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize("name", NAMES)
def test_no_policy_allows_more_than_it_names(name: str) -> None:
    """There are no wildcards for actions or all resources.

    Only a function's URL is open to everybody.
    """
    allowed = [node for node in nodes(template(name)) if is_allowed(node)]
    assert allowed
    for statement in allowed:
        assert "*" not in str(statement["Action"]), statement
        assert statement.get("Resource", "") != "*", statement
        assert statement.get("Principal", "") != "*", statement


def is_allowed(node: Any) -> bool:
    """Tell whether a part of a template is a statement that allows something."""
    return isinstance(node, dict) and node.get("Effect") == "Allow"


@pytest.mark.parametrize("section", ["Parameters", "Conditions", "Rules", "Resources", "Outputs"])
def test_what_is_called_the_same_is_the_same(section: str) -> None:
    """A user who knows one template knows the others, and a fix reaches all of them."""
    seen: dict[str, Any] = {}
    for name in NAMES:
        for key, it in template(name).get(section, {}).items():
            if section == "Outputs":
                it.pop("Description", None)
            if key not in DIFFERENT:
                assert seen.setdefault(key, it) == it, f"{key} in {name}.yaml"


@pytest.mark.parametrize("name", TEMPLATES)
def test_variables_are_ours(name: str) -> None:
    """A misspelled one would be passed over in silence by CloudFormation."""
    known = {variable for setting in SETTINGS for variable in setting.names}
    (function,) = resources(name, "Lambda::Function").values()
    assert function["Properties"]["Environment"]["Variables"].keys() <= known


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_code_hands_over_to_a_runtime_that_is_there(name: str) -> None:
    """The module is run as a program, in the layer; and its extension has nothing to collect."""
    if name == "function":
        return
    (function,) = resources(name, "Lambda::Function").values()
    about = function["Properties"]
    found = re.search(r'"-m", "otlp2parquet_ext\.([a-z.]+)"', about["Code"]["ZipFile"])
    assert found
    source = (PACKAGE / found[1].replace(".", "/")).with_suffix(".py").read_text()
    assert 'if __name__ == "__main__":\n    main()' in source
    assert "OTLP2PARQUET_DESTINATION" not in about["Environment"]["Variables"]


@pytest.mark.parametrize("name", NAMES)
def test_the_version_is_this_one(name: str) -> None:
    """It names the folder in which publish_layer.sh leaves the zip."""
    assert template(name)["Parameters"]["LambdaVersion"]["Default"] == __version__


def test_who_comes_from_otlp2parquet_finds_what_he_had() -> None:
    """Each parameter and output of its templates that has a meaning here; see docs/deploy.md."""
    assert template("ingest")["Parameters"].keys() >= SEED_PARAMETERS
    assert template("ingest")["Outputs"].keys() >= SEED_OUTPUTS
