"""Change bodies as a fuzzer does, but so that they stay JSON: random bytes rarely get beyond it.

body --mutated(seed)--> one value in it replaced, dropped, doubled, or put somewhere else
"""

from __future__ import annotations

import json
import random
from typing import Any

ODD: tuple[object, ...] = (
    *(None, True, 0, -1, 2**63 - 1, 2**63, -(2**70), 1e308, 5e-324, float("nan"), float("inf")),
    *("", "x", "\ud800", "\0", "NaN", "INFO", "Task timed out after 3.00 seconds", "1e999"),
    *("2026-03-14T09:26:53.102Z", "9999-12-31T23:59:59.999999999Z", "0000-00-00T00:00:00Z"),
    *("Root=1-69b52bcd-0f1e2d3c4b5a69788796a5b4;Parent=00f067aa0ba902b7;Sampled=1", "0" * 32),
    *([], {}, [[]], [{}], {"": ""}, {"message": {"message": 1}}, [1, "a", None]),
)
"""Values a record may have anywhere, though nobody expects them there."""

Slot = tuple[Any, Any]
"""A list or an object of a body, and an index or a key of it."""


def slots(value: Any) -> list[Slot]:
    """Return all places of a JSON value, from the outside to the inside."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    found: list[Slot] = [(value, key) for key in keys]
    for key in keys:
        if isinstance(value[key], (dict, list)):
            found += slots(value[key])
    return found


def mutated(body: bytes, seed: int) -> bytes | None:
    """Change one thing in a body; None when it is no array with something in it.

    Args:
        body: as delivered.
        seed: the same gives the same.
    """
    chance = random.Random(seed)
    try:
        events = json.loads(body)
        found = slots(events) if isinstance(events, list) else []
    except (ValueError, RecursionError):
        return None
    if not found:
        return None
    (where, key), (elsewhere, other) = chance.choice(found), chance.choice(found)
    match chance.randrange(4):
        case 0:
            where[key] = chance.choice(ODD)
        case 1:
            del where[key]
        case 2:
            where[key] = json.loads(json.dumps(elsewhere[other]))
        case _ if isinstance(where, dict):
            where[str(other)] = where.pop(key)
        case _:
            where.append(where[key])
    return json.dumps(events, separators=chance.choice([None, (",", ":")])).encode()
