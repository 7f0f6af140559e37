"""The tier of tests that run against many servers: one of each kind is quick, the rest thorough.

@pytest.fixture(params=tiered(LAKES))
def lake(request: pytest.FixtureRequest) -> Place: ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

QUICK = {"file", "folder", "s3", "moto", "sqlite", "glue"}
"""Servers of the tier `quick`: the embedded default, and one of each kind."""

ONE_WORKER = {
    "rest": "jvm",
    "rest on S3": "jvm",
    "S3 Tables": "weed",
    "SeaweedFS": "weed",
    "table bucket over REST": "weed",
    "PostgreSQL": "postgresql",
    "postgresql": "postgresql",
}
"""Servers too large to start once for each worker, and the group of their tests."""


def tiered(names: Iterable[str]) -> list[Any]:
    """Return one parameter for each server, marked with its tier and its group."""
    return [pytest.param(name, marks=marks_of(name), id=name) for name in names]


def marks_of(name: str) -> list[pytest.MarkDecorator]:
    """Return the marks of tests against a server."""
    marks = [] if name in QUICK else [pytest.mark.thorough]
    if name in ONE_WORKER:
        marks.append(pytest.mark.xdist_group(ONE_WORKER[name]))
    return marks


FIXTURES = {
    "iceberg_rest": "rest",
    "iceberg_rest_on_s3": "rest on S3",
    "postgresql": "PostgreSQL",
    "s3_tables": "S3 Tables",
    "seaweed": "SeaweedFS",
}
"""Fixtures that start a server, and the server's name."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that ask for a server as tests of that server."""
    for item in items:
        for fixture in set(getattr(item, "fixturenames", ())) & set(FIXTURES):
            for mark in marks_of(FIXTURES[fixture]):
                item.add_marker(mark)
