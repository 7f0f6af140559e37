"""The number of requests of an operation, and its outcome when one of them fails."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING
from uuid import uuid4

import counting_proxy
import pytest
import versitygw
from counting_proxy import Cut
from s3_clients import BUCKET, aws_at, make_bucket, s3_at

from otlp2parquet_ext.lake.storage.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counting_proxy import Proxy

    from otlp2parquet_ext.lake.storage.s3 import S3Storage


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An S3 that verifies signatures."""
    with versitygw.running(tmp_path_factory.mktemp("versitygw")) as url:
        make_bucket(url, aws_at())
        yield url


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    """A proxy that counts requests, and breaks them."""
    with counting_proxy.running(server) as proxy:
        yield proxy


@pytest.fixture
def lake(proxy: Proxy) -> S3Storage:
    """An empty place behind the proxy."""
    return s3_at(proxy.url, f"{BUCKET}/{uuid4().hex}")


def error(code: str) -> bytes:
    """Return a body of S3's."""
    return f"<Error><Code>{code}</Code><Message>Because.</Message></Error>".encode()


def test_a_new_object_is_one_request(proxy: Proxy, lake: S3Storage) -> None:
    """Requests cost more than the bytes in them, in money and in a shutdown window."""
    lake.put("x", b"data")
    assert [request.method for request in proxy.requests] == ["PUT"]


def test_an_object_that_was_there_is_one_request_more(proxy: Proxy, lake: S3Storage) -> None:
    """Only the server knows the size and age of the other object."""
    lake.put("x", b"data")
    lake.put("x", b"data")
    assert [request.method for request in proxy.requests] == ["PUT", "PUT", "HEAD"]


def test_an_object_of_ours_whose_answer_got_lost_is_ours(proxy: Proxy, lake: S3Storage) -> None:
    """The second attempt meets what the first one stored; a claim must not be given up for it."""
    proxy.fault(Cut.AFTER, method="PUT")
    assert lake.put("x", b"mine").new
    assert proxy.count("PUT") == 2


def test_an_object_of_another_is_not_ours_whatever_happened_to_our_request(
    proxy: Proxy, lake: S3Storage, server: str
) -> None:
    """Equal bytes are no proof: racing writers of one batch write the same."""
    place = lake.url("x").removeprefix(f"s3://{BUCKET}/").removesuffix("/x")
    assert s3_at(server, f"{BUCKET}/{place}").put("x", b"same").new
    proxy.fault(Cut.BEFORE, method="PUT")
    assert not lake.put("x", b"same").new


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (503, "SlowDown"),
        (500, "InternalError"),
        (409, "ConditionalRequestConflict"),
        (429, "TooManyRequests"),
        (400, "RequestTimeout"),
    ],
)
def test_what_may_pass_is_tried_again(
    proxy: Proxy, lake: S3Storage, status: int, code: str
) -> None:
    """A bucket with a new load asks clients to wait before it splits."""
    proxy.fault(status, method="PUT", times=2, body=error(code))
    assert lake.put("x", b"data").new
    assert proxy.count("PUT") == 3


def test_patience_ends(proxy: Proxy, lake: S3Storage) -> None:
    """Every retry has a count."""
    proxy.fault(503, times=99, body=error("SlowDown"))
    with pytest.raises(StorageError, match=r"too many requests.*SlowDown") as problem:
        lake.put("x", b"data")
    assert str(problem.value).startswith(lake.url("x"))
    assert proxy.count("PUT") == 5


def test_an_object_removed_while_we_look_is_written(proxy: Proxy, lake: S3Storage) -> None:
    """A committer may empty the inbox while an environment describes a file again."""
    proxy.fault(412, method="PUT", body=error("PreconditionFailed"))
    assert lake.put("x", b"data").new


def test_a_server_that_says_both_yes_and_no_is_given_up(proxy: Proxy, lake: S3Storage) -> None:
    """No loop without an end."""
    proxy.fault(412, method="PUT", times=99, body=error("PreconditionFailed"))
    with pytest.raises(StorageError, match="other writers create and delete it"):
        lake.put("x", b"data")


@pytest.mark.timing
def test_a_server_that_hangs_costs_no_more_than_the_limit(proxy: Proxy) -> None:
    """The flush side must be able to report the outcome of a batch."""
    impatient = s3_at(proxy.url, limit_ms=500)
    proxy.fault(Cut.HANG, times=99)
    started = time.monotonic()
    with pytest.raises(StorageError, match="no answer within the time there was"):
        impatient.put("x", b"data")
    assert time.monotonic() - started < 2


def test_a_server_that_is_not_there_is_named() -> None:
    """A wrong endpoint is the likeliest cause."""
    gone = s3_at("http://127.0.0.1:1", limit_ms=500)
    with pytest.raises(StorageError, match=r"s3://lake/x: http://127.0.0.1:1 cannot be reached"):
        gone.put("x", b"data")


def test_a_page_is_asked_for_when_it_is_needed(proxy: Proxy, lake: S3Storage) -> None:
    """A committer that takes a hundred descriptors does not list a million."""
    for number in range(3):
        lake.put(f"inbox/{number}", b"")
    proxy.reset()
    taken = islice(lake.list("inbox"), 2)
    assert proxy.count("GET") == 0
    assert list(taken) == ["inbox/0", "inbox/1"]
    assert proxy.count("GET") == 1


def test_a_thousand_are_deleted_in_one_request(proxy: Proxy, lake: S3Storage) -> None:
    """Deleting committed descriptors takes time for each request."""
    lake.put("d/0", b"")
    proxy.reset()
    lake.delete_many([f"d/{number}" for number in range(1_500)])
    assert proxy.count("POST") == 2
    assert proxy.count("DELETE") == 0
    assert lake.size("d/0") is None


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_where_many_cannot_be_deleted_at_once_each_is_deleted(
    proxy: Proxy, lake: S3Storage, status: int
) -> None:
    """Some S3 servers lack DeleteObjects."""
    paths = ["d/0", "d/1", "d/2"]
    for path in paths:
        lake.put(path, b"")
    proxy.fault(status, method="POST")
    lake.delete_many(paths)
    assert [lake.size(path) for path in paths] == [None] * 3


def test_what_one_request_left_is_deleted_by_another(proxy: Proxy, lake: S3Storage) -> None:
    """DeleteObjects answers 200, and its body lists the objects that it could not delete."""
    lake.put("d/0", b"")
    key = lake.url("d/0").removeprefix(f"s3://{BUCKET}/")
    left = f"<Error><Key>{key}</Key><Code>InternalError</Code><Message>x</Message></Error>"
    body = f'<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{left}</DeleteResult>'
    proxy.fault(200, method="POST", body=body.encode())
    lake.delete_many(["d/0", "d/1"])
    assert proxy.count("DELETE") == 1
    assert lake.size("d/0") is None


def test_names_that_xml_cannot_write_are_deleted_one_by_one(proxy: Proxy, lake: S3Storage) -> None:
    """A folder of a bucket may hold anything, and a sweep meets it."""
    lake.delete_many(["d/\x01", "d/a\nb", "d/c"])
    assert (proxy.count("DELETE"), proxy.count("POST")) == (1, 1)
