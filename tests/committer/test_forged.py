"""True entries of the inbox are committed once, and false ones are set aside."""

from __future__ import annotations

import json
import os
import shutil
import stat
from typing import TYPE_CHECKING, Any

import counting_proxy
import every_table
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from committer_bench import ALL_LAKES, committer, store, table_of_others
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from lake_bench import Home, bodies_at
from places import Folder, Place, glue, soon, sqlite
from pyiceberg.types import StringType

from otlp2parquet_ext.functions.committer.work import commit_waiting
from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.lake.destinations.lake import Lake
from otlp2parquet_ext.lake.destinations.parquet_file import encode
from otlp2parquet_ext.lake.iceberg.commit import trust
from otlp2parquet_ext.lake.iceberg.format import bounds, footer, parquet_facts
from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile, Statistics
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.records.tables.logs import COLUMNS
from otlp2parquet_ext.records.tables.registry import TABLES
from otlp2parquet_ext.tools.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY = 20_000
DATE = "2024-10-04"
FORGED = "f" * 32


@pytest.fixture
def disk(tmp_path: Path) -> Place:
    """The embedded lake."""
    return sqlite(tmp_path)


def described(place: Place, body: str) -> DataFile:
    """Return the descriptor that an environment writes for the file of a batch."""
    (entry,) = (e for e in place.inbox() if body in e)
    return msgspec.json.decode(place.waiting.read(entry), type=DataFile)


def waiting(place: Place) -> list[str]:
    """Return what waits, and is not set aside."""
    return [entry for entry in place.inbox() if entry.count("/") == 1]


def put(place: Place, file: DataFile, **more: object) -> str:
    """Put a descriptor into the inbox, with the name that fits its contents."""
    fields = msgspec.to_builtins(file) | more
    entry = f"inbox/{file.stored_ms:013}-{file.name}.json"
    place.waiting.write(entry, msgspec.json.encode(fields))
    return entry


def reasons(place: Place, folder: str = "rejected") -> list[str]:
    """Return why entries were set aside."""
    found = place.waiting.names(f"inbox/{folder}/")
    return [json.loads(place.waiting.read(name))["rejected"] for name in found]


def forged(file: DataFile, **changes: object) -> DataFile:
    """Return a descriptor with other contents, under the name that fits them."""
    return msgspec.structs.replace(file, **changes)


def only_true_rows(place: Place, *bodies: str, aside: int = 1) -> None:
    """Commit, as fresh as everything is; only what is true may become visible."""
    done = commit_waiting(committer(place), soon())
    assert (done.files, done.aside, done.problem) == (len(bodies), aside, "")
    assert place.bodies() == list(bodies)
    assert waiting(place) == []


def elsewhere(path: str) -> Callable[[DataFile], DataFile]:
    """Have a descriptor name another place."""
    return lambda file: forged(file, name=f"{FORGED}-{DATE}", path=path)


PATHS = [
    "/etc/passwd",
    "file:///etc/passwd",
    "s3://somebody-else/otel/logs/data/Timestamp_day=2024-10-04/{batch}.parquet",
    "s3a://somebody-else/{batch}.parquet",
    "https://example.com/{batch}.parquet",
    "",
    "\x00",
    "{root}/data/Timestamp_day=2024-10-04/../Timestamp_day=2024-10-04/{batch}.parquet",
    "{root}/data/../../../../../../etc/passwd",
    "{root}/data//Timestamp_day=2024-10-04/{batch}.parquet",
    "{root}//data/Timestamp_day=2024-10-04/{batch}.parquet",
    "{root}/data/./Timestamp_day=2024-10-04/{batch}.parquet",
    "{root}/data/Timestamp_day%3D2024-10-04/{batch}.parquet",
    "{root}/data/timestamp_day=2024-10-04/{batch}.parquet",
    "{root}/data/Timestamp_day=2024-10-04/{batch}.PARQUET",
    "{root}/data/Timestamp_day=2024-10-04/{batch}.txt",
    "{root}/metadata/{batch}.parquet",
    "{root}-of-others/data/Timestamp_day=2024-10-04/{batch}.parquet",
    "data/Timestamp_day=2024-10-04/{batch}.parquet",
]


@pytest.mark.parametrize("kind", ["sqlite", "glue"])
def test_a_file_under_another_name_or_elsewhere_is_not_committed(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A scan of it would fail, or read files that only the table's owner may read."""
    lake = ALL_LAKES[kind](tmp_path, request)
    store(lake, "fine")
    file = described(lake, "fine")
    root, _, rest = file.path.partition("/data/")
    for number, path in enumerate(PATHS):
        batch = rest.partition("/")[2].removesuffix(".parquet")
        address = path.format(root=root, batch=batch)
        put(lake, forged(file, name=f"{number:032}-{DATE}", path=address))
    only_true_rows(lake, "fine", aside=len(PATHS))
    assert len(reasons(lake)) == len(PATHS)


@pytest.mark.parametrize("kind", ["sqlite", "glue"])
def test_one_file_is_committed_once_however_many_descriptors_it_has(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Rows came twice when a second name led to the same file."""
    lake = ALL_LAKES[kind](tmp_path, request)
    store(lake, "fine")
    file = described(lake, "fine")
    put(lake, forged(file, name=f"{FORGED}-{DATE}"))
    put(lake, forged(file, name=f"{FORGED}-{DATE},{file.name}"))
    put(lake, forged(file, stored_ms=1))
    put(lake, forged(file, stored_ms=file.stored_ms + 10**10))
    done = commit_waiting(committer(lake), soon())
    assert (done.files, done.rows, done.aside) == (1, 1, 2)
    assert lake.bodies() == ["fine"]
    assert waiting(lake) == []
    put(lake, forged(file, stored_ms=2))
    assert commit_waiting(committer(lake), soon()).problem == ""
    assert lake.bodies() == ["fine"]


def test_a_time_to_come_does_not_make_the_table_forget(disk: Place, tmp_path: Path) -> None:
    """Each later file would have to be looked up in every manifest, by every commit."""
    store(disk, "fine")
    file = described(disk, "fine")
    disk.objects.remove(disk.inbox()[0])
    put(disk, forged(file, stored_ms=9_999_999_999_999))
    only_true_rows(disk, "fine", aside=0)
    ledger = Home(tmp_path).metadata()["properties"]["otlp2parquet_ext.committed"]
    assert int(ledger[1:].split()[0]) <= soon()


CLAIMS: list[tuple[dict[str, object], str]] = [
    ({"rows": 10**15}, "rows is"),
    ({"rows": 10**40}, "rows is"),
    ({"rows": 2}, "the file has 1 rows"),
    ({"rows": 0}, "rows is"),
    ({"rows": -1}, "rows is"),
    ({"size_bytes": 1}, "no Parquet file|bytes were stored|and 1 were stored"),
    ({"size_bytes": 10**9}, "were stored"),
    ({"size_bytes": 2**63}, "size_bytes is"),
    ({"day": DAY + 1}, "it says day"),
    ({"day": 2**31}, "it says day"),
    ({"fields": "0123456789ab"}, "the tag ''"),
    ({"fields": "x" * 9_000}, "the tag ''"),
    ({"version": 2}, "of version 2"),
    ({"version": "two"}, "no descriptor"),
    ({"path": 7}, "no descriptor"),
    ({"rows": 1.5}, "no descriptor"),
    ({"statistics": {"lower_bounds": {"x": 1}}}, "no descriptor"),
]


@pytest.mark.parametrize(("changes", "reason"), CLAIMS, ids=[str(c)[:40] for c, _ in CLAIMS])
def test_what_is_not_true_of_a_file_is_set_aside_with_its_reason(
    disk: Place, changes: dict[str, object], reason: str
) -> None:
    """The file stays, and the sweep describes it again.

    Fresh files used to be committed unchecked.
    """
    store(disk, "edited", "fine")
    file = described(disk, "edited")
    put(disk, file, **changes)
    only_true_rows(disk, "fine")
    (found,) = reasons(disk)
    assert any(part in found for part in reason.split("|"))
    assert disk.objects.names(f"data/Timestamp_day={DATE}/{'edited'.rjust(32, '0')}")


@pytest.mark.parametrize(
    "statistics",
    [
        Statistics(column_sizes={2**31: 1}),
        Statistics(value_counts={1: -1}),
        Statistics(lower_bounds={-1: b""}, upper_bounds={1: b"\0" * 8}),
        Statistics(lower_bounds={3: b"zzz"}, upper_bounds={3: b"a"}),
        Statistics(split_offsets=[-4]),
    ],
)
def test_counts_and_bounds_are_those_of_the_file(disk: Place, statistics: Statistics) -> None:
    """Readers prune by them: forged ones would hide the rows, or break the manifest."""
    store(disk, "edited")
    file = described(disk, "edited")
    put(disk, forged(file, statistics=statistics))
    only_true_rows(disk, "edited", aside=0)
    assert disk.rows("SELECT Body FROM logs WHERE SpanId = 'edited'") == [("edited",)]


BYTES: list[tuple[bytes, str]] = [
    (b"", "no descriptor"),
    (b"\xff\xfe", "no descriptor"),
    (b'{"name":', "no descriptor"),
    (b"[]", "no descriptor"),
    (b"null", "no descriptor"),
    (b'{"name":"\\ud800"}', "no descriptor"),
    (b'{"x":' + b"[" * 30_000, "no descriptor"),
    (b'{"rows":' + b"9" * 60_000 + b"}", "no descriptor"),
    (b" " * 70_000, "it has 70000 bytes"),
    (b"{" + b'"x":1,' * 200_000 + b'"y":1}', "it has 1200007 bytes"),
]


@pytest.mark.parametrize(("data", "reason"), BYTES, ids=range(len(BYTES)))
def test_bytes_that_are_no_descriptor_are_set_aside(disk: Place, data: bytes, reason: str) -> None:
    """Left there, each committer would read them again and again."""
    store(disk, "fine")
    disk.objects.write(f"inbox/0000000000001-{FORGED}-{DATE}.json", data)
    only_true_rows(disk, "fine")
    (found,) = reasons(disk)
    assert reason in found
    (aside,) = disk.objects.names("inbox/rejected/")
    assert len(disk.objects.read(aside)) < 70_000


def test_what_a_newer_version_adds_is_passed_over(disk: Place) -> None:
    """A field more changes nothing; what would be misread has another version."""
    store(disk, "fine")
    put(disk, described(disk, "fine"), version=1, sorted_by=["Timestamp"])
    only_true_rows(disk, "fine", aside=0)


def rewritten(place: Place, body: str, data: bytes) -> None:
    """Replace the file of a batch, and the length in its descriptor."""
    file = described(place, body)
    path = f"data/{file.path.partition('/data/')[2]}"
    place.objects.write(path, data)
    put(place, forged(file, size_bytes=len(data)))


def parquet(table: pa.Table, **options: Any) -> bytes:
    """Return a file that another program writes."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **{"store_schema": False, **options})
    return bytes(sink.getvalue())


ROWS = bodies_at(0, "evil")
OTHERS = ROWS.set_column(
    2, pa.field("x", pa.int64(), metadata=ROWS.schema.field(2).metadata), [[1]]
)
FILES: dict[str, tuple[bytes, str]] = {
    "text": (b"root:x:0:0:root:/root:/bin/bash\n" * 9, "no Parquet file"),
    "short": (b"PAR1", "no Parquet file"),
    "long footer": (b"PAR1" + b"\0" * 90 + (10**9).to_bytes(4, "little") + b"PAR1", "a footer of"),
    "no footer": (b"PAR1" + b"\0" * 90 + (50).to_bytes(4, "little") + b"PAR1", "footer"),
    "a million row groups": (
        b"PAR1\x15\x02\x19\xfc\xc0\x84\x3d" + b"\0" * 80 + (87).to_bytes(4, "little") + b"PAR1",
        "announces more than",
    ),
    "another day": (parquet(bodies_at(1, "evil")), "of the days"),
    "two row groups": (parquet(bodies_at(0, "a", "b"), row_group_size=1), "row groups"),
    "no rows": (parquet(ROWS.slice(0, 0)), "row groups|rows"),
    "no bounds": (parquet(ROWS, write_statistics=False), "of the days"),
    "two rows": (parquet(bodies_at(0, "a", "b")), "the file has 2 rows"),
    "another type": (parquet(OTHERS), "column"),
    "fewer columns": (parquet(ROWS.select(range(5))), "column"),
    "more columns": (parquet(ROWS.append_column("z", pa.array([1]))), "column"),
    "no ids": (
        parquet(
            ROWS.replace_schema_metadata().cast(
                pa.schema([f.remove_metadata() for f in ROWS.schema])
            )
        ),
        "lacks what it needs: KeyError(9)",
    ),
    "other ids": (
        parquet(
            ROWS.cast(
                pa.schema(
                    [
                        f.with_metadata({"PARQUET:field_id": str(n + 50)})
                        for n, f in enumerate(ROWS.schema)
                    ]
                )
            )
        ),
        "the tag",
    ),
    "brotli": (parquet(ROWS, compression="brotli"), "compressed by"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_not_ours_is_not_committed(disk: Place, kind: str) -> None:
    """Its descriptor is right about its length, and as fresh as can be."""
    store(disk, "evil", "fine")
    data, reason = FILES[kind]
    rewritten(disk, "evil", data)
    only_true_rows(disk, "fine")
    (found,) = reasons(disk)
    assert any(part in found for part in reason.split("|")), found


def test_a_file_that_is_gone_is_missing_at_once(disk: Place) -> None:
    """There is no grace of ten minutes. Moved back with its file, the entry is committed."""
    store(disk, "gone", "fine")
    (path,) = (name for name in disk.objects.names("data/") if "gone" in name)
    data = disk.objects.read(path)
    disk.objects.remove(path)
    only_true_rows(disk, "fine")
    assert len(reasons(disk, "missing")) == 1
    disk.objects.write(path, data)
    (aside,) = disk.objects.names("inbox/missing/")
    disk.objects.write(f"inbox/{aside.rpartition('/')[2]}", disk.objects.read(aside))
    assert commit_waiting(committer(disk), soon()).files == 1
    assert disk.bodies() == ["fine", "gone"]


@pytest.mark.parametrize("what", ["file", "folder", "entry", "pipe", "device folder"])
def test_nothing_is_read_through_a_link(disk: Place, tmp_path: Path, what: str) -> None:
    """Otherwise a writer in the lake's folder could make the committer read foreign files."""
    store(disk, "evil", "fine")
    assert isinstance(disk.objects, Folder)
    root = disk.objects.root
    (path,) = (root / name for name in disk.objects.names("data/") if "evil" in name)
    outside = tmp_path / "outside"
    outside.mkdir()
    if what == "entry":
        (entry,) = (root / name for name in disk.inbox() if "evil" in name)
        shutil.move(entry, outside / "secret")
        entry.symlink_to(outside / "secret")
        assert commit_waiting(committer(disk), soon()).files == 1
        assert disk.bodies() == ["fine"]
        assert reasons(disk) == []
        return
    shutil.move(path, outside / path.name)
    if what == "file":
        path.symlink_to(outside / path.name)
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "device folder":
        path.mkdir()
    else:
        shutil.copytree(path.parent, outside / "day")
        shutil.copy(outside / path.name, outside / "day")
        shutil.rmtree(path.parent)
        path.parent.symlink_to(outside / "day")
        done = commit_waiting(committer(disk), soon())
        assert (done.files, done.aside) == (0, 2)
        return
    only_true_rows(disk, "fine")


def test_a_file_that_cannot_be_read_stays_and_the_others_are_committed(disk: Place) -> None:
    """It may be encrypted with another key, so the committer cannot check it."""
    store(disk, "evil", "fine")
    assert isinstance(disk.objects, Folder)
    (path,) = (disk.objects.root / n for n in disk.objects.names("data/") if "evil" in n)
    path.unlink()
    os.mknod(path, stat.S_IFSOCK | 0o600)  # opening a socket's file is an error of that file
    done = commit_waiting(committer(disk), soon())
    assert (done.files, done.aside, done.empty) == (1, 0, True)
    assert done.problem.startswith("1 entries of the inbox stay unread: ")
    assert disk.bodies() == ["fine"]
    assert len(waiting(disk)) == 1
    assert main(["commit", disk.url]) == 1


def test_a_file_whose_pages_are_broken_blocks_no_other_where_it_is_written_anew(
    tmp_path: Path,
) -> None:
    """A table with ids of its own: one such file ended every commit."""
    lake = table_of_others(tmp_path, StringType())
    store(lake, "evil", "fine")
    file = described(lake, "evil")
    path = f"data/{file.path.partition('/data/')[2]}"
    data = bytearray(lake.objects.read(path))
    length = int.from_bytes(data[-8:-4], "little")
    data[4 : -length - 8] = b"\xff" * (len(data) - length - 12)
    lake.objects.write(path, bytes(data))
    only_true_rows(lake, "fine")
    assert "cannot be rewritten" in reasons(lake)[0]


def test_any_number_of_forged_entries_holds_up_nobody(
    disk: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They sort first; an environment's own file becomes visible, and a committer clears all."""
    most = 10
    monkeypatch.setattr("otlp2parquet_ext.lake.destinations.lake.FILES_PER_COMMIT", most)
    store(disk, "fine")
    for number in range(8 * most):
        disk.objects.write(f"inbox/{number:013}-{number:032}-{DATE}.json", b"{}")
    home = Home(tmp_path)
    environment = Lake(LocalStorage(home.location), home.lean)
    environment.store(Batch("e" * 32, {"logs": bodies_at(0, "own")}), commit_follows=True)
    assert environment.commit(soon()) == 1
    assert disk.bodies() == ["own"]
    assert len(disk.objects.names("inbox/rejected/")) == most
    done = commit_waiting(committer(disk), soon(60_000), per_snapshot=3 * most)
    assert (done.files, done.aside, done.empty) == (1, 7 * most, True)
    assert disk.bodies() == ["fine", "own"]


def test_what_is_set_aside_is_bounded(disk: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries beyond the bound are removed without a copy; their files stay."""
    monkeypatch.setattr("otlp2parquet_ext.lake.iceberg.commit.set_aside.MOST_ASIDE", 3)
    for start in (0, 5):
        for number in range(start, start + 5):
            disk.objects.write(f"inbox/{number:013}-{number:032}-{DATE}.json", b"{}")
        assert commit_waiting(committer(disk), soon()).aside == 5
    assert len(disk.objects.names("inbox/rejected/")) == 3
    assert waiting(disk) == []


def test_an_environment_takes_nothing_forged_from_the_inbox(disk: Place, tmp_path: Path) -> None:
    """It commits what others left, by the same rules."""
    store(disk, "fine")
    file = described(disk, "fine")
    put(disk, forged(file, name=f"{FORGED}-{DATE}"))
    put(disk, forged(file, stored_ms=5, rows=10**15))
    home = Home(tmp_path)
    assert Lake(LocalStorage(home.location), home.lean).commit(soon()) == 1
    assert disk.bodies() == ["fine"]
    assert waiting(disk) == []


def test_the_command_says_in_its_status_that_something_was_set_aside(
    disk: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    """It was 0 when `/etc/passwd` had become part of the table."""
    store(disk, "fine")
    put(disk, elsewhere("/etc/passwd")(described(disk, "fine")))
    assert main(["commit", disk.url]) == 3
    out, err = capfd.readouterr()
    assert "; 1 descriptors were set aside" in out
    assert err.count("\n") == 1
    assert "'/etc/passwd' lies outside of the table's location" in err


def test_a_foreign_table_in_fields_does_not_end_every_commit(disk: Place) -> None:
    """The file would have to be rewritten, and its place is not allowed."""
    store(disk, "fine")
    file = described(disk, "fine")
    put(disk, forged(elsewhere("s3://somebody-else/x.parquet")(file), fields="0123456789ab"))
    only_true_rows(disk, "fine")


def test_looking_costs_one_request_a_file(moto: str) -> None:
    """The request reads the end of the file, and shows its existence, length and contents."""
    place = glue(moto)
    store(place, *(f"{number:02}" for number in range(10)))
    with counting_proxy.running(moto) as proxy:
        proxied = Place(
            place.kind, place.url, place.objects, {**place.environ, "AWS_ENDPOINT_URL": proxy.url}
        )
        assert commit_waiting(committer(proxied), soon()).files == 10
        assert proxy.count("GET", "*.parquet") == 10
        assert proxy.count("HEAD", "*.parquet") == 0
        assert proxy.count("GET", "*/inbox/*") == 10


TRUE = bytes(encode(bodies_at(0, "true"), COLUMNS).data)


@given(st.data())
@examples(0.5)
def test_no_changed_byte_of_a_footer_crashes_or_is_believed(data: st.DataObject) -> None:
    """Arrow's reader is C++: what it is given was walked through before."""
    whole = bytearray(TRUE)
    length = int.from_bytes(whole[-8:-4], "little")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(len(whole) - length - 8, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    seen = trust.Seen(len(whole), 1, bytes(whole))
    found = trust.described(f"{FORGED}-{DATE}", "/x", seen, COLUMNS)
    if isinstance(found, DataFile):
        assert 1 <= found.rows <= parquet_facts.MOST_ROWS
        assert found.day == DAY
    else:
        assert found.reason.isprintable()


@pytest.mark.parametrize("table", TABLES)
def test_a_footer_says_what_our_writer_knows(table: str) -> None:
    """Two ways to one descriptor: committed at once, or from the inbox."""
    columns = TABLES[table]
    data, written = encode(every_table.rows(table), columns)
    whole = bytes(data)
    end = len(whole) - 8 - footer.footer_bytes(whole, len(whole))
    found = parquet_facts.facts(footer.read(whole, len(whole)), columns, end)
    assert found.rows == written.num_rows
    assert found.statistics == bounds.statistics(written, columns)
    assert (found.fit.columns, found.fit.tag) == (columns, "")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(DataFile.__struct_fields__), VALUES)
    | st.builds(
        lambda name, rows, size, ms: {
            "name": name,
            "path": "/x",
            "day": DAY,
            "rows": rows,
            "size_bytes": size,
            "stored_ms": ms,
        },
        st.sampled_from([f"{FORGED}-{DATE}", f"{FORGED}-2024-02-30", f"{FORGED}-{DATE}\n", "x"]),
        st.integers(),
        st.integers(),
        st.integers(0, 10**20),
    )
)
@examples(0.5)
@example(
    {
        "name": f"{FORGED}-{DATE}",
        "path": "/x",
        "day": DAY,
        "rows": 1,
        "size_bytes": 9,
        "stored_ms": 1,
    }
)
def test_any_json_is_a_descriptor_within_bounds_or_rejected(fields: dict[str, object]) -> None:
    """The reason is one line without anything a terminal would obey."""
    stored_ms = fields.get("stored_ms", 0)
    name = f"{stored_ms:013}-{fields.get('name')}.json" if isinstance(stored_ms, int) else "x"
    data = json.dumps(fields).encode()
    found = trust.read_entry(name, data, len(data))
    if isinstance(found, DataFile):
        assert trust.day_of(found.name) == found.day
        assert 1 <= found.rows <= parquet_facts.MOST_ROWS
        assert 1 <= found.size_bytes <= trust.MOST_BYTES
        assert 0 <= found.stored_ms <= trust.MOST_MS
    else:
        assert found.reason.isprintable()
        assert len(found.reason) < 1_000
