"""Any service's rows are found by readers that follow the hive convention."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb
import pyarrow.dataset as pads
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from lake_bench import NOON_US, log_rows
from places import plain_s3

from otlp2parquet_ext.lake.destinations.address import AddressError, check_names, parse
from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.lake.destinations.folders import FOLDER_BYTES, folder_of, service_of
from otlp2parquet_ext.lake.destinations.hive import Hive
from otlp2parquet_ext.lake.storage.local import LocalStorage

if TYPE_CHECKING:
    from collections.abc import Sequence

HOSTILE = [
    "/api",
    "_x",
    ".y",
    "a=b",
    "year=2024",
    "a%2Fb",
    "%",
    "..",
    ".",
    "-rf",
    "~",
    "a.",
    "a ",
    " a",
    "\\",
    "*",
    "?",
    "[a]",
    "{a,b}",
    "a\0b",
    "\x7f\n\r\t",
    "\u202e\u2066",
    "\U000e0041",
    "é",
    "e\u0301",
    "注文",
    "ü" * 300,
    "a" * 5_000,
    "_" * 5_000,
]
NAMES = st.one_of(
    st.text(min_size=1, max_size=80),
    st.sampled_from(HOSTILE),
    st.text("_.=%/\\*? ab~-", min_size=1, max_size=8),
)


def store(root: Path, services: Sequence[str]) -> None:
    """Store a row of each service, through the real destination."""
    rows = log_rows(
        *(
            {"Timestamp": NOON_US, "ServiceName": name, "Body": str(n)}
            for n, name in enumerate(services)
        )
    )
    Hive(LocalStorage(root)).store(Batch("a" * 32, {"logs": rows}))


@given(st.lists(NAMES, min_size=1, max_size=6, unique=True))
@examples(0.1)
@example(HOSTILE)
def test_rows_of_any_service_are_read_back_by_the_hive_convention(services: list[str]) -> None:
    """Without escapes `_x` and `.y` were left out, and `a=b` failed the whole query."""
    with TemporaryDirectory() as folder:
        store(Path(folder), services)
        expected = {(str(number), name) for number, name in enumerate(services)}
        arrow = pads.dataset(f"{folder}/logs", partitioning="hive").to_table(
            ["Body", "ServiceName", "year", "hour"]
        )
        assert set(zip(*(arrow.column(n).to_pylist() for n in range(2)), strict=True)) == expected
        assert set(arrow.column("year").to_pylist()) == {2024}
        found = duckdb.sql(
            f"SELECT Body, ServiceName, hour FROM read_parquet('{folder}/logs/**/*.parquet',"  # noqa: S608
            " hive_partitioning = true)"
        ).fetchall()
        assert {row[:2] for row in found} == expected
        assert len(list(Path(folder, "logs").iterdir())) == len(services)


@given(st.one_of(NAMES, st.text(st.characters(), min_size=1)))
@examples(1.25)
def test_a_folder_is_one_name_and_leads_back_to_its_service(service: str) -> None:
    """A listing of folders gives the services, and shows which names were cut."""
    folder = folder_of(service)
    assert 0 < len(folder.encode()) <= FOLDER_BYTES
    assert folder[0] not in "_.-"
    assert not folder.endswith(".")
    assert not set(folder) & set("/\\=*?[]{}:'\"<>| ^#&+$;\0")
    assert folder.isprintable()
    assert folder not in ("unknown-service", "unknown") or service == folder
    assert service_of(folder) == (None if "~" in folder else service)


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=201))
@examples(0.5)
def test_different_services_have_different_folders(one: str, other: str, long: str) -> None:
    """Also those that begin alike for longer than a folder's name may be."""
    names = {one, other, long, long + one, long + other}
    assert len({folder_of(name) for name in names}) == len(names)


def test_halves_of_surrogate_pairs_are_escaped() -> None:
    """File systems refuse them, so such a name would fail each batch for ever."""
    assert folder_of("a\ud800") == "a%ED%A0%80"
    assert service_of("a%ED%A0%80") == "a\ud800"


def test_rows_of_older_folders_stay_where_readers_find_them(tmp_path: Path) -> None:
    """A version before this had `a_b` for `a/b`: one query reads both."""
    store(tmp_path, ["a/b"])
    (tmp_path / "logs/a%2Fb").rename(tmp_path / "logs/a_b")
    store(tmp_path, ["a/b"])
    found = pads.dataset(tmp_path / "logs", partitioning="hive").to_table(["ServiceName"])
    assert found.column(0).to_pylist() == ["a/b", "a/b"]


def test_the_same_names_are_keys_of_a_bucket(moto: str) -> None:
    """The key has exactly the name of the folder, after any encoding on the way."""
    place = plain_s3(moto)
    rows = log_rows(*({"Timestamp": NOON_US, "ServiceName": name} for name in HOSTILE))
    place.open().store(Batch("a" * 32, {"logs": rows}))
    folders = {name.split("/")[1] for name in place.objects.names("logs/")}
    assert folders == {folder_of(name) for name in HOSTILE}


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../x", "/etc", "a\\b", "a\nb", " a", "a ", "x" * 256]
)
@pytest.mark.parametrize("variable", ["namespace", "logs"])
def test_names_of_tables_that_are_no_folder_are_refused(name: str, variable: str) -> None:
    """`..` as a namespace would put the table beside the warehouse, `/etc` anywhere."""
    address = parse("sqlite:///lake/catalog.db")
    names = {"namespace": "otel", "logs": "logs"} | {variable: name}
    with pytest.raises(AddressError, match="expected 1 to 255 bytes without"):
        check_names(address, names["namespace"], {"logs": names["logs"]})
    check_names(address, "otel.prod=1", {"logs": "Logs of _.x"})
