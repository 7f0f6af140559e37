"""Fixtures for all tests; what they are is in `servers/server_fixtures.py`."""

import signal

import hypothesis_profiles
import pytest
from server_fixtures import (
    iceberg_rest,
    iceberg_rest_on_s3,
    moto,
    postgresql,
    s3_tables,
    seaweed,
)
from tiers import pytest_collection_modifyitems

from otlp2parquet_ext.common import log

pytest_plugins = ["measuring"]

# A shell that runs us in the background ignores Ctrl-C for us, and for all that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis_profiles.load()


@pytest.fixture(autouse=True)
def no_secrets_of_other_tests() -> None:
    """Forget what earlier tests of this process fetched: messages would hide it in later ones."""
    for hidden in (log._pending, log._secrets, log._fetched, log._maskers):
        hidden.clear()


__all__ = [
    "iceberg_rest",
    "iceberg_rest_on_s3",
    "moto",
    "postgresql",
    "pytest_collection_modifyitems",
    "s3_tables",
    "seaweed",
]
