"""A REST catalog that refuses, hangs, cuts or forgets: the outcome, and the message."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from lake_bench import Home, bodies_at, soon
from scripted_catalog import CUT, SILENCE, Answer, Scripted, scripted

from otlp2parquet_ext.lake.http.address import same_family
from otlp2parquet_ext.lake.http.aws import AwsClient
from otlp2parquet_ext.lake.http.client import Client
from otlp2parquet_ext.lake.http.credentials import CredentialSource
from otlp2parquet_ext.lake.iceberg import open_table
from otlp2parquet_ext.lake.iceberg.catalogs.rest_client import RestTable
from otlp2parquet_ext.lake.iceberg.catalogs.signing import signing, table_bucket
from otlp2parquet_ext.lake.iceberg.commit.catalog import OutcomeUnknownError, Version
from otlp2parquet_ext.lake.iceberg.commit.terms import Terms
from otlp2parquet_ext.lake.iceberg.format.new_table import new_table
from otlp2parquet_ext.lake.iceberg.format.snapshot import TableChange
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.records.tables.logs import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otlp2parquet_ext.lake.iceberg.catalogs.rest_catalog import RestCatalog

BASE = new_table(COLUMNS, "s3://bucket/otel/logs", 1)
CHANGE = TableChange({"snapshot-id": 7, "sequence-number": 1}, frozenset(), {"a": "b"})
ARN = "arn:aws:s3tables:eu-west-1:123456789012:bucket/lake"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret"}

CONFIG = Answer(200, {"defaults": {}, "overrides": {}})
TABLE = Answer(200, {"metadata-location": "s3://m/1.json", "metadata": BASE, "config": {}})
MOVED = BASE | {"last-updated-ms": 2}
LANDED = Answer(200, {"metadata-location": "s3://m/2.json", "metadata": MOVED})


def refusal(status: int, type_: str = "Refused", message: str = "because") -> Answer:
    """Refuse in the specification's form."""
    return Answer(status, {"error": {"message": message, "type": type_, "code": status}})


OURS = "our-token"
CONFLICT = refusal(409, "CommitFailedException")


@pytest.fixture
def server() -> Iterator[Scripted]:
    """Start a catalog with scripted answers."""
    with scripted() as found:
        yield found


def catalog(server: Scripted, token: str = "", credential: str = "") -> RestCatalog:
    """Open its table."""
    wanted = RestTable(server.url, "lake", "otel", "logs")
    return open_table.bearer_catalog(Client(), wanted, token=token, credential=credential)


def table_bucket_catalog(server: Scripted) -> RestCatalog:
    """Open it as a table of S3 Tables."""
    client = Client()
    wanted = table_bucket(ARN, "otel", "logs", server.url)
    assert wanted is not None
    signed = signing(wanted.uri, wanted.warehouse)
    assert signed is not None
    keys = CredentialSource(KEYS, client)
    aws = AwsClient(client, keys, region=signed.region, service=signed.service)
    return open_table.signed_catalog(aws, wanted, signed)


def commit(found: RestCatalog, deadline_ms: int | None = None) -> bool:
    """Commit on top of the known table."""
    base = found.load(soon())
    assert base is not None
    return found.commit(base, CHANGE, deadline_ms or soon())


def paths(server: Scripted) -> list[str]:
    """Return the requested paths."""
    return [f"{asked.method} {asked.path}" for asked in server.asked]


def test_the_answer_to_a_commit_is_the_next_flushs_table(server: Scripted) -> None:
    """A steady flush sends the catalog one request, its commit."""
    server.answers = [CONFIG, TABLE, LANDED]
    found = catalog(server)
    assert commit(found)
    assert commit(found)
    assert found.load(soon()) == Version("s3://m/2.json", MOVED)
    table = "/v1/namespaces/otel/tables/logs"
    assert paths(server) == [
        "GET /v1/config?warehouse=lake",
        f"GET {table}",
        f"POST {table}",
        f"POST {table}",
    ]


def changed(number: int, ago_ms: int) -> Answer:
    """Return the table after a recent change of others."""
    moved = BASE | {"last-updated-ms": time.time_ns() // 1_000_000 - ago_ms}
    return Answer(200, {"metadata-location": f"s3://m/{number}.json", "metadata": moved})


def test_after_a_lost_race_the_table_is_asked_for_until_we_are_alone_again(
    server: Scripted,
) -> None:
    """While others write, reading the table is cheaper than a commit that loses."""
    ours = changed(5, 0)
    server.answers = [CONFIG, TABLE, CONFLICT, changed(2, 5), changed(3, 4), changed(4, 3), ours]
    found = catalog(server)
    assert not commit(found)  # GET, POST
    assert commit(found)  # GET, POST
    assert commit(found)  # GET, for others may still be there, and are: POST
    server.asked.clear()
    server.answers = [ours]
    assert commit(found)  # GET: as we left it; POST
    assert commit(found)  # POST
    assert [asked.method for asked in server.asked] == ["GET", "POST", "POST"]


def test_a_table_that_was_changed_a_moment_ago_is_not_ours_alone(server: Scripted) -> None:
    """Without this each environment of a fleet would lose its second commit."""
    server.answers = [CONFIG, changed(1, 2_000), LANDED, LANDED, LANDED]
    found = catalog(server)
    assert commit(found)
    assert commit(found)
    assert [asked.method for asked in server.asked[1:]] == ["GET", "POST", "GET", "POST"]


def test_memory_is_trusted_for_a_minute(server: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a freeze of an hour we might expire a snapshot that has a new tag."""
    server.answers = [CONFIG, TABLE, LANDED]
    found = catalog(server)
    assert commit(found)
    server.asked.clear()
    now_ns = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now_ns + 61 * 10**9)
    server.answers = [TABLE]
    assert found.load(soon()) == Version("s3://m/1.json", BASE)
    assert [asked.method for asked in server.asked] == ["GET"]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 507, 408, 302])
def test_an_answer_that_leaves_it_open_is_unknown(server: Scripted, status: int) -> None:
    """The commit is looked up, and none of its files is deleted."""
    server.answers = [CONFIG, TABLE, refusal(status)]
    with pytest.raises(OutcomeUnknownError, match=f"the commit: HTTP {status}"):
        commit(catalog(server))
    assert len(server.asked) == 3  # never sent again


def test_a_cut_connection_is_unknown(server: Scripted) -> None:
    """The request had been sent."""
    server.answers = [CONFIG, TABLE, CUT]
    with pytest.raises(OutcomeUnknownError, match="was not answered"):
        commit(catalog(server))
    assert len(server.asked) == 3


@pytest.mark.timing
def test_silence_until_the_deadline_is_unknown(server: Scripted) -> None:
    """A catalog that hangs may still be working on it."""
    server.answers = [CONFIG, TABLE, SILENCE]
    began = time.monotonic()
    with pytest.raises(OutcomeUnknownError, match="was not answered"):
        commit(catalog(server), soon(300))
    assert time.monotonic() - began < 5


def test_an_unknown_commit_is_looked_up(server: Scripted) -> None:
    """The remembered table from before is not used any more."""
    server.answers = [CONFIG, TABLE, CUT, LANDED]
    found = catalog(server)
    with pytest.raises(OutcomeUnknownError):
        commit(found)
    assert found.load(soon()) == Version("s3://m/2.json", MOVED)
    assert server.asked[-1].method == "GET"


def test_a_catalog_that_is_down_has_not_committed(server: Scripted) -> None:
    """Nothing was sent, so the files of the commit can be deleted."""
    server.answers = [CONFIG, TABLE]
    found = catalog(server)
    base = found.load(soon())
    assert base is not None
    found._client._config = found._client.config(soon())  # known; only the table's address is dead
    found._client._wanted = RestTable("http://127.0.0.1:9", "lake", "otel", "logs")
    with pytest.raises(CommitError, match=r"the commit: http://127\.0\.0\.1:9"):
        found.commit(base, CHANGE, soon(1_000))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refusal(404, "NoSuchTableException"), "the table was dropped or renamed"),
        (refusal(429), "OTLP2PARQUET_COMMIT=inbox"),
        (refusal(400, "ThrottlingException"), "OTLP2PARQUET_COMMIT=inbox"),
        (refusal(400, "BadRequestException", "no such update"), "BadRequestException: no such"),
        (refusal(401), "OTLP2PARQUET_REST_TOKEN is wrong, or has expired"),
        (refusal(419), "OTLP2PARQUET_REST_TOKEN is wrong, or has expired"),
        (refusal(403), "it has to allow the commit on otel.logs"),
    ],
)
def test_a_refused_commit_says_what_to_do(server: Scripted, answer: Answer, said: str) -> None:
    """One line has the catalog's text, and the setting or permission that solves it."""
    server.answers = [CONFIG, TABLE, answer]
    with pytest.raises(CommitError, match=said):
        commit(catalog(server, token="secret"))  # noqa: S106 - an example
    assert len(server.asked) == 3


def test_without_credentials_the_settings_are_named(server: Scripted) -> None:
    """Users often forget to set them."""
    server.answers = [refusal(401)]
    with pytest.raises(CommitError, match=r"OTLP2PARQUET_REST_TOKEN or .*_CREDENTIAL"):
        catalog(server).load(soon())


@pytest.mark.parametrize(
    ("answers", "action", "operation"),
    [
        ([refusal(403)], "s3tables:GetTableBucket", "load"),
        ([CONFIG, refusal(403)], "s3tables:GetTableMetadataLocation", "load"),
        ([CONFIG, TABLE, refusal(403)], "s3tables:CreateTable", "create"),
        ([CONFIG, refusal(403), refusal(404)], "s3tables:CreateNamespace", "create"),
        ([CONFIG, TABLE, refusal(403)], "s3tables:UpdateTableMetadataLocation", "commit"),
    ],
)
def test_s3_tables_refusals_name_the_action_and_the_bucket(
    server: Scripted, answers: list[Answer], action: str, operation: str
) -> None:
    """The role's policy needs both."""
    server.answers = answers
    found = table_bucket_catalog(server)
    calls: dict[str, Callable[[], object]] = {
        "load": lambda: found.load(soon()),
        "create": lambda: found.create(BASE, soon()),
        "commit": lambda: commit(found),
    }
    with pytest.raises(CommitError, match=action) as refused:
        calls[operation]()
    assert f"{ARN}/table/*" in str(refused.value)


def test_a_table_bucket_is_asked_below_its_quoted_arn_and_signed(server: Scripted) -> None:
    """This holds even if the catalog does not return its prefix."""
    server.answers = [CONFIG, TABLE]
    assert table_bucket_catalog(server).load(soon()) is not None
    quoted = "arn%3Aaws%3As3tables%3Aeu-west-1%3A123456789012%3Abucket%2Flake"
    assert paths(server) == [
        f"GET /iceberg/v1/config?warehouse={quoted}",
        f"GET /iceberg/v1/{quoted}/namespaces/otel/tables/logs",
    ]
    assert "/eu-west-1/s3tables/aws4_request" in server.asked[0].headers["authorization"]


@pytest.mark.parametrize(
    "answers",
    [[refusal(503), CONFIG, TABLE], [CONFIG, refusal(429), CUT, TABLE]],
    ids=["config", "load"],
)
def test_questions_are_asked_again(server: Scripted, answers: list[Answer]) -> None:
    """Read requests change nothing, so they are repeated."""
    server.answers = answers
    assert catalog(server).load(soon()) is not None


def test_a_table_that_is_not_there_is_none(server: Scripted) -> None:
    """The same holds if its namespace does not exist."""
    for type_ in ("NoSuchTableException", "NoSuchNamespaceException"):
        server.answers = [CONFIG, refusal(404, type_)]
        assert catalog(server).load(soon()) is None


def test_a_wrong_warehouse_is_said(server: Scripted) -> None:
    """The error comes before anything is created in a wrong place."""
    server.answers = [refusal(404, "NoSuchWarehouseException", "lake?")]
    with pytest.raises(CommitError, match=r"lake\?; the warehouse, or the catalog's address"):
        catalog(server).load(soon())


def test_an_address_without_a_catalog_is_said(server: Scripted) -> None:
    """Any web server answers with something."""
    server.answers = [Answer(200, b"<html>")]
    with pytest.raises(CommitError, match="is not a REST catalog's"):
        catalog(server).load(soon())


@pytest.mark.parametrize("answer", [Answer(200, {}), refusal(409), refusal(403), refusal(500)])
def test_a_table_is_created_after_its_namespace(server: Scripted, answer: Answer) -> None:
    """Most roles may not create namespaces, and do not need to; the table is tried anyway."""
    server.answers = [CONFIG, *[answer] * (answer.status == 500), answer, TABLE]
    found = catalog(server)
    found.create(BASE, soon())
    assert list(dict.fromkeys(paths(server)[1:])) == [
        "POST /v1/namespaces",
        "POST /v1/namespaces/otel/tables",
    ]
    asked = len(server.asked)
    assert found.load(soon()) is not None
    assert len(server.asked) == asked  # the created table is known


def test_what_somebody_else_just_created_is_fine(server: Scripted) -> None:
    """A fleet starts at once: the namespace exists, and then the table does."""
    exists = refusal(409, "AlreadyExistsException")
    server.answers = [CONFIG, exists, exists]
    catalog(server).create(BASE, soon())
    assert len(server.asked) == 3


def test_a_commit_whose_answer_cannot_be_read_has_landed(server: Scripted) -> None:
    """The status is a success; the table is read the next time."""
    server.answers = [CONFIG, TABLE, Answer(200, b"{"), TABLE]
    found = catalog(server)
    assert commit(found)
    assert found.load(soon()) is not None
    assert server.asked[-1].method == "GET"


TOKEN = Answer(200, {"access_token": "first", "token_type": "bearer", "expires_in": 3600})
SECOND = Answer(200, {"access_token": "second", "token_type": "bearer"})


def test_a_credential_gets_a_token_once(server: Scripted) -> None:
    """OAuth2, with the parameters of Iceberg's own clients."""
    server.answers = [TOKEN, CONFIG, TABLE]
    catalog(server, credential="me:p:w").load(soon())
    assert paths(server)[0] == "POST /v1/oauth/tokens"
    assert parse_qs(server.asked[0].body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["me"],
        "client_secret": ["p:w"],
        "scope": ["catalog"],
    }
    assert [a.headers.get("authorization") for a in server.asked] == [None] + ["Bearer first"] * 2


def test_a_token_that_is_not_accepted_any_more_is_replaced_even_for_a_commit(
    server: Scripted,
) -> None:
    """A request without a valid token had no effect, so the commit is sent again."""
    server.answers = [TOKEN, CONFIG, TABLE, refusal(401), SECOND, LANDED]
    assert commit(catalog(server, credential="me:secret"))
    assert server.asked[-1].headers["authorization"] == "Bearer second"
    assert server.asked[-1].json == server.asked[3].json


def test_a_token_is_fetched_again_before_it_ends(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This also holds if its hour passed during a freeze."""
    server.answers = [TOKEN, CONFIG, TABLE, SECOND, TABLE]
    found = catalog(server, credential="me:secret")
    found.load(soon())
    now, now_ns = time.time(), time.time_ns()
    monkeypatch.setattr(time, "time", lambda: now + 3_590)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns + 3_590 * 10**9)
    found.load(soon(4_000_000))
    assert server.asked[-1].headers["authorization"] == "Bearer second"


def test_a_credential_that_is_refused_is_named(server: Scripted) -> None:
    """The refusal has the form of OAuth2."""
    server.answers = [Answer(401, {"error": "invalid_client", "error_description": "who?"})]
    with pytest.raises(CommitError, match=r"who\?.*OTLP2PARQUET_REST_CREDENTIAL=client_id"):
        catalog(server, credential="me:secret").load(soon())


def test_the_catalogs_own_prefix_and_address_are_used(server: Scripted) -> None:
    """One server may have many catalogs."""
    overrides = {"prefix": "ws/7", "uri": f"{server.url}/other"}
    server.answers = [Answer(200, {"defaults": {}, "overrides": overrides}), TABLE]
    catalog(server).load(soon())
    assert paths(server)[1] == "GET /other/v1/ws/7/namespaces/otel/tables/logs"


@pytest.mark.parametrize(
    "changes",
    [
        {"snapshots": None},
        {"refs": None},
        {"current-snapshot-id": None},
        {"current-snapshot-id": -1},
        {"properties": None},
        {"snapshot-log": None, "metadata-log": None, "sort-orders": None},
    ],
    ids=str,
)
def test_metadata_with_fields_left_out_is_appended_to(
    server: Scripted, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """Some writers leave out fields that the specification calls optional."""
    home = Home(tmp_path)
    metadata = BASE | {"location": str(home.location)} | changes
    for left_out in [name for name, value in changes.items() if value is None]:
        del metadata[left_out]
    server.answers = [CONFIG, Answer(200, {"metadata": metadata}), LANDED]
    disk = LocalStorage(Path("/"))
    table = open_table.rest_table(catalog(server), disk, label="otel.logs")
    table.commit(home.store(bodies_at(0, "a"), "a"), soon())
    requirements = server.asked[-1].json["requirements"]
    assert requirements[1] == {"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": None}


def test_a_table_is_not_created_when_that_is_forbidden(server: Scripted, tmp_path: Path) -> None:
    """Some users create every table themselves."""
    server.answers = [CONFIG, refusal(404)]
    home, disk = Home(tmp_path), LocalStorage(Path("/"))
    table = open_table.rest_table(
        catalog(server), disk, label="otel.logs", terms=Terms(create=False)
    )
    with pytest.raises(CommitError, match="OTLP2PARQUET_CREATE_TABLE=off forbids to create it"):
        table.commit(home.store(bodies_at(0, "a"), "a"), soon())
    assert len(server.asked) == 2


def test_a_catalog_that_numbers_columns_anew_is_refused(server: Scripted, tmp_path: Path) -> None:
    """With other ids our values would appear under other names."""
    fields = BASE["schemas"][0]["fields"]
    shifted = [field | {"id": field["id"] % len(fields) + 1} for field in fields]
    shifted = [f | {"type": by_id(fields, f["id"])["type"]} for f in shifted]
    schemas = [BASE["schemas"][0] | {"fields": shifted}]
    home, disk = Home(tmp_path), LocalStorage(Path("/"))
    server.answers = [CONFIG, Answer(200, {"metadata": BASE | {"schemas": schemas}})]
    table = open_table.rest_table(catalog(server), disk, label="otel.logs")
    with pytest.raises(CommitError, match=r"Timestamp is string; ours, .* is timestamptz"):
        table.commit(home.store(bodies_at(0, "a"), "a"), soon())


def by_id(fields: list[dict[str, Any]], field_id: int) -> dict[str, Any]:
    """Return the field of that id."""
    return next(field for field in fields if field["id"] == field_id)


def test_a_catalog_moves_our_token_to_no_other_host(server: Scripted) -> None:
    """An attacker may control its configuration. The token is for the host in the user's URL."""
    with scripted() as other:
        other.answers = [TABLE]
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        server.answers = [Answer(200, {"defaults": {}, "overrides": {"uri": elsewhere}})]
        with pytest.raises(CommitError, match=r"overrides\.uri leads from .* not followed"):
            catalog(server, token=OURS).load(soon())
        assert other.asked == []


def test_a_catalog_may_move_us_below_its_own_host(server: Scripted) -> None:
    """Some catalogs have a path for each warehouse."""
    moved = Answer(200, {"defaults": {}, "overrides": {"uri": f"{server.url}/lake"}})
    server.answers = [moved, TABLE]
    assert catalog(server, token=OURS).load(soon()) is not None
    assert server.asked[1].path.startswith("/lake/v1/")


@pytest.mark.parametrize(
    ("theirs", "followed"),
    [
        ("https://c.example.com:8443/x", True),
        ("https://eu.c.example.com", True),
        ("http://c.example.com", False),
        ("https://example.com", False),
        ("https://xc.example.com", False),
        ("https://c.example.com.evil.net", False),
    ],
)
def test_only_the_same_host_and_those_below_it_are_of_one_family(
    theirs: str, *, followed: bool
) -> None:
    """Another customer of the same cloud may share the domain."""
    assert same_family(theirs, "https://c.example.com/api") is followed


@pytest.mark.parametrize(
    ("uri", "warned"),
    [("http://c.example.com", True), ("https://c.example.com", False), ("http://[::1]:1", False)],
)
def test_a_token_sent_in_the_clear_is_warned_of(
    uri: str, capfd: pytest.CaptureFixture[str], *, warned: bool
) -> None:
    """Every machine on the way can read it; on loopback there is none."""
    client = Client()
    for table in ("logs", "traces"):
        open_table.bearer_catalog(client, RestTable(uri, "lake", "otel", table), token=OURS)
    assert capfd.readouterr().err.count("our token is sent in the clear") == warned
