"""A Glue that refuses, times out or forgets: the outcome, and the message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lake_bench import soon
from scripted_catalog import CUT, Answer, Scripted, scripted

from otlp2parquet_ext.lake.http.aws import AwsClient
from otlp2parquet_ext.lake.http.client import Client
from otlp2parquet_ext.lake.http.credentials import CredentialSource
from otlp2parquet_ext.lake.iceberg.catalogs import remedies
from otlp2parquet_ext.lake.iceberg.catalogs.glue_catalog import GlueName, GluePointer
from otlp2parquet_ext.lake.iceberg.commit.catalog import OutcomeUnknownError
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.records.tables.logs import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret"}
OLD, NEW = "s3://b/t/metadata/1.json", "s3://b/t/metadata/2.json"
PARAMETERS = {"table_type": "ICEBERG", "metadata_location": OLD}
TABLE = Answer(200, {"Table": {"Name": "logs", "VersionId": "7", "Parameters": PARAMETERS}})
DONE = Answer(200, {})


def refusal(type_: str, status: int = 400, message: str = "because") -> Answer:
    """Refuse as Glue does."""
    return Answer(status, {"__type": type_, "Message": message})


MISSING = refusal("EntityNotFoundException")


@pytest.fixture
def server() -> Iterator[Scripted]:
    """Start a Glue with scripted answers."""
    with scripted() as found:
        yield found


def pointer(server: Scripted, catalog_id: str = "") -> GluePointer:
    """Open its table."""
    client = Client()
    keys = CredentialSource(KEYS, client)
    aws = AwsClient(client, keys, region="eu-west-1", service="glue")
    name = GlueName(server.url, "otel", "logs", catalog_id)
    fixes = remedies.glue("otel", "logs", "eu-west-1")
    return GluePointer(aws, name, fixes, COLUMNS, "s3://b/t")


def swap(found: GluePointer) -> bool:
    """Commit on top of the current version."""
    assert found.current(soon()) == OLD
    return found.swap(OLD, NEW, soon())


def operations(server: Scripted) -> list[str]:
    """Return the requested operations."""
    return [asked.headers["x-amz-target"].removeprefix("AWSGlue.") for asked in server.asked]


def test_a_swap_names_the_version_it_was_made_for(server: Scripted) -> None:
    """The version is the fence, and Glue archives no copy of the old one."""
    server.answers = [TABLE, DONE]
    assert swap(pointer(server))
    assert operations(server) == ["GetTable", "UpdateTable"]
    asked = server.asked[1].json
    assert (asked["VersionId"], asked["SkipArchive"], asked["DatabaseName"]) == ("7", True, "otel")
    assert asked["TableInput"]["Parameters"]["metadata_location"] == NEW
    assert "CatalogId" not in asked
    assert "/eu-west-1/glue/aws4_request" in server.asked[1].headers["authorization"]


def test_a_catalog_of_another_account_is_named_in_every_request(server: Scripted) -> None:
    """It may be the catalog of a central account."""
    server.answers = [TABLE, DONE]
    assert swap(pointer(server, "210987654321"))
    assert [asked.json["CatalogId"] for asked in server.asked] == ["210987654321"] * 2


def test_a_version_serves_one_swap(server: Scripted) -> None:
    """The same version cannot be the current one twice."""
    server.answers = [TABLE, DONE]
    found = pointer(server)
    assert swap(found)
    assert not found.swap(NEW, "s3://b/t/metadata/3.json", soon())
    assert len(server.asked) == 2


def test_somebody_elses_commit_is_a_conflict(server: Scripted) -> None:
    """Either Glue reports it, or its table shows it before our request."""
    server.answers = [TABLE, refusal("ConcurrentModificationException")]
    found = pointer(server)
    assert not swap(found)
    server.answers = [TABLE]
    found.current(soon())
    assert not found.swap("s3://b/t/metadata/0.json", NEW, soon())


@pytest.mark.parametrize(
    "answer",
    [
        refusal("OperationTimeoutException"),
        refusal("InternalServiceException", 500),
        refusal("ServiceUnavailable", 503),
        CUT,
    ],
)
def test_an_answer_that_leaves_it_open_is_unknown(server: Scripted, answer: Answer) -> None:
    """The commit is looked up, and never sent twice."""
    server.answers = [TABLE, answer]
    with pytest.raises(OutcomeUnknownError, match="the commit: "):
        swap(pointer(server))
    assert operations(server) == ["GetTable", "UpdateTable"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            refusal("AccessDeniedException"),
            r"glue:UpdateTable on arn:aws:glue:eu-west-1:\*:catalog, .*:table/otel/logs",
        ),
        (refusal("EntityNotFoundException"), "the table was dropped or renamed"),
        (refusal("ThrottlingException", 400, "Rate exceeded"), "OTLP2PARQUET_COMMIT=inbox"),
        (refusal("ExpiredTokenException"), "credentials are those of the function's role"),
        (refusal("InvalidInputException", 400, "what?"), r"InvalidInputException: what\?"),
        (refusal("ResourceNumberLimitExceededException"), "ResourceNumberLimitExceeded"),
    ],
)
def test_a_refused_commit_says_what_to_do(server: Scripted, answer: Answer, said: str) -> None:
    """The message has Glue's text, and the permission or setting that solves it."""
    server.answers = [TABLE, answer]
    with pytest.raises(CommitError, match=said):
        swap(pointer(server))


@pytest.mark.parametrize(
    ("answers", "action"),
    [
        ([refusal("AccessDeniedException")], "glue:CreateTable"),
        ([MISSING, refusal("AccessDeniedException")], "glue:CreateDatabase"),
    ],
)
def test_a_refused_creation_names_the_action(
    server: Scripted, answers: list[Answer], action: str
) -> None:
    """Most roles may not create databases, and do not need to if the database exists."""
    server.answers = answers
    with pytest.raises(CommitError, match=action):
        pointer(server).create(OLD, soon())


def test_a_refused_question_names_the_action(server: Scripted) -> None:
    """This is the first request of a function whose role was not prepared."""
    server.answers = [refusal("AccessDeniedException", 400, "not authorized to perform")]
    with pytest.raises(CommitError, match=r"not authorized to perform; .*glue:GetTable"):
        pointer(server).current(soon())


def test_creating_makes_the_database_only_if_it_is_missing(server: Scripted) -> None:
    """If another environment has just created it, that is no error."""
    exists = refusal("AlreadyExistsException")
    server.answers = [MISSING, exists, exists]
    pointer(server).create(OLD, soon())
    assert operations(server) == ["CreateTable", "CreateDatabase", "CreateTable"]
    server.asked.clear()
    server.answers = [DONE]
    pointer(server).create(OLD, soon())
    assert operations(server) == ["CreateTable"]


def test_a_table_that_is_not_there_is_none(server: Scripted) -> None:
    """The same holds if its database does not exist."""
    server.answers = [MISSING]
    assert pointer(server).current(soon()) is None


@pytest.mark.parametrize(
    "table", [{"Name": "logs"}, {"Parameters": {"classification": "parquet"}}, {"TargetTable": {}}]
)
def test_a_name_taken_by_another_kind_of_table_is_said(
    server: Scripted, table: dict[str, object]
) -> None:
    """A crawler has created it, or it is a link to another account's table."""
    server.answers = [Answer(200, {"Table": table | {"VersionId": "0"}})]
    with pytest.raises(CommitError, match="taken by a table that is not Iceberg's"):
        pointer(server).current(soon())


def test_questions_are_asked_again(server: Scripted) -> None:
    """Read requests change nothing, so they are repeated."""
    server.answers = [refusal("ThrottlingException"), CUT, TABLE]
    assert pointer(server).current(soon()) == OLD
