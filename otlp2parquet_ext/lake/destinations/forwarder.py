"""Forward batches over HTTP: the part that is common to all kinds of servers.

    Batch --portions--> body --POST--> accepted | later | refused --halves--> … --> Receipt.lost

When a server does not answer, the batch is kept, and the next try continues where this one stopped.
Records that a server refuses permanently are dropped and counted, so that they do not block the
batches after them. A bounded bisection finds the refused records. Delivery is at least once: a
request without an answer is sent again.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from otlp2parquet_ext.common.hold_limits import steady_ms
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
"""Longest time for one request. A Data Tap answers within 5 s."""

STORE_MS = 30_000
"""Longest time for one batch; the next try sends the rest."""

REFUSALS = 40
"""Most refused requests in one batch's bisection: enough to find two to three bad records among ten
thousand."""

LEAST_BYTES = 65_536
"""Smallest body limit: a server that finds bodies too long does not reduce the limit below it."""

REMEMBERED = 64
"""Names of sent batches to remember, so that a repeated `store` does not send a batch again."""


class _Head(Struct):
    """Progress of the current batch, one object for each try.

    An abandoned thread may continue its try later. It changes only the object of that try, and so
    does not affect the progress of a later try or of another batch.

    Attributes:
        batch: name of the batch.
        pieces: number of pieces already sent.
        tries: number of earlier tries.
        lost: records refused permanently, not counted yet.
        report_refused: see `Receipt`.
    """

    batch: str = ""
    pieces: int = 0
    tries: int = 0
    lost: tuple[Lost, ...] = ()
    report_refused: bool = False


class Forwarder:
    """See `Destination`.

    Args:
        name: name of the server, without secrets.
        dialect: the server's protocol.
        client: returns the HTTP client; called with the first request.
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
        self._head = _Head()
        self._sent: deque[str] = deque(maxlen=REMEMBERED)
        self._not_before_ms = 0
        self._said: set[str] = set()
        self._refused = 0

    def __str__(self) -> str:
        """Return the server's name."""
        return self._name

    @property
    def needs(self) -> frozenset[Need]:
        """See `Destination.needs`."""
        return self._dialect.needs

    def store(self, batch: Batch, *, commit_follows: bool = False) -> Receipt:
        """See `Destination.store`: sends the part of the batch that is not sent yet."""
        del commit_follows
        if batch.name in self._sent:
            return Receipt(0, 0)
        if wait_ms := left_ms(self._not_before_ms, steady_ms(), LONGEST_WAIT_MS):
            raise DestinationError(f"{self._name} asked for a pause of {wait_ms} ms more")
        earlier = self._head
        if earlier.batch == batch.name:
            head = replace(earlier, tries=earlier.tries + 1)
        else:
            head = _Head(batch.name)
        self._head = head
        before = self._refused
        try:
            size_bytes = self._send_all(batch, head, steady_ms() + STORE_MS)
        except DestinationError as error:
            raise DestinationError(f"{self._name}: {error}") from error
        if self._head is head:  # otherwise this thread was abandoned, and a later try sends again
            self._sent.append(batch.name)
            self._head = _Head()
        if self._said and self._refused == before:
            log("info", f"{self._name} accepts all records again; it refused {before} before")
            self._said.clear()
            self._refused = 0
        return Receipt(0, size_bytes, lost=head.lost, report_refused=head.report_refused)

    def _send_all(self, batch: Batch, head: _Head, until_ms: int) -> int:
        """Send the unsent part of a batch; return how many bytes.

        Args:
            batch: see `store`.
            head: progress of the batch.
            until_ms: ms of `steady_ms` after which no request begins.
        """
        budget, size_bytes = REFUSALS, 0
        for portion in without_first(self._dialect.portions(batch), head.pieces):
            waiting = list(fitting(portion, self._limit_bytes))[::-1]
            while waiting:
                part = waiting.pop()
                answer, sent = self._send(part, head.tries, until_ms)
                size_bytes += sent
                budget -= answer.verdict is Verdict.SPLIT
                if answer.verdict is Verdict.SPLIT and part.pieces > 1 and budget > 0:
                    self._note_length(part, answer)
                    waiting += reversed(part.cut(part.pieces // 2))
                    continue
                if answer.verdict is Verdict.ACCEPTED:
                    self._taken(answer, head)
                else:
                    self._lose(part, answer, head)
                head.pieces += part.pieces
        return size_bytes

    def _send(self, part: Portion, tries: int, until_ms: int) -> tuple[SendResult, int]:
        """Send one body; return the result and the body's length in bytes."""
        left = until_ms - steady_ms()
        if left <= 0:
            raise DestinationError("the batch takes too long; the next try sends the rest")
        try:
            response, sent = post(
                self._client(),
                self._dialect,
                part,
                attempt=tries,
                gzip=self._gzip,
                deadline_ms=_unix_ms() + min(left, REQUEST_MS),
            )
        except WebError as error:
            raise DestinationError(str(error)) from error
        answer = self._dialect.read(response, part, _unix_ms())
        if answer.verdict is Verdict.LATER:
            self._not_before_ms = steady_ms() + answer.wait_ms
            raise DestinationError(answer.says)
        return answer, sent

    def _note_length(self, part: Portion, answer: SendResult) -> None:
        """Reduce the limit when the server finds the body too long."""
        if answer.too_long:
            self._limit_bytes = max(LEAST_BYTES, part.size_bytes // 2)

    def _taken(self, answer: SendResult, head: _Head) -> None:
        if answer.rejected:
            head.lost += (Lost(f"rejected by {self._name}", answer.rejected, 0),)
            self._refused += answer.rejected
        if answer.says:
            self._log_once("warning", "", answer.says)

    def _lose(self, part: Portion, answer: SendResult, head: _Head) -> None:
        """Drop permanently refused records, and count them."""
        records = part.records()
        if records < part.pieces:
            head.report_refused = True  # no loss: the next report repeats its counts
        if records:
            head.lost += (Lost(f"{self._name}: {answer.reason}", records, part.size_bytes),)
        self._refused += max(1, records)
        problem = f"refused permanently, so dropped and counted: {answer.says}"
        self._log_once("error", answer.reason, problem)

    def _log_once(self, level: str, reason: str, what: str) -> None:
        """Log a reason once, until the server has accepted a whole batch again."""
        if reason not in self._said:
            log(level, f"{self._name}: {what}")
        self._said.add(reason)

    def commit(self, deadline_ms: int) -> int:
        """See `Destination.commit`: does nothing, for a server makes records visible itself."""
        del deadline_ms
        return 0

    def describe(self) -> None:
        """See `Destination.describe`: does nothing, for the server has the sent records."""

    def warm_up(self) -> None:
        """See `Destination.warm_up`: does nothing, for a forwarder has no tables."""

    def close(self) -> None:
        """See `Destination.close`."""
        self._client().close()


def _unix_ms() -> int:
    return time.time_ns() // 1_000_000
