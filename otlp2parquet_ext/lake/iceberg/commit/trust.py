"""Verify descriptors of the inbox before a commit. Pure: bytes and values in, verdict out.

    entry's name and bytes --read_entry()--> DataFile as claimed | Rejection
    claim, the file's end  --verified()----> DataFile, verified  | Rejection

A role that can write to the inbox can write anything into it. If a table refers to a missing file,
or to a file that differs from its description, all scans of the table fail. So no descriptor is
trusted. Its name and path determine each other, so that a file has one descriptor and a descriptor
has one file. All other facts are compared with the file, and bounds come from the file alone. No
check depends on a clock.

These checks do not detect damaged pages inside a file or false rows. A role that can store data
files can store rows.
"""

from __future__ import annotations

import re
import struct
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.iceberg.format.footer import (
    TRAILER_BYTES,
    FooterError,
    footer_bytes,
    read,
)
from otlp2parquet_ext.lake.iceberg.format.parquet_facts import MOST_ROWS, facts
from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile, decode_data_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.records.tables.columns import Column

VERSION = 1
"""Version of descriptors. A later release may add fields to it; a change that this release would
misread gets a new number."""

ENTRY_BYTES = 65_536
"""Longest descriptor; our own have up to 3 kB."""

MOST_BYTES = 5 * 2**30
"""Longest file: the most that S3 accepts in one request."""

MOST_MS = 10**14
"""Latest valid time, in Unix ms: the year 5138."""

QUOTED = 200
"""Most characters of a descriptor's value that a reason quotes."""

ENTRY = re.compile(r"(\d{13,15})-(.+)\.json")
NAME = re.compile(r"([0-9A-Za-z]{32})-(\d{4}-\d\d-\d\d)")
EPOCH = date(1970, 1, 1).toordinal()
DAY_US = 86_400_000_000


class Rejection(NamedTuple):
    """The reason why an entry is not committed.

    Attributes:
        reason: one line; quoted values are shortened and without control characters.
        missing: the file does not exist; it may come back.
    """

    reason: str
    missing: bool = False


class Seen(NamedTuple):
    """The facts about a file from its storage.

    Attributes:
        size_bytes: its length.
        stored_ms: time of its writing, Unix ms.
        tail: its last bytes, with the whole footer.
    """

    size_bytes: int
    stored_ms: int
    tail: bytes


class _Versioned(msgspec.Struct):
    version: int = VERSION


_decode_version = msgspec.json.Decoder(_Versioned).decode


def quoted(value: object) -> str:
    """Return a value in the form in which a reason quotes it."""
    return quote(repr(value), QUOTED)


def read_entry(name: str, data: bytes, size_bytes: int) -> DataFile | Rejection:
    """Parse a descriptor.

    Args:
        name: the entry's file name.
        data: its first `ENTRY_BYTES` bytes, or all.
        size_bytes: its length.
    """
    if size_bytes > ENTRY_BYTES:
        return Rejection(f"it has {size_bytes} bytes; a descriptor has {ENTRY_BYTES} at most")
    try:
        version = _decode_version(data).version
        if version > VERSION:
            return Rejection(
                f"it is of version {quoted(version)}, and this version knows {VERSION}: update "
                "what commits, then move it back"
            )
        file = decode_data_file(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return Rejection(f"it is no descriptor: {quote(error, QUOTED)}")
    if name != entry_name(file):
        return Rejection(f"it describes {quoted(file.name)}, stored at {quoted(file.stored_ms)}")
    return _wrong_claim(file) or file


def entry_name(file: DataFile) -> str:
    """Return the file name of a descriptor."""
    return f"{file.stored_ms:013}-{file.name}.json"


def _wrong_claim(file: DataFile) -> Rejection | None:
    """Return a rejection if the claim cannot be true of a file of ours."""
    day = day_of(file.name)
    if day is None:
        return Rejection(f"{quoted(file.name)} is no name of a file of ours: BATCH-YYYY-MM-DD")
    if file.day != day:
        return Rejection(f"it says day {quoted(file.day)}, and its name says {day}")
    for what, value, least, most in (
        ("rows", file.rows, 1, MOST_ROWS),
        ("size_bytes", file.size_bytes, 1, MOST_BYTES),
        ("stored_ms", file.stored_ms, 0, MOST_MS),
    ):
        if not least <= value <= most:
            return Rejection(f"{what} is {quoted(value)}: expected {least} to {most}")
    return None


def day_of(name: str) -> int | None:
    """Return the day in a file's name, in days since 1970; None if the name is not ours."""
    match = NAME.fullmatch(name)
    try:
        return date.fromisoformat(match[2]).toordinal() - EPOCH if match else None
    except ValueError:
        return None


def path_of(name: str) -> str:
    """Return the path of a file from its name, below the location of its table or inbox."""
    batch, _, day = name.partition("-")
    return f"data/Timestamp_day={day}/{batch}.parquet"


def outside(file: DataFile) -> Rejection:
    """Return the rejection of a file outside of the locations for data files."""
    return Rejection(f"{quoted(file.path)} lies outside of the table's location")


def wrong_path(file: DataFile, path: str) -> Rejection | None:
    """Return a rejection if a file's path does not follow from its name.

    Args:
        file: the unverified descriptor.
        path: path of the file below the location.
    """
    if path != path_of(file.name):
        return Rejection(f"{quoted(file.path)} is no address of {file.name}: {path_of(file.name)}")
    return None


def verified(
    file: DataFile, address: str, seen: Seen, columns: Sequence[Column]
) -> DataFile | Rejection:
    """Compare a descriptor with its file; return the verified descriptor or a rejection.

    Args:
        file: the unverified descriptor.
        address: the file's address for query engines.
        seen: the facts about the file.
        columns: our columns of its table.
    """
    if seen.size_bytes != file.size_bytes:
        return Rejection(f"the file has {seen.size_bytes} bytes, and {file.size_bytes} were stored")
    found = described(file.name, address, seen, columns)
    if isinstance(found, Rejection):
        return found
    if found.rows != file.rows:
        return Rejection(f"the file has {found.rows} rows, and its descriptor says {file.rows}")
    if found.fields != file.fields:
        return Rejection(
            f"the file's columns have the tag {found.fields!r}, and its descriptor says "
            f"{quoted(file.fields)}"
        )
    # Use the earlier time. A file that was stored again after its commit must not look new, and a
    # time in the future would make the ledger forget all files.
    return msgspec.structs.replace(found, stored_ms=min(file.stored_ms, seen.stored_ms))


def described(
    name: str, address: str, seen: Seen, columns: Sequence[Column]
) -> DataFile | Rejection:
    """Return the descriptor of a file of ours, made from the file alone.

    Args:
        name: name of the file, one of ours.
        address: the file's address for query engines.
        seen: the facts about the file.
        columns: our columns of its table.
    """
    day = day_of(name)
    try:
        end = seen.size_bytes - TRAILER_BYTES - footer_bytes(seen.tail, seen.size_bytes)
        rows, fit, found = facts(read(seen.tail, seen.size_bytes), columns, end)
    except (FooterError, ValueError) as error:
        return Rejection(quote(error))
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        return Rejection(f"its footer lacks what it needs: {quote(repr(error), QUOTED)}")
    time_id = fit.columns[0].field_id
    bounds = (found.lower_bounds.get(time_id), found.upper_bounds.get(time_id))
    days = [None if bound is None else _day(bound) for bound in bounds]
    if day is None or days != [day, day]:
        return Rejection(f"its rows are of the days {days[0]} to {days[1]}, its name says {day}")
    return DataFile(
        name=name,
        path=address,
        day=day,
        rows=rows,
        size_bytes=seen.size_bytes,
        stored_ms=seen.stored_ms,
        statistics=found,
        fields=fit.tag,
    )


def _day(bound: bytes) -> int:
    """Return the day of a time in Iceberg's binary form."""
    return int(struct.unpack("<q", bound)[0]) // DAY_US
