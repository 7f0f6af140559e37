"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from scripted_lambda import ScriptedLambda

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def scripted() -> Iterator[ScriptedLambda]:
    """Give a Lambda that works correctly until a test scripts something else."""
    lambda_ = ScriptedLambda()
    yield lambda_
    lambda_.close()
