"""A batch that kills each process which sends it; the common interface of the adversaries.

    PUT of a file with such a line --> the proxy tells --> SIGKILL --> the connection ends

The batch may be stored as columns or as text: the server never gets the request.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Protocol, Self

import pyarrow as pa
import pyarrow.parquet as pq

from faults.runtime import POISON

DEATHS = 9
"""After so many a batch may be sent no more."""

if TYPE_CHECKING:
    from http_messages import Message

    from faults.targets import Target


class Victim(Protocol):
    """A run whose extension can be killed."""

    def kill(self) -> None:
        """Kill the extension of this moment."""


class Adversary:
    """An adversary that does nothing; the others derive from it.

    Args:
        target: the destination.

    Attributes:
        struck: how often it has attacked.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._victim: Victim | None = None
        self.struck = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def meets(self, victim: Victim) -> None:
        """Note which run is under way."""
        self._victim = victim

    def rest(self) -> None:
        """Leave alone what comes from now on: the run is over, and things are put right."""

    def problems(self) -> list[str]:
        """Return the promises that were broken, in words, and why nothing was proven."""
        return []


class Poison(Adversary):
    """See the module; a poisonous batch does not rest."""

    def __enter__(self) -> Self:
        assert self._target.proxy is not None, "only on a network can a batch be seen in hand"
        self._target.proxy.witness = self._sees
        return self

    def __exit__(self, *_: object) -> None:
        assert self._target.proxy is not None
        self._target.proxy.witness = None

    def problems(self) -> list[str]:
        """See `Adversary.problems`."""
        if self.struck > DEATHS:
            return [f"sending one batch killed {self.struck} processes, not {DEATHS} at most"]
        return []

    def _sees(self, request: Message) -> bool:
        """Kill who stores a poisonous batch; tell whether it was one."""
        if request.first[0] != "PUT" or not _is_deadly(request.body):
            return False
        self.struck += 1
        assert self._victim is not None
        self._victim.kill()
        return True


def _is_deadly(body: bytes) -> bool:
    """Tell whether a Parquet file has a line that kills."""
    if not body.startswith(b"PAR1"):
        return False
    try:
        rows = pq.read_table(io.BytesIO(body))
    except pa.ArrowException:
        return False
    bodies = rows.column(next(name for name in rows.column_names if name.lower() == "body"))
    return any(f" {POISON}" in (text or "") for text in bodies.to_pylist())
