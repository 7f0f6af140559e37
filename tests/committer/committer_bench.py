"""Shared code of the committer's tests: places to commit to, and environments that store there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import places
from lake_bench import Home, bodies_at
from places import Place
from pyiceberg.schema import Schema
from pyiceberg.types import IcebergType, NestedField, StringType, TimestamptzType

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.functions.committer import opening
from otlp2parquet_ext.lake.destinations.choose import choose
from otlp2parquet_ext.lake.destinations.destination import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pytest


def _rest(servers: pytest.FixtureRequest) -> Place:
    url, warehouse = servers.getfixturevalue("iceberg_rest")
    return places.rest(url, Path(warehouse))


LAKES: Mapping[str, Callable[[Path, pytest.FixtureRequest], Place]] = {
    "sqlite": lambda folder, _: places.sqlite(folder),
    "glue": lambda _, servers: places.glue(servers.getfixturevalue("moto")),
    "rest": lambda _, servers: _rest(servers),
    "rest on S3": lambda _, servers: places.rest_on_s3(
        servers.getfixturevalue("iceberg_rest_on_s3")
    ),
}
"""Every kind of table that is ours to take care of, on real servers."""

ALL_LAKES: Mapping[str, Callable[[Path, pytest.FixtureRequest], Place]] = {
    **LAKES,
    "S3 Tables": lambda _, servers: places.s3_tables(servers.getfixturevalue("s3_tables")),
}
"""Every kind of table there is."""


def store(place: Place, *names: str, day: int = 0, **environ: str) -> None:
    """Store batches of one row each, and leave them to the committer, as an environment does."""
    variables = {**place.variables, "OTLP2PARQUET_COMMIT": "inbox", **environ}
    lake = choose(load(variables)[0], variables)
    for name in names:
        lake.store(Batch(name.rjust(32, "0"), {"logs": bodies_at(day, name)}))
    lake.close()


def committer(place: Place, **environ: str) -> opening.TableLocation:
    """Open a place as the committer does."""
    return opening.open_place({**place.variables, **environ})


def table_of_others(folder: Path, body: IcebergType) -> Place:
    """Make a table with our columns' names and ids of its own."""
    lake = places.sqlite(folder)
    fields = [
        NestedField(number, name, kind, required=False)
        for number, (name, kind) in enumerate(
            (("Body", body), ("ServiceName", StringType()), ("Timestamp", TimestamptzType())), 1
        )
    ]
    (folder / "lake/otel").mkdir(parents=True)
    home = Home(folder)
    home.catalog().create_namespace("otel")
    home.catalog().create_table(("otel", "logs"), Schema(*fields), location=str(home.location))
    return lake
