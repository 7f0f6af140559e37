"""Fixtures for all tests; what they are is in `servers/server_fixtures.py`."""

import signal

import hypothesis_profiles
from server_fixtures import (
    iceberg_rest,
    iceberg_rest_on_s3,
    moto,
    postgresql,
    s3_tables,
    seaweed,
)
from tiers import pytest_collection_modifyitems

pytest_plugins = ["measuring"]

# A shell that runs us in the background ignores Ctrl-C for us, and for all that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis_profiles.load()

__all__ = [
    "iceberg_rest",
    "iceberg_rest_on_s3",
    "moto",
    "postgresql",
    "pytest_collection_modifyitems",
    "s3_tables",
    "seaweed",
]
