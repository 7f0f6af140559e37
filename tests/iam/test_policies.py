"""Least privilege: with its policy a role can do all its work, and with one action less it cannot.

docs/iam.md shows the policies that these tests attach. Its tables list the steps that fail without
each action: exactly those, with an error that names the action.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import moto_iam
import places
import policy_steps
import pytest
import rest_fixture
import table_bucket
import versitygw
from places import Bucket, Place
from policy_documents import Policy, actions, document, filled, without
from policy_grounds import Ground, SecondGround, values
from policy_pages import fails_without
from policy_steps import COMMITTER, PLAIN, WRITER, Stage, Steps

from otlp2parquet_ext.lake.destinations.destination import DestinationError
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.iceberg.upkeep import merge
from otlp2parquet_ext.lake.storage.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from moto_iam import Server

pytestmark = [pytest.mark.xdist_group("iam"), pytest.mark.thorough]

REFUSED = (DestinationError, CommitError, StorageError)
INBOX_MODE = {"OTLP2PARQUET_COMMIT": "inbox"}
NOBODY: Policy = {"Statement": []}
INBOX_STEPS = ("wait", "take", "missing")
REST_STEPS = ("create", "store", "again", "commit", "wait", "take", "missing")
TABLES_STEPS = ("create", "store", "again", "commit")
S3_OF_GLUE = ["", *(action for action in actions(document("glue")) if action.startswith("s3:"))]
FILES = "0a1b2c3d--table-s3"
ARN = f"arn:aws:s3tables:{moto_iam.REGION}:{moto_iam.ACCOUNT}:bucket/lake"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """S3 and Glue that check permissions."""
    with moto_iam.running(tmp_path_factory.mktemp("moto")) as found:
        yield found


@pytest.fixture(scope="module")
def gateway(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Another S3 that checks permissions, and has the same administrator."""
    with versitygw.running(tmp_path_factory.mktemp("versitygw")) as url:
        versitygw.add_user(url, server.administrator, "admin")
        yield url


@pytest.fixture
def ground(server: Server) -> Ground:
    """Where policies are tried."""
    return Ground(server)


@pytest.fixture
def second_ground(server: Server, gateway: str) -> Ground:
    """Where S3's part is tried again."""
    return SecondGround(server, gateway)


@pytest.fixture(scope="module")
def catalog(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A REST catalog that may do everything, and vends nothing."""
    places.new_bucket(server.url, server.administrator, "", name=FILES)
    options = catalog_options(server, f"s3://{FILES}/warehouse")
    with rest_fixture.running(tmp_path_factory.mktemp("rest"), options) as url:
        yield url


def catalog_options(server: Server, warehouse: str) -> dict[str, str]:
    """Return what a REST catalog needs to keep its tables in S3."""
    return {
        "CATALOG_WAREHOUSE": warehouse,
        "CATALOG_IO__IMPL": "org.apache.iceberg.aws.s3.S3FileIO",
        "CATALOG_S3_ENDPOINT": server.url,
        "CATALOG_S3_PATH__STYLE__ACCESS": "true",
        **server.administrator,
    }


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a merge be worth while with few manifests."""
    monkeypatch.setattr(merge, "FEWEST_SMALL", policy_steps.FEW)


def outcomes(make: Callable[[], Stage], steps: Steps, heard: Callable[[], str]) -> dict[str, str]:
    """Take each step; return what was said where one failed.

    Args:
        make: an empty place and its user.
        steps: by name; only `create` begins with an empty place.
        heard: what was said since it was last called.
    """
    found = {}
    used = make()
    if used.admin.has_catalog:
        policy_steps.committed(used.admin)
    for name, step in steps.items():
        heard()
        try:
            problem = step(make() if name == "create" else used)
        except REFUSED as error:
            problem = str(error)
        if problem:
            found[name] = f"{problem} {heard()}"
        policy_steps.emptied(used)
    return found


@pytest.fixture
def heard(capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """See `outcomes`."""
    return lambda: capfd.readouterr().err


def check(found: dict[str, str], section: str, missing: str) -> None:
    """Compare the failed steps with the page; with the whole policy none may fail."""
    assert set(found) == (fails_without(section)[missing] if missing else set()), found
    assert all(missing in said for said in found.values()), found


def each(policy: str) -> pytest.MarkDecorator:
    """Run a test with the whole policy, and again with each action missing."""
    return pytest.mark.parametrize("missing", ["", *actions(document(policy))])


def only(steps: Steps, *names: str) -> Steps:
    """Return some of the steps."""
    return {name: steps[name] for name in names}


@each("plain-s3")
def test_plain_files(ground: Ground, missing: str, heard: Callable[[], str]) -> None:
    """Two actions, and neither is left over."""
    policy = without(document("plain-s3"), missing)
    found = outcomes(lambda: ground.stage(ground.plain(), policy), PLAIN, heard)
    check(found, "Plain files in S3", missing)


@each("glue")
def test_an_environment_that_commits_to_glue(
    ground: Ground, missing: str, heard: Callable[[], str]
) -> None:
    """Actions that only create the table can be left out when it exists."""
    policy = without(document("glue"), missing)
    found = outcomes(lambda: ground.stage(ground.glue(), policy), WRITER, heard)
    check(found, "AWS Glue", missing)


@pytest.mark.parametrize("missing", S3_OF_GLUE)
def test_another_s3_agrees(second_ground: Ground, missing: str, heard: Callable[[], str]) -> None:
    """moto's view of a permission could be a mistake of moto."""
    policy = without(document("glue"), missing)
    found = outcomes(lambda: second_ground.stage(second_ground.glue(), policy), WRITER, heard)
    check(found, "AWS Glue", missing)


@pytest.mark.parametrize("missing", S3_OF_GLUE)
def test_another_s3_agrees_on_the_committer(
    second_ground: Ground, missing: str, heard: Callable[[], str]
) -> None:
    """The care of a table lists, reads and deletes, too."""
    policy = without(document("glue"), missing)
    found = outcomes(lambda: second_ground.stage(second_ground.glue(), policy), COMMITTER, heard)
    check(found, "The committer", missing)


@each("glue")
def test_a_committer_for_glue(ground: Ground, missing: str, heard: Callable[[], str]) -> None:
    """It needs what an environment needs that commits itself."""
    policy = without(document("glue"), missing)
    found = outcomes(lambda: ground.stage(ground.glue(), policy), COMMITTER, heard)
    check(found, "The committer", missing)


@pytest.mark.parametrize("apart", [False, True])
@each("inbox-mode")
def test_an_environment_that_only_stores(
    ground: Ground, missing: str, heard: Callable[[], str], *, apart: bool
) -> None:
    """In the table's location, or with the inbox in another bucket: no action of a catalog."""
    policy = without(document("inbox-mode"), missing)

    def make() -> Stage:
        place = ground.apart() if apart else ground.glue()
        there = values(place)
        where = {"BUCKET": there["INBOX_BUCKET"], "PREFIX": there["INBOX_PREFIX"]} if apart else {}
        place = replace(place, environ={**place.environ, **INBOX_MODE})
        return ground.stage(place, filled(policy, there | where))

    check(outcomes(make, PLAIN, heard), "Environments that only store", missing)


@pytest.mark.parametrize("who", ["writer", "committer"])
@each("inbox-apart")
def test_an_inbox_in_another_bucket(
    ground: Ground, missing: str, heard: Callable[[], str], who: str
) -> None:
    """Besides what is needed for the table."""
    policies = (document("glue"), without(document("inbox-apart"), missing))
    steps = WRITER if who == "writer" else COMMITTER
    found = outcomes(lambda: ground.stage(ground.apart(), *policies), steps, heard)
    check(found, f"An inbox in another bucket: the {who}", missing)


def rest_place(server: Server, catalog: str, bucket: Bucket) -> Place:
    """Return an empty place in a REST catalog with tables in a bucket."""
    environ = {**server.administrator, "AWS_ENDPOINT_URL_S3": server.url}
    return places.rest_on_s3(Place("rest", f"rest+{catalog}", bucket, environ))


@pytest.fixture(scope="module")
def lake_bucket(server: Server) -> Bucket:
    """A bucket for a REST catalog's tables."""
    return places.new_bucket(server.url, server.administrator, "warehouse/")


@pytest.fixture(scope="module")
def rest_catalog(
    server: Server, lake_bucket: Bucket, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A REST catalog with its tables there."""
    options = catalog_options(server, f"s3://{lake_bucket.bucket}/warehouse")
    with rest_fixture.running(tmp_path_factory.mktemp("rest"), options) as url:
        yield url


@each("rest")
def test_files_of_a_rest_catalog(
    server: Server, rest_catalog: str, lake_bucket: Bucket, missing: str, heard: Callable[[], str]
) -> None:
    """The catalog has its own authentication, and handles its own metadata files."""
    policy = without(document("rest"), missing)
    ground = Ground(server)

    def make() -> Stage:
        return ground.stage(rest_place(server, rest_catalog, lake_bucket), policy)

    check(outcomes(make, only(WRITER, *REST_STEPS), heard), "REST catalogs", missing)


def test_a_catalog_that_lends_credentials_leaves_nothing_to_allow(
    server: Server,
    lake_bucket: Bucket,
    tmp_path_factory: pytest.TempPathFactory,
    heard: Callable[[], str],
) -> None:
    """The role itself may do nothing at all."""
    where = {"BUCKET": lake_bucket.bucket, "PREFIX": "warehouse", "DATABASE": "*"}
    lender = server.user(filled(document("rest"), where))
    options = catalog_options(server, f"s3://{lake_bucket.bucket}/warehouse") | {
        "CATALOG_S3_ACCESS__KEY__ID": lender["AWS_ACCESS_KEY_ID"],
        "CATALOG_S3_SECRET__ACCESS__KEY": lender["AWS_SECRET_ACCESS_KEY"],
        "CATALOG_CLIENT_REGION": moto_iam.REGION,
        "CATALOG_INCLUDE__CREDENTIALS": "true",
    }
    ground = Ground(server)
    with rest_fixture.running(tmp_path_factory.mktemp("rest"), options) as url:
        found = outcomes(
            lambda: ground.stage(rest_place(server, url, lake_bucket), NOBODY),
            only(WRITER, *REST_STEPS),
            heard,
        )
    assert found == {}


@each("s3-tables")
def test_a_table_bucket(
    server: Server, catalog: str, missing: str, heard: Callable[[], str]
) -> None:
    """As AWS documents which call needs what: nothing else that can be run here checks it."""
    keys: dict[str, str] = {}
    policies: dict[str, Policy] = {}
    admin = server.administrator
    keys[admin["AWS_ACCESS_KEY_ID"]] = admin["AWS_SECRET_ACCESS_KEY"]
    policy = filled(
        without(document("s3-tables"), missing),
        {"BUCKET": "lake", "REGION": moto_iam.REGION, "ACCOUNT": moto_iam.ACCOUNT},
    )
    with table_bucket.running(ARN, catalog, keys, policies) as url:

        def make() -> Stage:
            namespace = f"lake_{uuid4().hex[:12]}"
            client = moto_iam.client("s3", server.url, server.administrator)
            environ = {
                **server.administrator,
                "AWS_ENDPOINT_URL_S3TABLES": url,
                "AWS_ENDPOINT_URL_S3": server.url,
                "OTLP2PARQUET_NAMESPACE": namespace,
            }
            objects = Bucket(client, FILES, f"warehouse/{namespace}/logs/")
            place = Place("s3tables", ARN, objects, environ)
            user = server.user(policy)
            keys[user["AWS_ACCESS_KEY_ID"]] = user["AWS_SECRET_ACCESS_KEY"]
            policies[user["AWS_ACCESS_KEY_ID"]] = policy
            return Stage(place, replace(place, environ={**environ, **user}))

        found = outcomes(make, only(WRITER, *TABLES_STEPS), heard)
    check(found, "S3 Tables", missing)
