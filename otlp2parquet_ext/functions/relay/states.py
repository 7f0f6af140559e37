"""The states of environments between their segments. Pure.

    states of earlier claims --united()--> the latest of each environment --> the next claim

An invocation may begin in one segment and end in the next, which another committer may map. So each
claim writes the states of its environments, and includes those of earlier claims.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.common.log import quote

# msgspec reads the annotations of `EnvironmentState` when one is decoded.
from otlp2parquet_ext.flush.table_builder import BuilderState  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Iterable

REMEMBERED = 32
"""Most invocations in a state; lines of older invocations are rare."""

KEPT_US = 24 * 3_600_000_000
"""Time to keep the state of an environment without new segments; an ended one has no state."""

MOST_ENVIRONMENTS = 20_000
MOST_BYTES = 64 * 1_048_576


class EnvironmentState(msgspec.Struct, frozen=True):
    """The state of one environment.

    Attributes:
        last_us: start of its last mapped segment, Unix microseconds.
        state: see `BuilderState`.
    """

    last_us: int
    state: BuilderState


States = dict[str, EnvironmentState]
"""States by environment, 32 hex digits."""

_DECODER = msgspec.msgpack.Decoder(States)


def encode(states: States) -> bytes:
    """Return states as bytes."""
    return zlib.compress(msgspec.msgpack.encode(states), 1)


def decode(data: bytes) -> States:
    """Parse states.

    Raises:
        ValueError: the bytes are no states.
    """
    try:
        return _DECODER.decode(zlib.decompressobj().decompress(data, MOST_BYTES))
    except (msgspec.MsgspecError, zlib.error) as error:
        raise ValueError(f"states of environments cannot be read: {quote(error)}") from error


def united(found: Iterable[States]) -> States:
    """Return the latest state of each environment."""
    latest: States = {}
    for states in found:
        for instance, state in states.items():
            known = latest.get(instance)
            if known is None or state.last_us > known.last_us:
                latest[instance] = state
    return latest


def kept(states: States) -> States:
    """Return the states of environments with a recent segment."""
    newest_us = max((state.last_us for state in states.values()), default=0)
    lately = {i: state for i, state in states.items() if newest_us - state.last_us <= KEPT_US}
    if len(lately) <= MOST_ENVIRONMENTS:
        return lately
    order = sorted(lately, key=lambda instance: -lately[instance].last_us)
    return {instance: lately[instance] for instance in order[:MOST_ENVIRONMENTS]}
