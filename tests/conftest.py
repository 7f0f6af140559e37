"""Fixtures for all tests; what they are is in `servers/server_fixtures.py`."""

from hypothesis import settings
from server_fixtures import (
    iceberg_rest,
    iceberg_rest_on_s3,
    moto,
    postgresql,
    s3_tables,
    seaweed,
)

# How long an example takes says what else the machine is doing.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

__all__ = ["iceberg_rest", "iceberg_rest_on_s3", "moto", "postgresql", "s3_tables", "seaweed"]
