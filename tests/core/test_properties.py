"""The profile decides how many examples a property tries, in every test alike."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import settings
from hypothesis_profiles import PROFILES, examples

TESTS = Path(__file__).parents[1]
ABSOLUTE = re.compile(r"\bmax_examples=|\bstateful_step_count=|\bdeadline=None|@settings\(")


def test_no_test_states_its_own_number_of_examples() -> None:
    """An absolute number would be the same in the quick and in the thorough tier."""
    stated = [
        f"{path.relative_to(TESTS)}:{number}: {line.strip()}"
        for path in sorted(TESTS.rglob("test_*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if ABSOLUTE.search(line) and path != Path(__file__)
    ]
    assert not stated, "\n".join(stated)


def test_a_share_follows_the_profile_and_is_never_nothing() -> None:
    """A property with very slow examples still tries at least one."""
    whole = settings().max_examples
    assert examples(2).max_examples == 2 * whole
    assert examples(0.25).max_examples == -(-whole // 4)
    assert examples(0.0001).max_examples == 1


def test_the_thorough_profile_tries_more_of_everything() -> None:
    """`make test-all` tries everything that the quick tier tries, and more."""
    quick, thorough = PROFILES["quick"], PROFILES["thorough"]
    assert thorough.max_examples > quick.max_examples
    assert thorough.stateful_step_count > quick.stateful_step_count


def test_no_example_has_a_deadline_and_a_failure_prints_how_to_repeat_it() -> None:
    """The time of an example depends on the other work of the machine."""
    assert settings().deadline is None
    assert settings().print_blob
