"""Store rows in the lake: safe before the client gets 200, and visible as soon as possible.

    Batch --store--> stored --commit, if this process commits and has time--> visible
                        |
                        +--descriptor in the inbox--> visible with the next commit to the table

Lambda does not tell a function that its environment ends. So stored files are committed at once, or
left in the inbox for other writers. After a lost commit or an error of the catalog, the function
makes no commits for a while.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.common.hold_limits import steady_ms
from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.common.retry import FIRST_RETRY_MS, Retry, jitter_ms
from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.lake.destinations.choose import choose
from otlp2parquet_ext.lake.destinations.destination import BusyError, Destination, DestinationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.common.settings.settings import Settings
    from otlp2parquet_ext.lake.destinations.destination import Batch, Lost

COMMIT_LEAST_MS = 2_000
"""Least time before the function's deadline for a commit to begin."""

COMMIT_LIMIT_MS = 5_000
"""Longest time for a commit: by default, exporters wait 10 s before they send again."""


class Store:
    """The destination, opened with the first batch; it stays open to keep connections.

    Args:
        settings: hold the destination.
        environ: environment variables of the process: credentials, regions, endpoints.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = environ
        self._destination: Destination | None = None
        self._retry = Retry()

    def keep(self, batch: Batch, deadline_ms: int) -> tuple[Lost, ...]:
        """Make a batch safe, and commit it if this process commits. Repeating it is idempotent.

        Args:
            batch: the batch.
            deadline_ms: Unix ms; the function's deadline.

        Returns:
            The records that the destination refused permanently.

        Raises:
            DestinationError: the batch is not safe.
        """
        destination, deadline = self.open(), SteadyDeadline(deadline_ms)
        commits = self._may_commit(deadline)
        stored = destination.store(batch, commit_follows=commits)
        if (commits or not stored.safe) and not self._commit(destination, deadline):
            destination.describe()
        return stored.lost

    def open(self) -> Destination:
        """Return the destination.

        Raises:
            DestinationError: the settings name no destination.
        """
        if self._destination is None:
            self._destination = choose(self._settings, self._environ)
        return self._destination

    def _may_commit(self, deadline: SteadyDeadline) -> bool:
        in_time = deadline.left_ms() >= COMMIT_LEAST_MS
        waits = self._retry.waits(steady_ms())
        return self._settings.commit == "direct" and in_time and not waits

    def _commit(self, destination: Destination, deadline: SteadyDeadline) -> bool:
        """Commit; return whether it succeeded. After any failure the rows stay stored."""
        try:
            destination.commit(deadline.unix_ms(COMMIT_LIMIT_MS))
        except BusyError:
            self._retry.postponed(steady_ms(), jitter_ms(FIRST_RETRY_MS))
            return False
        except Exception as error:  # noqa: BLE001 - a bug must not fail a request with stored rows
            if not self._retry.failures:
                problem = error if isinstance(error, DestinationError) else quote(repr(error))
                log("error", f"{problem}; what is stored waits in the inbox")
            self._retry.failed(steady_ms())
            return False
        self._retry = Retry()
        return True
