"""Deliveries of four kinds, any number of events, no two alike.

text      lines of plain text          json      structured log lines
platform  the platform's own events    mix       all of them, as a busy function has them

`reference_mix.py` makes them. Further events repeat the first ones with other request ids, because
the spool would discard an equal body as a repetition.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Final

import reference_mix

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MIXES: Final = ("mix", "text", "json", "platform")
MADE: Final = 40_000
PER_DELIVERY: Final = 500
_CHANGES: Final[Mapping[str, Mapping[str, object]]] = {
    "text": {"PLAIN": 1.0},
    "json": {"PLAIN": 0.0},
    "platform": {"LINES": (0, 0)},
}
_VARIANTS: Final = [
    (version, variant)
    for variant in "89ab"
    for version in "12345678"
    if (version, variant) != ("4", "a")  # they are made like that
]


def bodies(
    mix: str, events: int, per_delivery: int = PER_DELIVERY, seed: int = 0
) -> Iterator[bytes]:
    """Yield deliveries with `events` events.

    Args:
        mix: one of `MIXES`.
        events: a multiple of `per_delivery`, at most 32 times `MADE`.
        per_delivery: events of each delivery.
        seed: another seed gives other events.
    """
    made = _made(mix, min(events, MADE), per_delivery, seed)
    for number in range(events // per_delivery):
        again, which = divmod(number, len(made))
        body = made[which]
        if again:
            version, variant = _VARIANTS[again - 1]
            body = body.replace(b"-4", b"-" + version.encode())
            body = body.replace(b"-a", b"-" + variant.encode())
        yield body


@cache
def _made(mix: str, events: int, per_delivery: int, seed: int) -> list[bytes]:
    with _changed(mix):
        return list(reference_mix.bodies(events, per_delivery, seed))


@contextmanager
def _changed(mix: str) -> Iterator[None]:
    """Make the generator produce one kind of events only."""
    kept = {}
    for name, value in _CHANGES.get(mix, {}).items():
        kept[name] = getattr(reference_mix, name)
        setattr(reference_mix, name, value)
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(reference_mix, name, value)
