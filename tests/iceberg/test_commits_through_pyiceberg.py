"""Failures between our append and a catalog of PyIceberg: answers, deadlines, permissions."""

from __future__ import annotations

import inspect
import json
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, get_type_hints

import boto3
import counting_proxy
import moto_glue
import postgres
import psycopg2  # type: ignore[import-untyped]
import pytest
from catalog_bench import NAME, Warehouse, sqlite, variables
from lake_bench import bodies_at, soon
from pyiceberg.catalog.dynamodb import DynamoDbCatalog
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from requests import Session

from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.lake.destinations.lake import Lake
from otlp2parquet_ext.lake.http.client import new_client
from otlp2parquet_ext.lake.iceberg.catalogs import pyiceberg_open
from otlp2parquet_ext.lake.iceberg.catalogs.deadline_executor import MOST_ABANDONED
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_config import catalog_properties
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_s3 import s3_storage
from otlp2parquet_ext.lake.iceberg.commit.inbox import Inbox
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_catalog import PyIcebergTable
    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    """A table with one row."""
    with sqlite(tmp_path) as found:
        found.append(bodies_at(0, "first"), "first")
        yield found


def honest(really: Callable[[], Any]) -> Any:
    """Do what is asked."""
    return really()


def through(warehouse: Warehouse, *faults: Callable[[Callable[[], Any]], Any]) -> PyIcebergTable:
    """Open the table behind a catalog whose first commits go wrong, as a test writes down."""
    table, left = warehouse.open(), list(faults)
    connect = table._connection._connect

    def faulty() -> Any:
        catalog: Any = connect()
        commit_table = catalog.commit_table

        def commit(*change: Any) -> Any:
            return (left.pop(0) if left else honest)(lambda: commit_table(*change))

        catalog.commit_table = commit
        return catalog

    table._connection._connect = faulty
    return table


def landed_and_lost(really: Callable[[], Any]) -> Any:
    """Commit, and lose the answer."""
    really()
    raise ConnectionResetError("the answer was lost")


def landed_and_refused(really: Callable[[], Any]) -> Any:
    """Commit twice, as a retrying transport does: the second time is a conflict."""
    really()
    raise CommitFailedException("branch main has changed")


def landed_and_unknown(really: Callable[[], Any]) -> Any:
    """Commit, and let the catalog itself report an unknown state."""
    really()
    raise CommitStateUnknownException("gateway timeout")


def never_arrived(really: Callable[[], Any]) -> Any:
    """Lose the request."""
    del really
    raise ConnectionResetError("the request was lost")


def throttled(really: Callable[[], Any]) -> Any:
    """Answer with too many requests, as Glue's REST endpoint does."""
    del really
    raise CommitStateUnknownException("ThrottlingException: Rate exceeded")


@pytest.mark.parametrize(
    "fault", [landed_and_lost, landed_and_refused, landed_and_unknown, never_arrived, throttled]
)
def test_an_unknown_outcome_is_looked_up_before_anything_is_tried_again_or_deleted(
    warehouse: Warehouse, fault: Callable[[Callable[[], Any]], Any]
) -> None:
    """After a conflict PyIceberg's own append deletes manifests that the current snapshot needs."""
    files = warehouse.store(bodies_at(0, "second"), "second")
    through(warehouse, fault).commit(files, soon())
    assert warehouse.bodies() == ["first", "second"]
    warehouse.append(bodies_at(0, "third"), "third")
    assert warehouse.bodies() == ["first", "second", "third"]


def test_a_lost_race_leaves_no_files(warehouse: Warehouse) -> None:
    """Manifest list and metadata of the refused attempt are referenced nowhere, and are deleted."""

    def lost(really: Callable[[], Any]) -> Any:
        return really()

    def faster(really: Callable[[], Any]) -> Any:
        warehouse.append(bodies_at(0, "faster"), "faster")
        return really()

    files = warehouse.store(bodies_at(0, "second"), "second")
    through(warehouse, faster, lost).commit(files, soon())
    assert warehouse.bodies() == ["faster", "first", "second"]
    left = [path.name for path in (warehouse.location / "metadata").iterdir()]
    assert sum(name.startswith("snap-") for name in left) == 3
    assert sum(name.endswith("-m0.avro") for name in left) == 3
    assert sum(name.endswith(".metadata.json") for name in left) == 4


@pytest.mark.timing
def test_a_catalog_that_hangs_is_left_at_the_deadline_and_the_commit_may_land_late(
    warehouse: Warehouse,
) -> None:
    """Lambda kills us two seconds after SHUTDOWN. A late commit is not made again."""
    awake, done = threading.Event(), threading.Event()

    def hangs(really: Callable[[], Any]) -> Any:
        awake.wait(20)
        try:
            return really()
        finally:
            done.set()

    files = warehouse.store(bodies_at(0, "second"), "second")
    table = through(warehouse, hangs)
    started = time.monotonic()
    with pytest.raises(CommitError, match=r"no known outcome: catalog://lake did not answer"):
        table.commit(files, soon(1_500))
    assert 1.0 < time.monotonic() - started < 2.5
    awake.set()
    assert done.wait(20)
    table.commit(files, soon())
    assert warehouse.bodies() == ["first", "second"]


def test_only_so_many_calls_are_left_behind(warehouse: Warehouse) -> None:
    """Each holds a thread and a connection. Later calls fail at once, until some have ended."""
    awake = threading.Event()

    def hangs(really: Callable[[], Any]) -> Any:
        awake.wait(20)
        return really()

    files = warehouse.store(bodies_at(0, "second"), "second")
    table = through(warehouse, *[hangs] * MOST_ABANDONED)
    for _ in range(MOST_ABANDONED):
        with pytest.raises(CommitError):
            table.commit(files, soon(700))
    with pytest.raises(CommitError, match="has not answered 3 earlier calls yet"):
        table.commit(files, soon())
    awake.set()
    for thread in table._connection._executor._abandoned:
        thread.join(20)
    table.commit(files, soon())
    assert warehouse.bodies() == ["first", "second"]


def test_a_catalog_nobody_configured_says_which_variables_are_expected(tmp_path: Path) -> None:
    """The URL or the name of a variable may have a typing error, so the message has both."""
    other = variables("other", uri="sqlite:///x") | {"PYICEBERG_CATALOG__MY_LAKE__TYPE": "glue"}
    warehouse = Warehouse(tmp_path, other)
    files = warehouse.store(bodies_at(0, "a"), "a")
    with pytest.raises(CommitError) as caught:
        warehouse.open().commit(files, soon())
    assert (
        "catalog://lake: there is no catalog of that name; expected variables such as "
        "PYICEBERG_CATALOG__LAKE__URI and PYICEBERG_CATALOG__LAKE__WAREHOUSE, or "
        "PYICEBERG_CATALOG__LAKE__TYPE=glue; known are: my-lake, other" in str(caught.value)
    )


@pytest.mark.parametrize(
    ("properties", "problem"),
    [
        ({"type": "nonsense", "uri": "x"}, "'nonsense' is not a valid CatalogType"),
        ({"uri": "ftp://x"}, "Could not infer the catalog type from the uri: ftp://x"),
        ({"type": "rest"}, "URI missing, .*PYICEBERG_CATALOG__LAKE__URI"),
        ({"uri": "http://127.0.0.1:1"}, "cannot be opened: ConnectionError: .*refused"),
        ({"uri": "postgresql+psycopg2://x@127.0.0.1:1/x"}, "OperationalError: .*refused"),
        ({"uri": "postgresql+pg8000://x@127.0.0.1:1/x"}, r"\(No module named 'pg8000'\)"),
        ({"uri": "thrift://127.0.0.1:1"}, "NotInstalledError: Apache Hive support not installed"),
        ({"type": "bigquery"}, "NotInstalledError: BigQuery support not installed"),
        ({"uri": "sqlite:////nowhere/catalog.db"}, "unable to open database file"),
    ],
)
@pytest.mark.timing
def test_a_catalog_that_cannot_be_opened_says_why(
    properties: dict[str, str], problem: str, tmp_path: Path
) -> None:
    """One line has the driver's reason, and the files are kept."""
    warehouse = Warehouse(tmp_path, variables(**properties))
    files = warehouse.store(bodies_at(0, "a"), "a")
    started = time.monotonic()
    with pytest.raises(CommitError, match=f"catalog://lake.*{problem}") as caught:
        warehouse.open().commit(files, soon())
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("role", "problem"),
    [
        ("guarded:wrong", 'password authentication failed for user "guarded"'),
        ("guarded:secret", "permission denied for schema public"),
    ],
)
def test_what_a_database_refuses_is_said_without_the_password(
    role: str, problem: str, tmp_path: Path
) -> None:
    """The line has PostgreSQL's own words, and no message has the URL with the password."""
    with postgres.running() as url:
        with closing(psycopg2.connect(url)) as admin, admin, admin.cursor() as cursor:
            cursor.execute("CREATE ROLE guarded LOGIN PASSWORD 'secret'")
        uri = url.replace("postgresql://lake@", f"postgresql+psycopg2://{role}@")
        warehouse = Warehouse(tmp_path, variables(uri=uri, warehouse=f"{tmp_path}/lake"))
        files = warehouse.store(bodies_at(0, "a"), "a")
        with pytest.raises(CommitError, match=problem) as caught:
            warehouse.open().commit(files, soon())
    assert role.partition(":")[2] not in str(caught.value)


class Refusing(BaseHTTPRequestHandler):
    """A REST catalog that opens, and answers everything else as a test defines."""

    answers: dict[str, int]
    asked: list[str]

    def do_GET(self) -> None:
        """Answer."""
        if self.path.startswith("/v1/config"):
            self._answer(200, {"defaults": {}, "overrides": {}})
        else:
            self._refuse()

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self._refuse()

    def _refuse(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        status = self.answers.get(f"{self.command} {self.path}", 404)
        error = {"message": "no such thing", "type": f"Refusal{status}", "code": status}
        if status in (LOST, SILENT):
            time.sleep(1.0 if status == SILENT else 0.0)
            self.close_connection = True
            return
        self._answer(status, {"error": error} if status != 200 else TABLE)

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


TABLE: dict[str, Any] = {}
"""The answer to a load: the table of `refusing`."""


@contextmanager
def refusing(folder: Path, answers: dict[str, int]) -> Iterator[tuple[Warehouse, list[str]]]:
    """Run such a catalog; give its warehouse, and the requests that it gets."""
    asked: list[str] = []
    handler = type("Handler", (Refusing,), {"answers": answers, "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield Warehouse(folder, variables(uri=url, warehouse=f"file://{folder}/lake")), asked
    finally:
        server.shutdown()
        server.server_close()


LOST, SILENT = 0, 1
"""No statuses: the connection is closed, at once or after a second."""

LOAD = "GET /v1/namespaces/otel/tables/logs"
COMMIT = "POST /v1/namespaces/otel/tables/logs"
CREATE = "POST /v1/namespaces/otel/tables"
NAMESPACE = "POST /v1/namespaces"


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ({LOAD: 401}, "loading the table failed: UnauthorizedError: Refusal401: no such thing"),
        ({LOAD: 403}, "loading the table failed: ForbiddenError: Refusal403: no such thing"),
        ({LOAD: 503}, "loading the table failed: ServiceUnavailableError"),
        ({NAMESPACE: 403}, "creating the table failed: ForbiddenError: Refusal403"),
        ({NAMESPACE: 409, CREATE: 403}, "creating the table failed: ForbiddenError: Refusal403"),
    ],
)
def test_a_refusal_is_said_with_the_catalogs_own_words(
    answers: dict[str, int], problem: str, tmp_path: Path
) -> None:
    """The line has the call, the error, and the catalog's text with the missing permission."""
    with refusing(tmp_path, answers) as (warehouse, _):
        files = warehouse.store(bodies_at(0, "a"), "a")
        with pytest.raises(CommitError, match=f"catalog://lake: {problem}"):
            warehouse.open().commit(files, soon(3_000))


@pytest.fixture
def known_table(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """Let the refusing catalog load the table of `warehouse`."""
    table = warehouse.table()
    answer = {"metadata-location": table.metadata_location, "config": {}}
    metadata = json.loads(table.metadata.model_dump_json())
    monkeypatch.setitem(TABLE, "metadata", metadata)
    for key, value in answer.items():
        monkeypatch.setitem(TABLE, key, value)
    return warehouse


def test_a_commit_that_is_forbidden_is_not_tried_again_and_leaves_nothing(
    known_table: Warehouse,
) -> None:
    """The files are kept. The message has the permission that the catalog misses."""
    before = sorted((known_table.location / "metadata").iterdir())
    with refusing(known_table.folder, {LOAD: 200, COMMIT: 403}) as (warehouse, asked):
        files = warehouse.store(bodies_at(0, "second"), "second")
        with pytest.raises(CommitError, match="ForbiddenError: Refusal403"):
            warehouse.open().commit(files, soon())
    assert asked.count(COMMIT) == 1
    assert sorted((known_table.location / "metadata").iterdir()) == before


def test_no_transport_sends_a_commit_twice(known_table: Warehouse) -> None:
    """A connection that breaks may have delivered it, so the table is read first."""
    with refusing(known_table.folder, {LOAD: 200, COMMIT: LOST}) as (warehouse, asked):
        files = warehouse.store(bodies_at(0, "second"), "second")
        with pytest.raises(CommitError, match="no known outcome"):
            warehouse.open().commit(files, soon(500))
    commits = [number for number, request in enumerate(asked) if request == COMMIT]
    assert len(commits) > 1
    assert all(asked[number - 1] == LOAD for number in commits)


@pytest.mark.parametrize(("kind", "requests"), [("glue", 2), ("dynamodb", 1)])
def test_no_sdk_repeats_a_request(
    kind: str, requests: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyIceberg would repeat it ten times. Our code repeats loading a table, once."""
    with refusing(tmp_path, {"POST /": 500}) as (elsewhere, asked):
        (url,) = (v for k, v in elsewhere.environ.items() if k.endswith("URI"))
        known = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
        for name, value in {**known, "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": url}.items():
            monkeypatch.setenv(name, value)
        region = {f"{kind}__region": "eu-west-1"}
        warehouse = Warehouse(tmp_path, variables(type=kind, warehouse=str(tmp_path), **region))
        with pytest.raises(CommitError, match=f"catalog://lake.*{NOT_ANSWERED}"):
            warehouse.open().commit(warehouse.store(bodies_at(0, "a"), "a"), soon())
    assert len(asked) == requests


NOT_ANSWERED = "ClientError: An error occurred .500. when calling the (GetTable|DescribeTable)"


@pytest.mark.timing
def test_a_rest_catalog_that_accepts_and_is_silent_has_a_time_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyIceberg sets none. Here the limit is below the deadline, so that it ends the call."""
    monkeypatch.setattr(pyiceberg_open, "ANSWER_S", 0.2)
    with refusing(tmp_path, {LOAD: SILENT}) as (warehouse, _):
        files = warehouse.store(bodies_at(0, "a"), "a")
        started = time.monotonic()
        with pytest.raises(CommitError, match="ReadTimeout"):
            warehouse.open().commit(files, soon())
        assert time.monotonic() - started < 5


def test_what_we_correct_in_pyiceberg_is_still_what_it_was() -> None:
    """If a new version has moved it, `pyiceberg_open._adapt` has to follow.

    When PyIceberg can commit to DynamoDB itself, `dynamodb_pointer.py` can be removed.
    """
    assert "self._session = self._create_session()" in inspect.getsource(RestCatalog)
    assert get_type_hints(RestCatalog)["_session"] is Session
    assert "_is_s3tables_database" in vars(GlueCatalog)
    assert "_is_s3tables_database" in inspect.getsource(GlueCatalog.commit_table)
    assert "raise NotImplementedError" in inspect.getsource(DynamoDbCatalog.commit_table)


@pytest.fixture
def lake_in_s3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Warehouse, counting_proxy.Proxy]]:
    """Run Glue and S3, and count their requests; no AWS variable has S3's address."""
    with moto_glue.running(tmp_path) as url, counting_proxy.running(url) as proxy:
        known = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
        for name, value in {**known, "AWS_DEFAULT_REGION": "eu-west-1"}.items():
            monkeypatch.setenv(name, value)
        places = {"s3__endpoint": proxy.url, "glue__endpoint": proxy.url}
        keys = {"s3__access_key_id": "other", "s3__secret_access_key": "other"}
        found = variables(type="glue", warehouse="s3://lake/wh", **places, **keys)
        boto3.client("s3", endpoint_url=url).create_bucket(
            Bucket="lake", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        yield Warehouse(tmp_path, {**found, "AWS_REGION": "eu-west-1"}), proxy


def stored_in_s3(warehouse: Warehouse, body: str) -> list[DataFile]:
    """Store a row in the table's location."""
    properties = catalog_properties(NAME, warehouse.environ)
    client = new_client({})
    storage = s3_storage(properties, warehouse.environ, client, "lake/wh/otel/logs")
    lake = Lake(storage, warehouse.open, direct=False)
    lake.store(Batch(body.rjust(32, "0"), {"logs": bodies_at(0, body)}))
    inbox = Inbox(storage)
    taken = inbox.take(10)
    inbox.remove([waiting.entry for waiting in taken.files])
    client.close()
    return [waiting.file for waiting in taken.files]


@pytest.mark.thorough
def test_a_steady_commit_asks_for_nothing_twice(
    lake_in_s3: tuple[Warehouse, counting_proxy.Proxy],
) -> None:
    """No HEAD, no multipart, no read of metadata just written, no request about S3 Tables.

    PyIceberg's own append takes 25 requests for the same (benchmarks/pyiceberg_commits.py).
    """
    warehouse, proxy = lake_in_s3
    table = warehouse.open()
    for body in ("a", "b", "c"):
        files = stored_in_s3(warehouse, body)
        proxy.reset()
        table.commit(files, soon())
    table.close()
    asked = Counter(f"{request.method} {request.target}".strip() for request in proxy.requests)
    operations = {"POST AWSGlue.GetTable": 2, "POST AWSGlue.UpdateTable": 1}
    assert asked == {"PUT": 3, **operations}
    assert {request.status for request in proxy.requests} == {200}
    assert sorted(warehouse.table().scan().to_arrow()["Body"].to_pylist()) == ["a", "b", "c"]


@pytest.mark.thorough
def test_what_our_requests_cannot_do_pyicebergs_do(
    lake_in_s3: tuple[Warehouse, counting_proxy.Proxy],
) -> None:
    """PyIceberg handles a profile, a role, a signer, and encryption by a key."""
    warehouse, proxy = lake_in_s3
    environ = {**warehouse.environ, **variables(s3__server_side_encryption="AES256")}
    files = stored_in_s3(warehouse, "a")
    proxy.reset()
    table = Warehouse(warehouse.folder, environ).open()
    table.commit(files, soon(100_000))  # PyIceberg is slow on a busy machine
    table.close()
    assert proxy.count("POST", "*.avro") > 0  # in parts
    assert warehouse.table().scan().to_arrow()["Body"].to_pylist() == ["a"]
