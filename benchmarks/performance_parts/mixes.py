"""Deliveries of four kinds, any number of events, no two alike.

text      lines of plain text          json      structured log lines
platform  the platform's own events    mix       all of them, as a busy function has them

Made by `reference_mix.py`; what is needed beyond the first events are those again with other
request ids, for a body that came before would be taken for a repetition.
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
    if (version, variant) != ("4", "a")  # that is how they are made
]


def bodies(
    mix: str, events: int, per_delivery: int = PER_DELIVERY, seed: int = 0
) -> Iterator[bytes]:
    """Yield deliveries of so many events.

    Args:
        mix: one of `MIXES`.
        events: a multiple of `per_delivery`, at most 32 times `MADE`.
        per_delivery: events of each.
        seed: another one gives other events.
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
    """Let the generator make one kind of events only."""
    kept = {}
    for name, value in _CHANGES.get(mix, {}).items():
        kept[name] = getattr(reference_mix, name)
        setattr(reference_mix, name, value)
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(reference_mix, name, value)
