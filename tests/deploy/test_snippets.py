"""The Terraform module and the CDK construct, tested as far as possible without an account.

`terraform validate` needs AWS's provider, which is in no registry that tests may use. So a parser
of the language reads the module, and it is compared with its template.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from built_tools import needed
from policy_documents import document
from template_files import FOLDER, template

from otlp2parquet_ext.common.settings.table import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
MODULE = FOLDER / "terraform"
OURS = {name for setting in SETTINGS for name in setting.names}


def run(command: list[str], **environ: str) -> str:
    """Run a program that has to succeed; return what it prints."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environ}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def module() -> dict[str, list[dict[str, Any]]]:
    """Read the module: blocks by type."""
    program = needed("deploy") / "bin" / "hcl2tojson"
    blocks: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(MODULE.glob("*.tf")):
        for kind, found in json.loads(run([str(program), str(file)])).items():
            if isinstance(found, list):
                blocks.setdefault(kind, []).extend(found)
    return blocks


def unquoted(name: str) -> str:
    """Return a label as written in the source."""
    return name.strip('"')


def test_every_variable_of_the_module_is_declared_described_and_used() -> None:
    """Terraform refuses undeclared variables, but does not report unused ones."""
    declared = {
        unquoted(name): about for block in module()["variable"] for name, about in block.items()
    }
    text = "\n".join(file.read_text() for file in sorted(MODULE.glob("*.tf")))
    assert set(re.findall(r"\bvar\.(\w+)", text)) == set(declared)
    assert all(about.get("description") for about in declared.values())
    without_default = [name for name, about in declared.items() if "default" not in about]
    assert without_default == ["layer_arn"]


def test_the_module_gives_the_template_parameters_it_has_and_reads_outputs_it_has() -> None:
    """Terraform would find out when it deploys."""
    text = (MODULE / "main.tf").read_text()
    given = set(re.findall(r"^    ([A-Z]\w+) +=", text, re.MULTILINE))
    assert given
    assert given <= template("committer")["Parameters"].keys()
    assert 'file("${path.module}/../committer.yaml")' in text
    outputs = (MODULE / "outputs.tf").read_text()
    read = set(re.findall(r'local\.made(?:\[|, )"(\w+)"', outputs))
    assert read
    assert read <= template("committer")["Outputs"].keys()
    assert set(re.findall(r"\bOTLP2PARQUET_\w+", outputs)) <= OURS
    assert [unquoted(name) for block in module()["output"] for name in block] == [
        "layers",
        "variables",
        "policy_arn",
        "data_location",
        "bucket_name",
    ]


def test_defaults_of_the_module_are_the_templates() -> None:
    """Two ways to deploy one thing."""
    text = (MODULE / "main.tf").read_text()
    pairs = dict(re.findall(r"^    ([A-Z]\w+) += (?:tostring\()?var\.(\w+)", text, re.MULTILINE))
    declared = {
        unquoted(name): about for block in module()["variable"] for name, about in block.items()
    }
    parameters = template("committer")["Parameters"]
    for parameter, variable in pairs.items():
        if variable not in ("layer_arn", "create_bucket"):
            default = unquoted(str(declared[variable]["default"]))
            assert default == str(parameters[parameter]["Default"]), parameter


def test_the_module_is_written_as_terraform_writes_it() -> None:
    """Terraform's own reader finds no mistake, and its formatter nothing to change."""
    terraform = shutil.which("terraform") or shutil.which("tofu")
    if terraform is None:
        pytest.skip("Terraform is not installed: see opentofu.org/docs/intro/install")
    run([terraform, "fmt", "-check", "-diff", str(MODULE)], CHECKPOINT_DISABLE="1")


@pytest.fixture(scope="module")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the CDK app; return the template it makes."""
    python = needed("deploy") / "bin" / "python"
    if shutil.which("node") is None:
        pytest.skip("Node is not installed: apt-get install nodejs")
    made = tmp_path_factory.mktemp("cdk")
    about = {"CDK_OUTDIR": str(made), "PYTHONDONTWRITEBYTECODE": "1"}
    run([str(python), str(FOLDER / "cdk" / "app.py")], **about)
    return made / "telemetry-sample.template.json"


def of_type(path: Path, kind: str) -> Mapping[str, Any]:
    """Return the only resource of a type."""
    (found,) = (
        it
        for it in json.loads(path.read_text())["Resources"].values()
        if it["Type"] == f"AWS::{kind}"
    )
    resource: Mapping[str, Any] = found
    return resource


def test_cloudformation_would_take_what_the_construct_makes(synthesized: Path) -> None:
    """The CDK states a dependency twice, which is its own matter."""
    lint = Path(sys.executable).with_name("cfn-lint")
    assert run([str(lint), str(synthesized), "--ignore-checks", "W3005"]) == ""


def test_the_construct_adds_to_a_function_and_takes_nothing(synthesized: Path) -> None:
    """Its own variables stay; its role gets one more policy, that of docs/iam."""
    about = of_type(synthesized, "Lambda::Function")["Properties"]
    variables = about["Environment"]["Variables"]
    assert variables["OWN"] == "stays"
    assert variables.keys() - {"OWN"} <= OURS
    assert len(about["Layers"]) == 1
    (statement,) = of_type(synthesized, "IAM::ManagedPolicy")["Properties"]["PolicyDocument"][
        "Statement"
    ]
    (wanted,) = document("plain-s3")["Statement"]
    assert (statement["Sid"], statement["Action"]) == (wanted["Sid"], wanted["Action"])
    assert "/lake/*" in str(statement["Resource"])
    assert "ManagedPolicyArns" in of_type(synthesized, "IAM::Role")["Properties"]


def test_the_construct_keeps_data_and_lets_nobody_in(synthesized: Path) -> None:
    """As the templates do."""
    bucket = of_type(synthesized, "S3::Bucket")
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")
    about = bucket["Properties"]
    assert all(about["PublicAccessBlockConfiguration"].values())
    assert "SSEAlgorithm" in str(about["BucketEncryption"])
    assert "aws:SecureTransport" in str(of_type(synthesized, "S3::BucketPolicy"))
