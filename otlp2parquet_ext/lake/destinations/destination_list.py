"""Several destinations in one variable. Pure.

    "sqlite:///lake.db, https://tap.example" --split_list()--> URLs --parse_all()--> addresses

White space, a comma, or both separate two URLs. They do so only before a scheme and a colon,
because a URL itself may hold commas and spaces. Inside a URL, write `,name:` as `%2Cname:`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.secrets.urls import shown
from otlp2parquet_ext.lake.destinations.address import FORWARDING, AddressError, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.lake.destinations.address import DestinationAddress

SEPARATOR = re.compile(r"(?:\s*,\s*|\s+)(?=[a-z][a-z0-9+.-]*:)")
PLAIN = frozenset({"file", "s3"})


def split_list(text: str) -> tuple[str, ...]:
    """Return the URLs of a list: at least one, without duplicates."""
    return tuple(dict.fromkeys(SEPARATOR.split(text.strip().rstrip(","))))


def parse_all(text: str) -> tuple[DestinationAddress, ...]:
    """Return the destinations of a list without duplicates, those with tables first.

    Raises:
        AddressError: see `as_written`.
    """
    return tuple(sorted(as_written(text), key=lambda address: address.kind in FORWARDING))


def as_written(text: str) -> tuple[DestinationAddress, ...]:
    """Return the destinations of a list without duplicates, in the list's order.

    Raises:
        AddressError: a part is not a valid destination (the message quotes it), or two
            destinations are Iceberg tables.
    """
    addresses = {_key(address): address for address in map(parse, split_list(text))}.values()
    iceberg = [a for a in addresses if a.kind not in PLAIN | FORWARDING]
    if len(iceberg) > 1:
        places = " and ".join(shown(a.place) for a in iceberg[:2])
        raise AddressError(
            f"OTLP2PARQUET_DESTINATION names two sets of Iceberg tables, {places}: expected one, "
            "for there is one namespace and one inbox"
        )
    return tuple(addresses)


def shown_list(text: str) -> str:
    """Return a list without secrets, for messages; see `http.address.shown`."""
    urls = split_list(text)
    if any("@" in url and "//" not in url for url in urls):
        return "***"  # the split went through a password that looks like the start of a URL
    return ", ".join(map(shown, urls))


def lake_of(addresses: Sequence[DestinationAddress]) -> DestinationAddress:
    """Return the destination that holds tables: Iceberg tables, else the first plain Parquet one.

    Raises:
        AddressError: all destinations only forward.
    """
    lakes = [address for address in addresses if address.kind not in FORWARDING]
    if not lakes:
        places = ", ".join(shown(address.place) for address in addresses)
        raise AddressError(
            f"OTLP2PARQUET_DESTINATION names no tables: telemetry is only forwarded to {places}"
        )
    return next((lake for lake in lakes if lake.kind not in PLAIN), lakes[0])


def _key(address: DestinationAddress) -> tuple[object, ...]:
    return (address.kind, address.place, *sorted(address.options.items()))
