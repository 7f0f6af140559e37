"""The counting proxy's values: facts about requests, and faults for them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Cut(enum.Enum):
    """Where a request ends: the connection closes, or nothing ever comes."""

    UPLOAD = "closed in the middle of the request's body"
    BEFORE = "closed before it reached the server"
    AFTER = "closed after the server has acted"
    HALF = "closed in the middle of the answer"
    HANG = "never answered; it did not reach the server"
    HANG_AFTER = "never answered; the server has acted"


@dataclass(frozen=True, slots=True)
class Flood:
    """An answer whose body is far longer than anybody needs.

    Attributes:
        size_bytes: of the body: what the answer says without the fault, then spaces.
        status: answered in the server's place; 0: the server acts, and its own status is answered.
        framing: `length`, `chunks`, or `close`, where the end of the connection ends the body.
    """

    size_bytes: int
    status: int = 0
    framing: str = "length"


class Request(NamedTuple):
    """One request as it passed; `status` 0 when the client got no whole answer."""

    method: str
    path: str  # with the query
    host: str
    target: str  # of `X-Amz-Target`; "" without
    status: int
    sent_bytes: int  # bodies
    received_bytes: int
    ms: float  # latency included


class Pattern(NamedTuple):
    """Which requests are meant; shell patterns, `*` also matches slashes; the query is not seen."""

    method: str = "*"
    path: str = "*"
    target: str = "*"
    host: str = "*"

    def matches(self, method: str, path: str, target: str, host: str) -> bool:
        """Tell whether a request is meant."""
        told = (method, path.partition("?")[0], target, host)
        return all(fnmatchcase(text, pattern) for text, pattern in zip(told, self, strict=True))


ANY = Pattern()


@dataclass(frozen=True, slots=True)
class Latency:
    """Added to every request that is meant: `ms`, give or take `jitter_ms`; first match wins."""

    ms: float
    jitter_ms: float = 0
    pattern: Pattern = ANY


@dataclass(slots=True)
class Fault:
    """A fault of the n-th matching request and of those after it, `times` in all."""

    what: Cut | Flood | int
    pattern: Pattern
    nth: int
    times: int
    headers: Mapping[str, str]
    body: bytes
    seen: int = 0

    def strikes(self) -> bool:
        """Count one more request that is meant; tell whether it is one to hit."""
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times
