"""The contract of every storage, tested with a folder and three S3 servers."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING
from uuid import uuid4

import moto_glue
import pytest
import versitygw
from s3_clients import BUCKET, aws_at, make_bucket, s3_at
from tiers import tiered

from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.lake.storage.storage import NotThereError, Put, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from places import Place

    from otlp2parquet_ext.lake.storage.storage import Storage

SERVERS = {
    "moto": (moto_glue.running, "us-east-1"),  # where a bucket is made without naming a region
    "versitygw": (versitygw.running, versitygw.REGION),
}
WRITERS = 8
ODD = [
    "a b.parquet",
    "Timestamp_day=2026-11-20.parquet",
    "100%.parquet",
    "100%25.parquet",
    "a+b&c;d?e#f.parquet",
    "übergrößen-日本語-🪣.parquet",
    "~tilde_under-dash.(1)!'*,@:$[x]{y}^`|\"<>.parquet",
]


@pytest.fixture(scope="module")
def s3_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Start each server once, on first use of its name; each has a bucket `lake`."""
    started: dict[str, str] = {}
    with ExitStack() as stack:

        def url(name: str) -> str:
            if name not in started:
                running, region = SERVERS[name]
                started[name] = stack.enter_context(running(tmp_path_factory.mktemp(name)))
                make_bucket(started[name], aws_at(region=region))
            return started[name]

        yield url


@pytest.fixture(params=tiered(["folder", *SERVERS, "SeaweedFS"]))
def storage(
    request: pytest.FixtureRequest, s3_servers: Callable[[str], str], tmp_path: Path
) -> Storage:
    """An empty place of its own."""
    if request.param == "folder":
        return LocalStorage(tmp_path / "lake")
    if request.param == "SeaweedFS":
        origin: Place = request.getfixturevalue("seaweed")
        url, root = origin.environ["AWS_ENDPOINT_URL_S3"], f"beside/{uuid4().hex}"
        return s3_at(url, root, origin.environ, origin.environ["AWS_REGION"])
    _, region = SERVERS[request.param]
    return s3_at(s3_servers(request.param), f"{BUCKET}/{uuid4().hex}", region=region)


def test_an_object_is_there_with_what_was_put(storage: Storage) -> None:
    """Also nothing at all, a view of something larger, and more than one packet."""
    large = bytes(range(256)) * 4_000
    for path, data in {"d/empty": b"", "d/view": memoryview(large)[7:99], "d/large": large}.items():
        assert storage.put(path, data).size_bytes == len(data)
        assert storage.get(path) == bytes(data)
        assert storage.size(path) == len(data)


def test_what_is_there_first_stays(storage: Storage) -> None:
    """A file that is named by its content may be written again; never over another one."""
    first = storage.put("d/x", b"first")
    again = storage.put("d/x", b"another, and longer")
    assert (first.new, first.size_bytes) == (True, 5)
    assert (again.new, again.size_bytes) == (False, 5)
    assert storage.get("d/x") == b"first"


def test_an_object_says_when_it_was_stored(storage: Storage) -> None:
    """Committers tell abandoned claims by their age."""
    first = storage.put("d/x", b"first")
    assert abs(first.stored_ms - time.time() * 1_000) < 5_000
    # Servers speak of whole seconds.
    assert abs(storage.put("d/x", b"again").stored_ms - first.stored_ms) <= 1_000


def test_one_of_many_writers_wins_and_all_see_the_same(storage: Storage) -> None:
    """A committer's claim is such an object: two winners would commit a batch twice."""
    for turn in range(5):
        barrier = threading.Barrier(WRITERS)

        def write(
            number: int, path: str = f"d/{turn}", barrier: threading.Barrier = barrier
        ) -> Put:
            barrier.wait(10)
            return storage.put(path, b"%d" % number * (number + 1))

        with ThreadPoolExecutor(WRITERS) as pool:
            puts = list(pool.map(write, range(WRITERS)))
        winners = [number for number, put in enumerate(puts) if put.new]
        assert len(winners) == 1
        assert storage.get(f"d/{turn}") == b"%d" % winners[0] * (winners[0] + 1)
        assert {put.size_bytes for put in puts} == {winners[0] + 1}


@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_names(storage: Storage, name: str) -> None:
    """Prefixes are the user's, and hive folders have `=` in them."""
    path = f"d {name}/{name}"
    assert storage.put(path, b"x").new
    assert storage.get(path) == b"x"
    assert storage.size(path) == 1
    assert list(storage.list(f"d {name}")) == [path]
    assert [entry.path for entry in storage.walk("")] == [path]
    assert storage.path(storage.url(path)) == path
    storage.delete_many([path, f"{path} that never was"])
    assert storage.size(path) is None


def test_a_folder_is_listed_whole_and_sorted_beyond_one_page(storage: Storage) -> None:
    """S3 lists a thousand at a time. Objects below or beside the folder are not in it."""
    names = [f"d/{number:04}" for number in range(1_003)]
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda path: storage.put(path, b""), [*names, "d/0000x/deeper", "dd/x"]))
    assert list(storage.list("d")) == names
    assert list(islice(storage.list("d"), 3)) == names[:3]
    assert len(list(storage.walk("d"))) == 1_004
    assert [e.path for e in storage.walk("d", names[-2])] == names[-1:]
    storage.delete_many(names)
    assert [e.path for e in storage.walk("")] == ["d/0000x/deeper", "dd/x"]


def test_a_walk_tells_sizes_and_times(storage: Storage) -> None:
    """A sweep deletes what is old and unknown."""
    storage.put("d/a/b", b"xyz")
    (entry,) = storage.walk("d")
    assert (entry.path, entry.size_bytes) == ("d/a/b", 3)
    assert abs(entry.stored_ms - time.time() * 1_000) < 5_000


def test_what_is_not_there_is_said_so(storage: Storage) -> None:
    """Each in the way its caller can use."""
    assert storage.size("d/x") is None
    assert list(storage.list("d")) == []
    assert list(storage.walk("d")) == []
    with pytest.raises(NotThereError, match="d/x is not there"):
        storage.get("d/x")


def test_deleting_twice_is_fine(storage: Storage) -> None:
    """Two committers clean up after the same batch."""
    storage.put("d/x", b"")
    storage.delete("d/x")
    storage.delete("d/x")
    storage.delete_many(["d/x", "d/y"])
    storage.delete_many([])
    assert storage.put("d/x", b"").new


def test_addresses_of_other_places_are_refused(storage: Storage) -> None:
    """A path made of such an address would be in another lake."""
    with pytest.raises(StorageError, match="does not lie in"):
        storage.path("s3://another-bucket/x")
