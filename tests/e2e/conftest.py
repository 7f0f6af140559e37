"""What end-to-end tests start with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from scripted_lambda import ScriptedLambda

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def scripted() -> Iterator[ScriptedLambda]:
    """A Lambda that does as it should until a test scripts it otherwise."""
    lambda_ = ScriptedLambda()
    yield lambda_
    lambda_.close()
