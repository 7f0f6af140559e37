"""The place of raw segments: beside all tables, in the inbox, or none, with the reason."""

from __future__ import annotations

import pytest

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.functions.relay.opening import open_relay
from otlp2parquet_ext.lake.destinations.access import Access
from otlp2parquet_ext.lake.destinations.address import AddressError, parse
from otlp2parquet_ext.lake.destinations.choose import choose
from otlp2parquet_ext.lake.destinations.destination import DestinationError, Need
from otlp2parquet_ext.lake.destinations.relay import relay_storage

BUCKET = "arn:aws:s3tables:eu-west-1:123456789012:bucket/lake"


@pytest.mark.parametrize(
    ("url", "inbox", "place"),
    [
        ("file:///lake", "", "/lake/"),
        ("s3://bucket/lake", "", "s3://bucket/lake/"),
        ("sqlite:///a/catalog.db", "", "/a/warehouse/otel/"),
        ("sqlite:///a/catalog.db?warehouse=/w/", "", "/w/otel/"),
        ("glue://db?warehouse=s3://bucket/w/", "", "s3://bucket/w/db/"),
        ("glue://db?warehouse=s3://bucket/w", "s3://other/in", "s3://other/in/db/"),
        ("rest+https://catalog?warehouse=w", "s3://other/in", "s3://other/in/otel/"),
        ("rest+https://catalog?warehouse=s3://bucket/w", "", "s3://bucket/w/otel/"),
        (BUCKET, "s3://other/in", "s3://other/in/otel/"),
    ],
)
def test_the_folder_follows_from_the_destination(url: str, inbox: str, place: str) -> None:
    """A committer with the same destination finds it; no table's location contains it."""
    settings, _ = load({"OTLP2PARQUET_DESTINATION": url, "OTLP2PARQUET_INBOX": inbox})
    storage = relay_storage(parse(url), settings, Access({}, {}))
    assert storage.url("x") == f"{place}x"


@pytest.mark.parametrize("url", ["rest+https://catalog?warehouse=w", BUCKET, "catalog://mine"])
def test_a_catalog_that_alone_knows_where_tables_lie_needs_an_inbox(url: str) -> None:
    """An environment in relay sends no request to a catalog."""
    settings, _ = load({"OTLP2PARQUET_DESTINATION": url})
    with pytest.raises(AddressError, match="needs OTLP2PARQUET_INBOX=s3:"):
        relay_storage(parse(url), settings, Access({}, {}))
    assert open_relay({"OTLP2PARQUET_DESTINATION": url}) is None


def test_an_inbox_of_another_kind_is_refused() -> None:
    """It has to be a folder."""
    settings, _ = load({"OTLP2PARQUET_INBOX": "sqlite:///b/catalog.db"})
    with pytest.raises(AddressError, match=r"OTLP2PARQUET_INBOX=.*expected s3://… or file:///…"):
        relay_storage(parse("file:///lake"), settings, Access({}, {}))


def test_two_lakes_cannot_share_an_inbox() -> None:
    """A committer deletes a segment once its own lake has it: the other one would lack it."""
    environ = {
        "OTLP2PARQUET_DESTINATION": "file:///a sqlite:///b/catalog.db",
        "OTLP2PARQUET_COMMIT": "relay",
        "OTLP2PARQUET_INBOX": "file:///inbox",
    }
    with pytest.raises(DestinationError, match=r"OTLP2PARQUET_INBOX='file:///inbox': .* 2 lakes"):
        choose(load(environ)[0], environ)


def test_a_relay_beside_a_data_tap_gives_each_what_it_needs() -> None:
    """The Data Tap gets events, the lake its segment; neither needs tables."""
    environ = {
        "OTLP2PARQUET_DESTINATION": "file:///a https://tap.example",
        "OTLP2PARQUET_COMMIT": "relay",
    }
    assert choose(load(environ)[0], environ).needs == {Need.SEGMENT, Need.SOURCE}
