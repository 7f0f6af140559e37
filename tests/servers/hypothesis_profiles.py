"""How many examples a property tries: a profile's number, or a share of it.

    make test      --> quick
    make test-all  --> thorough

HYPOTHESIS_PROFILE chooses, or pytest's own `--hypothesis-profile`. A test never states a number:
where its examples are dear or cheap, it takes a share, and follows the profile like all others.
"""

from __future__ import annotations

import math
import os
from typing import Any

from hypothesis import settings

PROFILES = {
    "quick": settings(max_examples=100, stateful_step_count=20),
    "thorough": settings(max_examples=400, stateful_step_count=50),
}
VARIABLE = "HYPOTHESIS_PROFILE"


def load() -> None:
    """Register the profiles and load one; no example has a deadline, for machines are busy."""
    for name, profile in PROFILES.items():
        settings.register_profile(name, profile, deadline=None, print_blob=True)
    settings.load_profile(os.environ.get(VARIABLE) or "quick")


def examples(share: float, **more: Any) -> settings:
    """Return settings for a share of the loaded profile's examples, one at least.

    Args:
        share: 0.1 where an example takes ten times as long as most, 1.25 where it is cheap.
        more: other settings, for example `suppress_health_check`.
    """
    return settings(max_examples=math.ceil(share * settings().max_examples), **more)
