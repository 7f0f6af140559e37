"""Fixtures for all tests; what they are is in `servers/server_fixtures.py`."""

from server_fixtures import (
    iceberg_rest,
    iceberg_rest_on_s3,
    moto,
    postgresql,
    s3_tables,
    seaweed,
)

__all__ = ["iceberg_rest", "iceberg_rest_on_s3", "moto", "postgresql", "s3_tables", "seaweed"]
