"""Lists of destinations: split without doubt, refused by their bad part."""

from __future__ import annotations

import pytest

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.lake.destinations.address import AddressError
from otlp2parquet_ext.lake.destinations.choose import checked, choose
from otlp2parquet_ext.lake.destinations.destination import Need
from otlp2parquet_ext.lake.destinations.destination_list import (
    lake_of,
    parse_all,
    split_list,
)

LAKE, TAP, OTLP = "sqlite:///lake/c.db?warehouse=/w", "https://tap.example/", "otlp+https://c:4318"


@pytest.mark.parametrize("between", [" ", ",", ", ", " , ", "\n", "\n  ", ",\n"])
def test_white_space_and_commas_separate_destinations(between: str) -> None:
    """Templates wrap lines, people type commas."""
    assert split_list(f" {LAKE}{between}{TAP}{between}{OTLP}\n") == (LAKE, TAP, OTLP)


@pytest.mark.parametrize(
    "url",
    [
        "file:///a,b/c d",
        "https://tap.example/?fields=a,b&at=1,2",
        "s3://bucket/p?endpoint=http://127.0.0.1:9000",
        "https://tap.example/%2Chttps://other",
    ],
)
def test_a_url_keeps_its_own_commas_spaces_and_addresses(url: str) -> None:
    """Only what is followed by a scheme is a separator."""
    assert split_list(f"{url}, {TAP}") == (url, TAP)


def test_a_destination_that_is_named_twice_is_one() -> None:
    """It would get everything twice."""
    addresses = parse_all(f"{TAP} {LAKE} {TAP}")
    assert [address.kind for address in addresses] == ["sqlite", "tap"]


def test_the_bad_part_of_a_list_is_named_and_no_other() -> None:
    """Users cannot find a mistake in a long list otherwise."""
    with pytest.raises(AddressError) as caught:
        parse_all(f"{LAKE}, s4://bucket/p, {TAP}")
    assert str(caught.value).startswith("OTLP2PARQUET_DESTINATION='s4://bucket': there is no")
    assert TAP not in str(caught.value).partition("; expected")[0]


@pytest.mark.parametrize(
    "url",
    [
        "https://",
        "https:///path",
        "https://a,b/",
        "https://host:99999/",
        "https://user:hush@host/",
        "https://host/#hush",
        "otlp+https://host/v1/logs",
        "otlp+https://host/?token=hush",
        "otlp+http://:4318",
    ],
)
def test_a_server_that_cannot_be_reached_is_refused_before_anything_is_sent(url: str) -> None:
    """One line, and none of the secrets in it."""
    with pytest.raises(AddressError) as caught:
        parse_all(f"{LAKE} {url}")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("otlp+http://localhost:4318", "http://localhost:4318"),
        ("otlp+https://host/base/", "https://host/base"),
        ("https://x.lambda-url.eu-west-1.on.aws/", "https://x.lambda-url.eu-west-1.on.aws/"),
        ("https://[::1]:8443/t?a=b", "https://[::1]:8443/t?a=b"),
    ],
)
def test_servers_are_named_as_their_users_write_them(url: str, place: str) -> None:
    """A collector's base endpoint loses its last slash, a Data Tap's URL is used as it is."""
    assert parse_all(url)[0].place == place


def test_two_sets_of_iceberg_tables_are_refused() -> None:
    """They would share one inbox, and take each other's files for their own."""
    with pytest.raises(AddressError, match="two sets of Iceberg tables"):
        parse_all(f"{LAKE} rest+https://catalog.example?warehouse=w")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"{TAP} {LAKE}", "sqlite"),
        (f"file:///plain {TAP} {LAKE}", "sqlite"),
        (f"{OTLP} file:///plain", "file"),
    ],
)
def test_commands_take_the_tables_among_several_destinations(text: str, kind: str) -> None:
    """`query`, `commit`, `check` and `cost` are about tables."""
    assert lake_of(parse_all(text)).kind == kind
    assert checked(load({"OTLP2PARQUET_DESTINATION": text})[0]).kind == kind


def test_commands_say_where_telemetry_is_only_forwarded_to() -> None:
    """There are no tables to query, and the error gives this reason."""
    with pytest.raises(
        AddressError,
        match=r"names no tables: telemetry is only forwarded to https://tap\.example/, "
        "https://c",
    ):
        checked(load({"OTLP2PARQUET_DESTINATION": f"{TAP} {OTLP}"})[0])


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        (f"{TAP} http://127.0.0.1:1/", {Need.SOURCE}),
        (f"{TAP} {OTLP}", {Need.SOURCE, Need.TABLES}),
        (f"{TAP} {LAKE}", {Need.SOURCE, Need.TABLES}),
        (LAKE, {Need.TABLES}),
    ],
)
def test_destinations_state_what_they_need_of_a_batch(text: str, needs: set[Need]) -> None:
    """A function that only forwards to Data Taps never imports pyarrow; tables need no source."""
    assert choose(load({"OTLP2PARQUET_DESTINATION": text})[0], {}).needs == needs
