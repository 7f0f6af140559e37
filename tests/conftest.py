"""Fixtures for all tests; what they are is in `servers/server_fixtures.py`."""

import signal

from hypothesis import settings
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

# How long an example takes says what else the machine is doing.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

__all__ = [
    "iceberg_rest",
    "iceberg_rest_on_s3",
    "moto",
    "postgresql",
    "pytest_collection_modifyitems",
    "s3_tables",
    "seaweed",
]
