"""The requests the cost model counts with, beside those a proxy sees."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import counting_proxy
import places
import pytest
from counting_proxy import Pattern
from lake_bench import bodies_at
from places import Place, soon

from otlp2parquet_ext.functions.committer.function import answer
from otlp2parquet_ext.functions.committer.opening import open_place
from otlp2parquet_ext.lake.destinations.destination import Batch, BusyError
from otlp2parquet_ext.tools.cost.requests import (
    AGAIN,
    COMMIT,
    DESCRIBE,
    REFRESH,
    RUN,
    STORE,
    TAKE,
    RequestKind,
    Requests,
)

if TYPE_CHECKING:
    from counting_proxy import Proxy

LIST = Pattern("GET", "/*")


def seen(bucket: Proxy, catalog: Proxy | None = None) -> Requests:
    """Return the requests at the proxies; a catalog without a proxy is known by its header."""
    objects = [r for r in bucket.requests if not r.target]
    lists = sum("list-type=" in r.path for r in objects)
    gets = sum(r.method in ("GET", "HEAD") for r in objects)
    to_catalog = [r for r in bucket.requests if r.target] + list(
        catalog.requests if catalog else ()
    )
    return Requests(
        put=sum(r.method == "PUT" for r in objects),
        get=gets - lists,
        list=lists,
        catalog=len(to_catalog),
    )


def flush(place: Place, *names: str) -> None:
    """Store and commit some batches, as an environment that runs for a while."""
    destination = place.open()
    for name in names:
        destination.store(
            Batch(name.rjust(32, "0"), {"logs": bodies_at(0, name)}), commit_follows=True
        )
        destination.commit(soon())


def flushes(place: Place, proxies: list[Proxy], other: Place | None) -> Requests:
    """Count one flush of an environment; `other` has committed before it, if given.

    The first time, an environment may not expect another writer; later it knows about it.
    """
    destination = place.open()
    for name in ("first", "second", "third", "fourth"):
        if other is not None:
            flush(other, f"{name} of another")
        for proxy in proxies:
            proxy.reset()
        destination.store(
            Batch(name.rjust(32, "0"), {"logs": bodies_at(0, name)}), commit_follows=True
        )
        with suppress(BusyError) if name == "second" else nullcontext():
            destination.commit(soon())
    return seen(*proxies)


def test_a_plain_file(moto: str) -> None:
    """One PUT."""
    place = places.plain_s3(moto)
    with counting_proxy.running(moto) as proxy:
        flush(replace(place, url=place.url.replace(moto, proxy.url)), "one")
        assert seen(proxy) == STORE.plus(COMMIT[RequestKind.PLAIN])


@pytest.mark.parametrize("alone", [True, False])
def test_a_commit_to_glue(moto: str, alone: bool) -> None:  # noqa: FBT001 - a parameter of tests
    """Alone, and while another environment commits, too."""
    place = places.glue(moto)
    with counting_proxy.running(moto) as proxy:
        proxied = replace(place, environ={**place.environ, "AWS_ENDPOINT_URL": proxy.url})
        found = flushes(proxied, [proxy], None if alone else place)
    expected = STORE.plus(COMMIT[RequestKind.GLUE])
    assert found == (expected if alone else expected.plus(REFRESH[RequestKind.GLUE]))


@pytest.mark.parametrize("alone", [True, False])
def test_a_commit_to_a_rest_catalog(iceberg_rest_on_s3: Place, alone: bool) -> None:  # noqa: FBT001
    """S3 Tables takes the same requests, with those of its own catalog."""
    place = places.rest_on_s3(iceberg_rest_on_s3)
    bucket_url = place.environ["AWS_ENDPOINT_URL_S3"]
    catalog_url = place.url.removeprefix("rest+")
    with (
        counting_proxy.running(bucket_url) as bucket,
        counting_proxy.running(catalog_url) as catalog,
    ):
        proxied = replace(
            place,
            url=f"rest+{catalog.url}",
            environ={**place.environ, "AWS_ENDPOINT_URL_S3": bucket.url},
        )
        found = flushes(proxied, [bucket, catalog], None if alone else place)
    more = Requests() if alone else REFRESH[RequestKind.REST]
    assert found == STORE.plus(COMMIT[RequestKind.REST]).plus(more)
    assert sum(COMMIT[RequestKind.S3_TABLES]) == sum(COMMIT[RequestKind.REST])
    assert sum(REFRESH[RequestKind.S3_TABLES]) == sum(REFRESH[RequestKind.REST])


def test_an_inbox_and_who_takes_it(moto: str) -> None:
    """File and descriptor are stored; a committer lists the descriptors and reads each once."""
    place = places.glue(moto)
    inbox = replace(place, environ={**place.environ, "OTLP2PARQUET_COMMIT": "inbox"})
    with counting_proxy.running(moto) as proxy:
        proxied = {"AWS_ENDPOINT_URL": proxy.url}
        flush(replace(inbox, environ={**inbox.environ, **proxied}), "one", "two", "three")
        assert seen(proxy) == STORE.plus(DESCRIBE).times(3)
        committer = open_place({**place.variables, **proxied})
        for number in range(3):
            flush(place, f"another {number}")
            flush(inbox, *(f"{number}{name}" for name in "abc"))
            proxy.reset()
            answer([committer], {}, soon())
            busy = seen(proxy)
        proxy.reset()
        answer([committer], {}, soon())
        assert seen(proxy) == RUN
    committed = (
        COMMIT[RequestKind.GLUE].plus(REFRESH[RequestKind.GLUE]).plus(AGAIN).plus(TAKE.times(3))
    )
    assert busy == RUN.plus(committed)
