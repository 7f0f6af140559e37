"""Forwarding batches: what is common to all servers that receive them over HTTP.

    Batch --portions--> body --POST--> taken | later | refused --halves--> … --> Receipt.lost

A batch that a server is not there for is kept, and goes on where it stopped. What a server refuses
for ever is lost, and counted: a batch it cannot take may not stand before all others. Which part of
it is refused is found out by halves, within a bound. At-least-once: a request whose answer did not
come is sent again.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.common.retry import left_ms
from otlp2parquet_ext.lake.destinations.destination import DestinationError, Lost, Need, Receipt
from otlp2parquet_ext.lake.destinations.portions import fitting, without_first
from otlp2parquet_ext.lake.destinations.posting import Dialect, post
from otlp2parquet_ext.lake.destinations.verdicts import LONGEST_WAIT_MS, SendResult, Verdict
from otlp2parquet_ext.lake.http.response import WebError

if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp2parquet_ext.lake.destinations.destination import Batch
    from otlp2parquet_ext.lake.destinations.portions import Portion
    from otlp2parquet_ext.lake.http.client import Client

REQUEST_MS = 10_000
"""The longest a request takes; a Data Tap gives itself five seconds."""

STORE_MS = 30_000
"""The longest a batch takes; what is left of it then is sent with the next try."""

REFUSALS = 40
"""Refused requests in the search for what a server does not take, a batch; two to three bad records
among ten thousand are found with as many."""

LEAST_BYTES = 65_536
"""Who finds bodies too long is not sent shorter ones than that."""

REMEMBERED = 64
"""Batches that are known to be sent, should anybody ask for them again."""


class _Head(NamedTuple):
    """A batch that is under way: pieces that need not be sent any more, tries before this one."""

    batch: str
    pieces: int
    tries: int


class Forwarder:
    """See `Destination`.

    Args:
        name: of the server, safe to log.
        dialect: how it is talked to.
        client: sends requests; called with the first one.
        limit_bytes: longest body, uncompressed.
        gzip: compress bodies.
    """

    def __init__(
        self,
        name: str,
        dialect: Dialect,
        client: Callable[[], Client],
        *,
        limit_bytes: int,
        gzip: bool = False,
    ) -> None:
        self._name = name
        self._dialect = dialect
        self._client = client
        self._limit_bytes = limit_bytes
        self._gzip = gzip
        self._head = _Head("", 0, 0)
        self._sent: deque[str] = deque(maxlen=REMEMBERED)
        self._not_before_ms = 0
        self._said: set[str] = set()
        self._refused = 0
        self._lost: list[Lost] = []
        self._report_refused = False

    def __str__(self) -> str:
        """Return the server's name."""
        return self._name

    @property
    def needs(self) -> frozenset[Need]:
        """See `Destination.needs`."""
        return self._dialect.needs

    def store(self, batch: Batch, *, commit_follows: bool = False) -> Receipt:
        """See `Destination.store`: send what of the batch was not sent yet."""
        del commit_follows
        if batch.name in self._sent:
            return Receipt(0, 0)
        now = _now_ms()
        if wait_ms := left_ms(self._not_before_ms, now, LONGEST_WAIT_MS):
            raise DestinationError(f"{self._name} asked to be left alone for {wait_ms} ms more")
        tries = self._head.tries + 1 if self._head.batch == batch.name else 0
        self._head = _Head(batch.name, self._head.pieces if tries else 0, tries)
        before = self._refused
        try:
            size_bytes = self._send_all(batch, now + STORE_MS)
        except DestinationError as error:
            raise DestinationError(f"{self._name}: {error}") from error
        self._sent.append(batch.name)
        self._head = _Head("", 0, 0)
        if self._said and self._refused == before:
            log("info", f"{self._name} takes everything again; {before} records were refused")
            self._said.clear()
            self._refused = 0
        lost, self._lost = tuple(self._lost), []
        report_refused, self._report_refused = self._report_refused, False
        return Receipt(0, size_bytes, lost=lost, report_refused=report_refused)

    def _send_all(self, batch: Batch, deadline_ms: int) -> int:
        """Send a batch from where it stopped; return how many bytes."""
        budget, size_bytes = REFUSALS, 0
        for portion in without_first(self._dialect.portions(batch), self._head.pieces):
            waiting = list(fitting(portion, self._limit_bytes))[::-1]
            while waiting:
                part = waiting.pop()
                answer, sent = self._send(part, deadline_ms)
                size_bytes += sent
                budget -= answer.verdict is Verdict.SPLIT
                if answer.verdict is Verdict.SPLIT and part.pieces > 1 and budget > 0:
                    self._note_length(part, answer)
                    waiting += reversed(part.cut(part.pieces // 2))
                    continue
                if answer.verdict is Verdict.ACCEPTED:
                    self._taken(answer)
                else:
                    self._lose(part, answer)
                self._head = self._head._replace(pieces=self._head.pieces + part.pieces)
        return size_bytes

    def _send(self, part: Portion, deadline_ms: int) -> tuple[SendResult, int]:
        """Send one body; return what became of it, and its length."""
        now = _now_ms()
        if now >= deadline_ms:
            raise DestinationError("it takes too long; the rest is sent with the next try")
        try:
            response, sent = post(
                self._client(),
                self._dialect,
                part,
                attempt=self._head.tries,
                gzip=self._gzip,
                deadline_ms=min(deadline_ms, now + REQUEST_MS),
            )
        except WebError as error:
            raise DestinationError(str(error)) from error
        answer = self._dialect.read(response, part, _now_ms())
        if answer.verdict is Verdict.LATER:
            self._not_before_ms = _now_ms() + answer.wait_ms
            raise DestinationError(answer.says)
        return answer, sent

    def _note_length(self, part: Portion, answer: SendResult) -> None:
        """Remember that bodies of this length are too long."""
        if answer.too_long:
            self._limit_bytes = max(LEAST_BYTES, part.size_bytes // 2)

    def _taken(self, answer: SendResult) -> None:
        if answer.rejected:
            self._lost.append(Lost(f"rejected by {self._name}", answer.rejected, 0))
            self._refused += answer.rejected
        if answer.says:
            self._log_once("warning", "", answer.says)

    def _lose(self, part: Portion, answer: SendResult) -> None:
        """Drop what is refused for ever, and count it."""
        records = part.records()
        if records < part.pieces:
            self._report_refused = (
                True  # a refused report is no loss: its counts are reported later
            )
        if records:
            self._lost.append(Lost(f"{self._name}: {answer.reason}", records, part.size_bytes))
        self._refused += max(1, records)
        problem = f"refused for ever, so dropped and counted: {answer.says}"
        self._log_once("error", answer.reason, problem)

    def _log_once(self, level: str, reason: str, what: str) -> None:
        """Log a reason, unless it has been logged since the server last took everything."""
        if reason not in self._said:
            log(level, f"{self._name}: {what}")
        self._said.add(reason)

    def commit(self, deadline_ms: int) -> int:
        """See `Destination.commit`: what is sent is visible as soon as the server wants."""
        del deadline_ms
        return 0

    def describe(self) -> None:
        """See `Destination.describe`: what is sent is safe."""

    def warm_up(self) -> None:
        """See `Destination.warm_up`: there is nothing to open."""

    def close(self) -> None:
        """See `Destination.close`."""
        self._client().close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
