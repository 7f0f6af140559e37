"""docs/iam.md shows the tested policies, and the purpose of each of their actions."""

from __future__ import annotations

import pytest
from policy_documents import FOLDER, actions, document
from policy_pages import PAGE, fails_without, rewritten, shown
from policy_steps import COMMITTER, WRITER

from otlp2parquet_ext.lake.iceberg.catalogs.remedies import GLUE, S3_TABLES
from otlp2parquet_ext.lake.storage.s3_errors import Action

NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
TABLES = [
    ("Plain files in S3", "plain-s3"),
    ("AWS Glue", "glue"),
    ("S3 Tables", "s3-tables"),
    ("REST catalogs", "rest"),
    ("Environments that only store", "inbox-mode"),
    ("The committer", "glue"),
    ("An inbox in another bucket: the writer", "inbox-apart"),
    ("An inbox in another bucket: the committer", "inbox-apart"),
]


def test_the_page_shows_each_policy_as_it_is() -> None:
    """`make docs` puts them there."""
    page = PAGE.read_text()
    assert rewritten(page) == page
    assert sorted(shown(page)) == [f"iam/{name}.json" for name in NAMES]


@pytest.mark.parametrize(("section", "policy"), TABLES)
def test_the_page_says_what_each_action_is_for(section: str, policy: str) -> None:
    """In the policy's order, with steps that the page explains."""
    table = fails_without(section)
    assert list(table) == actions(document(policy))
    assert set().union(*table.values()) <= WRITER.keys() | COMMITTER.keys()


def test_errors_ask_for_what_the_policies_allow() -> None:
    """A user who follows the errors gets exactly the policy."""
    s3 = {action.value[1] for action in Action}
    glue = set(GLUE.values()) - {"glue:GetCatalog"}  # of Glue's REST endpoint only
    assert set(actions(document("glue"))) == s3 | glue
    asked = " ".join(S3_TABLES.values()).replace(",", "").replace(" and ", " ").split()
    assert set(actions(document("s3-tables"))) == set(asked)
