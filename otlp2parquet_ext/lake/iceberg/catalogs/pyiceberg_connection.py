"""A connection to a PyIceberg catalog, opened at its first use, with a deadline for each call.

All calls to the catalog go through this module. After an abandoned call, the catalog is opened
again, because the abandoned call may still use the old object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.http.response import ResponseTooLongError
from otlp2parquet_ext.lake.iceberg.catalogs.deadline_executor import DeadlineExecutor, NoAnswerError
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyiceberg.catalog import Catalog

T = TypeVar("T")

TIMES = 2
"""Attempts of a repeatable call: a connection that died during a freeze fails at its next use."""


class PyIcebergConnection:
    """See the module; one thread at a time may use it.

    Args:
        connect: opens the catalog; may raise `CommitError`.
        label: name of the catalog, for messages.
    """

    def __init__(self, connect: Callable[[], Catalog], label: str) -> None:
        self._connect = connect
        self._catalog: Catalog | None = None
        self._executor = DeadlineExecutor(label)
        self.label = label

    def repeat(self, function: Callable[[Catalog], T], deadline_ms: int, what: str) -> T:
        """Call a function with the catalog; call it again if the first call fails.

        Args:
            function: an idempotent function.
            deadline_ms: Unix ms.
            what: name of the operation, for messages.

        Raises:
            CommitError: both calls failed.
        """
        for time in range(1, TIMES + 1):
            try:
                return self.call(function, deadline_ms)
            except CommitError:
                raise
            except NoAnswerError as error:
                raise CommitError(f"{quote(error)}: {what}") from error
            except Exception as error:  # each SDK or driver has its own errors
                if time == TIMES or isinstance(error, ResponseTooLongError):
                    text = f"{self.label}: {what} failed: {explained(error)}"
                    raise CommitError(text) from error
        raise AssertionError

    def call(self, function: Callable[[Catalog], T], deadline_ms: int) -> T:
        """Call a function with the catalog once; return its result, or raise its exception.

        Raises:
            NoAnswerError: the call missed its deadline.
            CommitError: the catalog cannot be opened.
        """
        # `with_catalog` must not use `self`: an abandoned call may continue at any time.
        held = [] if self._catalog is None else [self._catalog]

        def with_catalog() -> T:
            if not held:
                held.append(self._connect())
            return function(held[0])

        self._catalog = None
        left_behind = False
        try:
            return self._executor.call(with_catalog, deadline_ms)
        except NoAnswerError:
            left_behind = True
            raise
        finally:
            if held and not left_behind:
                self._catalog = held[0]

    def close(self) -> None:
        """Close the catalog's connections, on the thread that opened them."""
        catalog, self._catalog = self._catalog, None
        if catalog is not None:
            self._executor.last(catalog.close)
        self._executor.close()


def explained(error: BaseException) -> str:
    """Return an error as text: its class, and the first line of its message."""
    text = quote(str(error).strip().partition("\n")[0])
    kind = type(error).__name__
    cause = f" ({quote(error.__cause__)})" if isinstance(error.__cause__, ImportError) else ""
    return (text if text.startswith(kind) else f"{kind}: {text}") + cause
