"""The cost model against examples computed by hand: each figure can be checked with a pencil."""

from __future__ import annotations

import math

import pytest
from cost_examples import settings, workload

from otlp2parquet_ext.lake.destinations.address import FORWARDING, READERS, AddressError
from otlp2parquet_ext.tools.cost.bill import Bill, bill, total
from otlp2parquet_ext.tools.cost.prices import LIST_PRICES, REGION, PriceError, overridden
from otlp2parquet_ext.tools.cost.requests import Requests
from otlp2parquet_ext.tools.cost.volumes import KINDS, flushes_per_invocation, volumes
from otlp2parquet_ext.tools.cost.workload import WorkloadError

S3_TABLES = "arn:aws:s3tables:us-east-1:123456789012:bucket/lake"
GLUE = "glue://otel?warehouse=s3://bucket/lake"
DAYS = 365 / 12


def dollars(found: Bill) -> dict[str, float]:
    """Return the dollars of each line of the lake."""
    return {line.price.name: line.usd for line in found.lake}


def test_plain_parquet_on_s3() -> None:
    """Two environments are invoked every 2 s, so a waiting batch is a second old by then.

    A day: 86 400 invocations, one file each; 20 environments start and end, each with one file
    after its first invocation (held) and one at its end.
    """
    day = volumes(workload(), settings())
    files = 86_400 + 20 + 20
    assert day.flushes == pytest.approx(files)
    assert day.requests == pytest.approx(Requests(put=files))
    assert day.commits == 0
    stored = files * 5_800 + 86_400 * 5_000 * 0.072
    assert day.stored_bytes == pytest.approx(stored)

    found = bill(workload(), settings(), LIST_PRICES, REGION)
    assert dollars(found) == pytest.approx(
        {
            "s3_put": files * DAYS / 1_000 * 0.005,  # $13.15
            "s3_storage": stored * 10 / 2**30 * 0.023,  # 10 days of 0.50 GB: $0.11
            "lambda_x86_64": (20 * 1.0 + 20 * 0.4) * DAYS * 1.0 * 0.0000166667,
        }
    )
    assert total(found.lake) == pytest.approx(13.27, abs=0.005)


def test_the_same_in_cloudwatch_logs() -> None:
    """Log lines lose their envelope of 64 bytes, and 26 are counted for each."""
    found = bill(workload(), settings(), LIST_PRICES, REGION)
    a_day = 86_400 * (5_000 - 10 * 64 + 10 * 26)
    assert {line.price.name: line.usd for line in found.cloudwatch} == pytest.approx(
        {
            "cloudwatch_ingest": a_day * DAYS / 2**30 * 0.50,  # 11.3 GB: $5.65
            "cloudwatch_storage": a_day * 10 * 0.15 / 2**30 * 0.03,
        }
    )


def test_direct_commits_to_glue() -> None:
    """Files come every 2 s, commits every 5: with every third file, 6 s apart, in each of two.

    All files wait for a commit, so all leave a descriptor. Each commit writes a manifest, a list
    and the metadata, asks Glue and tells it; the other environment has committed in between, so
    list and metadata are read. Every 5 minutes each looks into the inbox.
    """
    day = volumes(workload(), settings(GLUE))
    commits = 2 * 86_400 / 6 + 20
    looks = 2 * 86_400 / 300
    assert day.commits == pytest.approx(commits)
    assert day.described == pytest.approx(86_440)
    assert day.requests == pytest.approx(
        Requests(put=86_440 * 2 + commits * 3, get=commits * 2, list=looks, catalog=commits * 2)
    )
    found = dollars(bill(workload(), settings(GLUE), LIST_PRICES, REGION))
    assert found["glue_requests"] == pytest.approx(
        (commits * 2 * DAYS / 1_000_000 - 1) * 1.00
    )  # the first million is free
    assert found["s3_put"] == pytest.approx((86_440 * 2 + commits * 3 + looks) * DAYS / 1e3 * 0.005)


def test_a_commit_with_every_file_needs_no_descriptors() -> None:
    """COMMIT_INTERVAL_MS=0: the note for a later commit is saved."""
    day = volumes(workload(), settings(GLUE, COMMIT_INTERVAL_MS="0"))
    assert day.described == 0
    assert day.commits == pytest.approx(86_400 + 20)


def test_a_committer_and_its_queue() -> None:
    """It runs once a minute, because files always wait, and commits 86 440 descriptors a day.

    SQS: a message for each, received and deleted in tens; and a poll of the idle queue every 4 s.
    """
    work, chosen = workload(), settings(S3_TABLES, COMMIT="inbox", INBOX="s3://bucket/inbox")
    day = volumes(work, chosen)
    assert day.commits == pytest.approx(1_440)
    assert day.committer_runs == pytest.approx(1_440)
    assert day.requests.put == pytest.approx(86_440 * 2 + 1_440 * 3)
    # Of each file a descriptor and an end are read. A run reads two objects and asks S3 Tables
    # three times; its commit reads list and table.
    assert day.requests.get == pytest.approx(86_440 * 2 + 1_440 * (2 + 3 + 2))
    assert day.requests.list == pytest.approx(1_440 * (3 + 1))
    assert day.requests.catalog == 0

    found = dollars(bill(work, chosen, LIST_PRICES, REGION))
    messages = 86_440 * 1.2 + 0.25 * 86_400
    assert found["sqs_requests"] == pytest.approx((messages * DAYS / 1e6 - 1) * 0.40)
    assert found["lambda_requests"] == pytest.approx(1_440 * DAYS / 1e6 * 0.20)
    run_s = 1_440 * 0.6 + 86_440 * 0.002
    assert found["lambda_x86_64"] == pytest.approx(
        (run_s * 0.5 + 20 * 1.0 + 20 * 0.4) * DAYS * 0.0000166667
    )
    assert found["s3tables_compaction_objects"] == pytest.approx(86_440 * DAYS / 1e3 * 0.002)


def test_a_catalog_of_pyicebergs_always_has_a_committer() -> None:
    """No environment commits there, with any strategy."""
    found = bill(workload(), settings("catalog://lake", COMMIT="direct"), LIST_PRICES, REGION)
    assert found.settings.commit == "inbox"
    assert found.day.committer_runs == pytest.approx(1_440)


def test_a_schedule_wakes_the_committer_even_for_nothing() -> None:
    """One invocation an hour leaves most minutes empty: events would sleep through them."""
    rare = workload(per_second=1 / 3_600, environments=1.0)
    inbox = settings(GLUE, COMMIT="inbox")
    by_events, by_schedule = (
        volumes(rare, inbox),
        volumes(workload(per_second=1 / 3_600, environments=1.0, woken_by="schedule"), inbox),
    )
    assert by_schedule.committer_runs == 1_440
    assert by_events.committer_runs == pytest.approx(34, abs=1)
    assert by_events.commits == by_schedule.commits


@pytest.mark.parametrize(
    ("changes", "variables", "expected"),
    [
        ({}, {}, 1.0),  # every 2 s: each wake finds a batch that is old enough
        ({}, {"TIMEOUT_MS": "10000"}, 1 / 5),  # five invocations of 2 s each
        ({"duration_ms": 50.0}, {}, 1 / 2),  # over before the first delivery: one wake later
        ({"duration_ms": 1_900.0}, {}, 2.0),  # 1.1 s into it, and with the next
        ({}, {"FLUSH": "end"}, 1.0),
        ({"duration_ms": 1_900.0}, {"FLUSH": "end"}, 2.0),
        ({"environments": 40.0}, {}, 1.0),  # every 40 s: rare, so held
        ({"size_bytes": 600_000.0}, {}, 3.0),  # 262 144 bytes fill twice, and the rest
        ({"size_bytes": 100_000.0}, {"TIMEOUT_MS": "60000"}, 1 / 3),  # the third fills it
        ({"events": 25_000.0}, {}, 3.0),  # 10 000 events likewise
    ],
)
def test_files_of_an_invocation(
    changes: dict[str, float], variables: dict[str, str], expected: float
) -> None:
    """Age, size and number, whichever comes first; frozen environments do not age."""
    found = flushes_per_invocation(workload(**changes), settings(**variables))
    assert found == pytest.approx(expected)


def test_more_commits_than_a_table_takes_go_to_the_inbox() -> None:
    """A hundred environments want 100 commits a second; three come about."""
    many = workload(per_second=100.0, environments=100.0)
    day = volumes(many, settings(GLUE, COMMIT_INTERVAL_MS="0"))
    assert day.commits == pytest.approx(3 * 86_400)
    assert day.lost_attempts == pytest.approx(100 * 86_400 + 1_000 - 3 * 86_400)
    assert day.described == pytest.approx(day.flushes * day.lost_attempts / (100 * 86_400 + 1_000))


def test_held_invocations_are_billed() -> None:
    """FLUSH=end: 86 400 a day for a tenth of a second, but the first of each for a whole one."""
    found = dollars(bill(workload(), settings(FLUSH="end"), LIST_PRICES, REGION))
    billed_s = (86_400 - 20) * 0.1 + 20 * 1.0 + 20 * 0.4
    assert found["lambda_x86_64"] == pytest.approx(billed_s * DAYS * 0.0000166667)
    never = dollars(bill(workload(), settings(FLUSH="threshold"), LIST_PRICES, REGION))
    assert never["lambda_x86_64"] == pytest.approx(20 * 0.4 * DAYS * 0.0000166667)


def test_no_more_environments_end_than_there_are_invocations() -> None:
    """One invocation a day is one cold start, for any lifetime of a sandbox."""
    assert workload(per_second=1 / 86_400, environments=1.0).starts_a_day == pytest.approx(1.0)


def test_prices_fall_with_the_quantity() -> None:
    """60 TB of Lambda's logs: 10 at 50 cents, 20 at 25, 20 at 10, the rest at 5."""
    price = LIST_PRICES["cloudwatch_ingest"]
    assert price.usd(60 * 2**40) == pytest.approx(5_120 + 5_120 + 2_048 + 512)
    assert LIST_PRICES["glue_requests"].usd(1_000_000) == 0
    assert LIST_PRICES["glue_requests"].usd(3_000_000) == pytest.approx(2.00)


def test_s3_tables_example_of_aws_comes_out_as_aws_says() -> None:
    """Its pricing page works out a month of a table of 1 TB, line by line."""
    for name, quantity, usd in (
        ("s3tables_put", 30_090, 0.15),
        ("s3tables_get", 500_000, 0.20),
        ("s3tables_storage", 2**40, 27.14),
        ("s3tables_monitoring", 10_486, 0.26),
        ("s3tables_compaction_objects", 30_000, 0.06),
        ("s3tables_compaction_data", 150_000 * 2**20, 0.73),
    ):
        assert round(LIST_PRICES[name].usd(quantity), 2) == usd


def test_every_price_names_its_page_and_how_far_it_was_checked() -> None:
    """A number without a source is a rumour."""
    for price in LIST_PRICES.values():
        assert price.page.startswith("https://aws.amazon.com/")
        assert price.valid.startswith("20")
        assert price.checked
        assert price.tiers[-1].up_to == math.inf


def test_prices_of_ones_own_replace_the_list() -> None:
    """Flat or in tiers; the source is the file."""
    prices = overridden(
        {"s3_put": 0.0054, "cloudwatch_ingest": [{"up_to": 10, "usd": 1}, {"usd": 0.5}]}, "mine"
    )
    assert prices["s3_put"].usd(1_000) == pytest.approx(0.0054)
    assert prices["s3_put"].page == "mine"
    assert prices["cloudwatch_ingest"].usd(30 * 2**30) == pytest.approx(20.0)
    assert prices["s3_get"] == LIST_PRICES["s3_get"]


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"s3_putt": 1}, "'s3_putt' is no price; expected s3_put, "),
        ({"s3_put": -1}, "s3_put=-1: expected dollars"),
        ({"s3_put": "cheap"}, "s3_put='cheap'"),
        ({"s3_put": math.nan}, "s3_put=nan"),
        ({"s3_put": True}, "s3_put=True"),
        ({"s3_put": []}, "expected dollars"),
        ({"s3_put": [{"usd": 1}, {"usd": 2}]}, "expected rising `up_to`"),
        ({"s3_put": [{"up_to": 5, "usd": 1}]}, "none in the last tier"),
        ({"s3_put": [{"up_to": 5}, {"usd": 1}]}, "expected dollars"),
    ],
)
def test_a_bad_price_is_named(entries: dict[str, object], says: str) -> None:
    """With what is valid in its place."""
    with pytest.raises(PriceError, match=r"^mine: ") as error:
        overridden(entries, "mine")
    assert says in str(error.value)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_no_workload_has_such_numbers(value: float) -> None:
    """Code gets the same early error as the command line."""
    with pytest.raises(WorkloadError, match="per_second="):
        workload(per_second=value)


def test_environments_must_be_able_to_do_the_work() -> None:
    """Five invocations a second of a second each keep five busy."""
    with pytest.raises(WorkloadError, match="keep 5 environments busy"):
        workload(per_second=5.0, duration_ms=1_000.0)


def test_a_destination_that_is_none_is_refused() -> None:
    """By the same words as the extension's own."""
    for destination in ("", "nonsense", "ftp://collector"):
        with pytest.raises(AddressError, match="expected s3://"):
            volumes(workload(), settings(destination))


def test_a_table_bucket_has_no_room_for_an_inbox() -> None:
    """Without another bucket for it what waits stays in the spool, and a committer has no work."""
    alone = volumes(workload(), settings(S3_TABLES))
    assert (alone.described, alone.requests.list) == (0, 0)
    beside = volumes(workload(), settings(S3_TABLES, INBOX="s3://bucket/inbox"))
    assert beside.described == pytest.approx(86_440)
    with pytest.raises(WorkloadError, match="needs OTLP2PARQUET_INBOX"):
        volumes(workload(), settings(S3_TABLES, COMMIT="inbox"))


def test_a_strategy_without_a_model_is_refused() -> None:
    """The price of another strategy would be a wrong answer."""
    with pytest.raises(WorkloadError, match="OTLP2PARQUET_COMMIT='relay': expected direct or"):
        volumes(workload(), settings("s3://bucket/lake", COMMIT="relay"))


def test_every_kind_of_destination_has_prices_or_says_why_not() -> None:
    """A new kind of address needs a decision here; another party bills forwarding."""
    kinds = {reader.__name__.strip("_") for reader in READERS.values()} - {"arn"} | {"s3tables"}
    assert KINDS.keys() == kinds - FORWARDING
