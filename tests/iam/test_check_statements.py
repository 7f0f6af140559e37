"""`check` prints the statement that solves a refusal: with it the role is not refused again."""

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
from places import Bucket, Place
from policy_documents import FOLDER, Policy, actions, document, filled, without
from policy_grounds import Ground, values

from otlp2parquet_ext.lake.checking.files import PROBE
from otlp2parquet_ext.lake.checking.policies import POLICIES
from otlp2parquet_ext.lake.checking.run import Wish, verdicts
from otlp2parquet_ext.lake.checking.runner import FAILED, NOTE, TrialVerdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moto_iam import Server
    from policy_steps import Stage

pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("iam")]

CREATES = ("glue:CreateTable", "glue:CreateDatabase")
FILES = "0a1b2c3d--table-s3"
ARN = f"arn:aws:s3tables:{moto_iam.REGION}:{moto_iam.ACCOUNT}:bucket/lake"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """S3 and Glue that check permissions."""
    with moto_iam.running(tmp_path_factory.mktemp("moto")) as found:
        yield found


@pytest.fixture
def ground(server: Server) -> Ground:
    """Where policies are tried."""
    return Ground(server)


def checked(place: Place, *, create: bool = False) -> list[TrialVerdict]:
    """Check a place."""
    return list(verdicts(place.variables, Wish(create=create)))


def failures(found: list[TrialVerdict]) -> list[TrialVerdict]:
    """Return what failed."""
    return [verdict for verdict in found if verdict.state == FAILED]


def statements(found: list[TrialVerdict]) -> list[Policy]:
    """Return the statements that the check prints."""
    return [dict(one) for verdict in failures(found) for one in verdict.statements]


def allowed(statements_: list[Policy]) -> set[str]:
    """Return the actions of statements."""
    return {action for one in statements_ for action in one["Action"]}


def mended(stage: Stage, ground: Ground, policy: Policy, added: list[Policy]) -> Place:
    """Return the place as its user sees it once the statements are added to his policy."""
    whole = filled(policy, values(stage.admin))["Statement"] + added
    by_sid = {one["Sid"]: one for one in whole if one["Action"]}  # the later one in its place
    ready = {"Version": "2012-10-17", "Statement": list(by_sid.values())}
    return replace(stage.user, environ={**stage.user.environ, **ground.server.user(ready)})


def each(policy: str) -> pytest.MarkDecorator:
    """Run a test with each action missing."""
    return pytest.mark.parametrize("missing", actions(document(policy)))


@pytest.mark.parametrize("name", POLICIES)
def test_the_policies_check_knows_are_those_of_the_page(name: str) -> None:
    """There is one source: who follows `check` ends with the policy of docs/iam.md."""
    assert document(name)["Statement"] == list(POLICIES[name])


def test_every_policy_of_the_page_is_known_but_that_of_the_committers_queue() -> None:
    """A destination whose policy is not known would fail without a remedy."""
    names = {path.stem for path in FOLDER.glob("*.json")}
    assert names - POLICIES.keys() == {"committer-queue"}


def test_with_its_policy_a_place_for_plain_files_is_fine(ground: Ground) -> None:
    """Deleting is not in it, so that the check's object stays: one, however often it is checked."""
    stage = ground.stage(ground.plain(), document("plain-s3"))
    for _ in range(2):
        found = checked(stage.user)
        assert failures(found) == []
        assert {v.step for v in found if v.state == NOTE} == {"delete", "identity"}
        assert stage.admin.objects.names() == [PROBE]


@each("plain-s3")
def test_plain_files(ground: Ground, missing: str) -> None:
    """The printed statement solves it."""
    policy = without(document("plain-s3"), missing)
    stage = ground.stage(ground.plain(), policy)
    added = statements(checked(stage.user))
    assert missing in allowed(added)
    assert failures(checked(mended(stage, ground, policy, added))) == []


@pytest.mark.parametrize("there", [False, True])
def test_with_its_policy_glue_is_fine_and_nothing_is_left_behind(
    ground: Ground, *, there: bool
) -> None:
    """There is no object and no snapshot, and a table only if it was requested."""
    stage = ground.stage(ground.glue(), document("glue"))
    if there:
        policy_steps.committed(stage.admin)
    before = stage.admin.objects.names()
    assert failures(checked(stage.user)) == []
    assert stage.admin.objects.names() == before
    if not there:
        assert failures(checked(stage.user, create=True)) == []
    snapshots = stage.admin.metadata().get("snapshots", [])
    assert len(snapshots) == int(there)
    assert stage.admin.inbox() == []


@each("glue")
def test_glue(ground: Ground, missing: str) -> None:
    """Reading, writing, listing, deleting, loading, committing, creating."""
    policy = without(document("glue"), missing)
    place = ground.glue()
    if missing not in CREATES:
        policy_steps.committed(place)
    stage = ground.stage(place, policy)
    found = checked(stage.user, create=True)
    added = statements(found)
    assert missing in allowed(added), found
    assert failures(checked(mended(stage, ground, policy, added), create=True)) == []


@each("inbox-apart")
def test_an_inbox_in_another_bucket(ground: Ground, missing: str) -> None:
    """Its statements name its own bucket."""
    place = ground.apart()
    policy_steps.committed(place)
    told = without(document("inbox-apart"), missing)
    stage = ground.stage(place, document("glue"), told)
    added = statements(checked(stage.user))
    assert missing in allowed(added)
    assert values(place)["INBOX_BUCKET"] in str(added)
    whole = {"Statement": document("glue")["Statement"] + told["Statement"]}
    assert failures(checked(mended(stage, ground, whole, added))) == []


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("missing", ["", *actions(document("inbox-mode"))])
def test_an_environment_that_only_stores(ground: Ground, missing: str, *, apart: bool) -> None:
    """It may not list, delete or call Glue, and none of that is a failure."""
    place = ground.apart() if apart else ground.glue()
    there = values(place)
    where = {"BUCKET": there["INBOX_BUCKET"], "PREFIX": there["INBOX_PREFIX"]} if apart else {}
    place = replace(place, environ={**place.environ, "OTLP2PARQUET_COMMIT": "inbox"})
    policy = filled(without(document("inbox-mode"), missing), there | where)
    stage = ground.stage(place, policy)
    added = statements(checked(stage.user))
    assert not missing or missing in allowed(added)
    assert failures(checked(mended(stage, ground, policy, added))) == []


@pytest.mark.parametrize("missing", ["", *actions(document("s3-tables"))])
def test_a_table_bucket(server: Server, missing: str, catalog: str) -> None:
    """The check writes only a table there: files need the same permissions as a commit."""
    admin = server.administrator
    keys = {admin["AWS_ACCESS_KEY_ID"]: admin["AWS_SECRET_ACCESS_KEY"]}
    policies: dict[str, Policy] = {}
    names = {"BUCKET": "lake", "REGION": moto_iam.REGION, "ACCOUNT": moto_iam.ACCOUNT}
    policy = filled(without(document("s3-tables"), missing), names)
    with table_bucket.running(ARN, catalog, keys, policies) as url:
        user = server.user(policy)
        keys[user["AWS_ACCESS_KEY_ID"]] = user["AWS_SECRET_ACCESS_KEY"]
        policies[user["AWS_ACCESS_KEY_ID"]] = policy
        namespace = f"lake_{uuid4().hex[:12]}"
        environ = {
            **user,
            "AWS_ENDPOINT_URL_S3TABLES": url,
            "AWS_ENDPOINT_URL_S3": server.url,
            "OTLP2PARQUET_NAMESPACE": namespace,
        }
        client = moto_iam.client("s3", server.url, admin)
        place = Place("s3tables", ARN, Bucket(client, FILES, ""), environ)
        found = checked(place, create=True)
    added = statements(found)
    assert (missing in allowed(added)) == bool(missing), found


@pytest.fixture(scope="module")
def catalog(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A REST catalog that may do everything, and vends nothing."""
    places.new_bucket(server.url, server.administrator, "", name=FILES)
    options = {
        "CATALOG_WAREHOUSE": f"s3://{FILES}/warehouse",
        "CATALOG_IO__IMPL": "org.apache.iceberg.aws.s3.S3FileIO",
        "CATALOG_S3_ENDPOINT": server.url,
        "CATALOG_S3_PATH__STYLE__ACCESS": "true",
        **server.administrator,
    }
    with rest_fixture.running(tmp_path_factory.mktemp("rest"), options) as url:
        yield url
