"""Requests of a steady flush, counted by a proxy: each is money, time and a chance to fail."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import counting_proxy
import every_table
import places
import pytest
from counting_proxy import Pattern
from lake_bench import bodies_at
from places import Place, soon
from tiers import tiered

from otlp2parquet_ext.lake.destinations.destination import Batch

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from counting_proxy import Proxy

KINDS = {
    "data file": Pattern("PUT", "*.parquet"),
    "descriptor": Pattern("PUT", "*/inbox/*"),
    "manifest": Pattern("PUT", "*-m0.avro"),
    "manifest list": Pattern("PUT", "*/snap-*.avro"),
    "metadata": Pattern("PUT", "*.metadata.json"),
    "commit": Pattern("POST", "/v1/namespaces/*/tables/*"),
}


@contextmanager
def through(place: Place, *variables: str) -> Iterator[tuple[Place, list[Proxy]]]:
    """Put a proxy before each server a place's variables name."""
    with counting_proxy.running(place.environ[variables[0]]) as proxy:
        environ = {**place.environ, **dict.fromkeys(variables, proxy.url)}
        yield replace(place, environ=environ), [proxy]


def steady_flush(place: Place, proxies: list[Proxy]) -> Counter[str]:
    """Count the requests of one of many flushes: nothing is new, no other writer commits."""
    destination = place.open()
    for name in ("first", "second", "third"):
        for proxy in proxies:
            proxy.reset()
        destination.store(
            Batch(name.rjust(32, "0"), {"logs": bodies_at(0, name)}), commit_follows=True
        )
        destination.commit(soon())
    found = proxies[0].tally(KINDS)
    for proxy in proxies[1:]:
        found += proxy.tally(KINDS)
    assert place.bodies() == ["first", "second", "third"]
    return found


def test_plain_s3_takes_one_request(moto: str) -> None:
    """No check before it, none after it, no parts."""
    place = places.plain_s3(moto)
    with counting_proxy.running(moto) as proxy:
        url = place.url.replace(moto, proxy.url)
        assert steady_flush(replace(place, url=url), [proxy]) == {"data file": 1}


def test_an_environment_that_leaves_committing_to_others_takes_two_requests(moto: str) -> None:
    """It sends the file and its descriptor, and no request to a catalog."""
    place = places.glue(moto)
    environ = {**place.environ, "OTLP2PARQUET_COMMIT": "inbox"}
    with through(replace(place, environ=environ), "AWS_ENDPOINT_URL") as (proxied, proxies):
        destination = proxied.open()
        for name in ("first", "second"):
            proxies[0].reset()
            destination.store(
                Batch(name.rjust(32, "0"), {"logs": bodies_at(0, name)}), commit_follows=True
            )
            destination.commit(soon())
        assert proxies[0].tally(KINDS) == {"data file": 1, "descriptor": 1}
    place.open().commit(soon())
    assert place.bodies() == ["first", "second"]


def test_a_direct_commit_to_a_rest_catalog_takes_four_requests(
    iceberg_rest_on_s3: Place,
) -> None:
    """File, manifest, manifest list, commit: the catalog's last answer is still valid."""
    place = places.rest_on_s3(iceberg_rest_on_s3)
    catalog = place.url.removeprefix("rest+")
    with (
        counting_proxy.running(catalog) as rest,
        through(place, "AWS_ENDPOINT_URL_S3") as (proxied, proxies),
    ):
        there = replace(proxied, url=f"rest+{rest.url}")
        assert steady_flush(there, [*proxies, rest]) == {
            "data file": 1,
            "manifest": 1,
            "manifest list": 1,
            "commit": 1,
        }


def test_a_direct_commit_to_glue_takes_six_requests(moto: str) -> None:
    """Our code writes the metadata there, and has to read the version to compare with."""
    with through(places.glue(moto), "AWS_ENDPOINT_URL") as (place, proxies):
        found = steady_flush(place, proxies)
    assert found == {
        "data file": 1,
        "manifest": 1,
        "manifest list": 1,
        "metadata": 1,
        "AWSGlue.GetTable": 1,
        "AWSGlue.UpdateTable": 1,
    }


def test_each_further_table_of_a_batch_takes_what_the_first_takes(moto: str) -> None:
    """A file and a commit each; connections and credentials are the same."""
    with through(places.glue(moto), "AWS_ENDPOINT_URL") as (place, proxies):
        destination = place.open()
        for letter in "ab":
            proxies[0].reset()
            tables = {name: every_table.rows(name) for name in ("logs", "traces")}
            destination.store(Batch(letter * 32, tables), commit_follows=True)
            destination.commit(soon())
        found = proxies[0].tally(KINDS)
    assert found == {
        "data file": 2,
        "manifest": 2,
        "manifest list": 2,
        "metadata": 2,
        "AWSGlue.GetTable": 2,
        "AWSGlue.UpdateTable": 2,
    }


def test_a_commit_with_a_backlog_removes_all_descriptors_in_one_request(moto: str) -> None:
    """An outage leaves hundreds; a request for each would take the whole of the next flush."""
    with through(places.glue(moto), "AWS_ENDPOINT_URL") as (place, proxies):
        destination = place.open()
        for number in range(20):
            destination.store(Batch(f"{number:032}", {"logs": bodies_at(0, str(number))}))
        proxies[0].reset()
        assert destination.commit(soon()) == 20
        assert proxies[0].count("DELETE") == 0
        assert proxies[0].count("POST", "/lake-*") == 1


@pytest.mark.parametrize("kind", tiered(["glue", "rest on S3"]))
def test_a_cold_direct_flush_takes_a_bounded_number_of_requests(
    kind: str, moto: str, iceberg_rest_on_s3: Place
) -> None:
    """At shutdown of an environment that never flushed every request counts."""
    place = places.glue(moto) if kind == "glue" else places.rest_on_s3(iceberg_rest_on_s3)
    warm = place.open()
    warm.store(Batch("a" * 32, {"logs": bodies_at(0, "a")}), commit_follows=True)
    warm.commit(soon())
    variable = "AWS_ENDPOINT_URL" if kind == "glue" else "AWS_ENDPOINT_URL_S3"
    with (
        counting_proxy.running(iceberg_rest_on_s3.url.removeprefix("rest+")) as rest,
        through(place, variable) as (proxied, proxies),
    ):
        url = proxied.url if kind == "glue" else f"rest+{rest.url}"
        destination = replace(proxied, url=url).open()
        destination.store(Batch("b" * 32, {"logs": bodies_at(0, "b")}), commit_follows=True)
        destination.commit(soon(2_000))
        assert len(proxies[0].requests) + len(rest.requests) <= 8
    assert place.bodies() == ["a", "b"]
