"""A file with a good footer and damaged pages: its effect, and how to remove it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lake_bench import DAY_US, NOON_US, Home, bodies_at

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_with_damaged_pages_is_removed_with_its_day_and_nothing_else_is(
    tmp_path: Path,
) -> None:
    """docs/committer.md describes it: deleting the whole day drops the file unread."""
    home = Home(tmp_path)
    home.append(bodies_at(0, "good"), "good")
    home.append(bodies_at(1, "damaged"), "damaged")
    file = next(f for f in home.location.glob("data/**/*.parquet") if "damaged" in f.name)
    data = file.read_bytes()
    file.write_bytes(data[:4] + b"\xff" * 400 + data[404:])
    with pytest.raises((OSError, ValueError)):
        home.table().scan().to_arrow()
    noon = (NOON_US + DAY_US) // 1_000_000
    begin = noon // 86_400 * 86_400
    from datetime import UTC, datetime  # noqa: PLC0415

    first, last = (datetime.fromtimestamp(s, UTC).isoformat() for s in (begin, begin + 86_400))
    home.table().delete(f"Timestamp >= '{first}' and Timestamp < '{last}'")
    assert home.table().scan().to_arrow()["Body"].to_pylist() == ["good"]
