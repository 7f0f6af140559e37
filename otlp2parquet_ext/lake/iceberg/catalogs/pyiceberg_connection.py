"""A catalog of PyIceberg's, opened at its first use, waited for no longer than a deadline.

Every call to it goes through here. After a call that was left behind the catalog is opened anew:
what still hangs may use the old one.
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
"""A connection that died while we were frozen shows at its next use."""


class PyIcebergConnection:
    """See the module; used by one thread at a time.

    Args:
        connect: opens the catalog; may raise `CommitError`.
        label: names the catalog, for messages.
    """

    def __init__(self, connect: Callable[[], Catalog], label: str) -> None:
        self._connect = connect
        self._catalog: Catalog | None = None
        self._executor = DeadlineExecutor(label)
        self.label = label

    def repeat(self, function: Callable[[Catalog], T], deadline_ms: int, what: str) -> T:
        """Let a function use the catalog, and once more if the first time fails.

        Args:
            function: does no harm when it is done twice.
            deadline_ms: Unix ms.
            what: names it, for messages.

        Raises:
            CommitError: it failed.
        """
        for time in range(1, TIMES + 1):
            try:
                return self.call(function, deadline_ms)
            except CommitError:
                raise
            except NoAnswerError as error:
                raise CommitError(f"{quote(error)}: {what}") from error
            except Exception as error:  # whatever SDK or driver is behind it
                if time == TIMES or isinstance(error, ResponseTooLongError):
                    text = f"{self.label}: {what} failed: {explained(error)}"
                    raise CommitError(text) from error
        raise AssertionError

    def call(self, function: Callable[[Catalog], T], deadline_ms: int) -> T:
        """Let a function use the catalog, once; return or raise what it does.

        Raises:
            NoAnswerError: it is not back at its deadline.
            CommitError: the catalog cannot be opened.
        """
        # Not `self` in there: a call that is left behind may come to life at any time.
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
        """Give the catalog's connections back, on the thread that opened them."""
        catalog, self._catalog = self._catalog, None
        if catalog is not None:
            self._executor.last(catalog.close)
        self._executor.close()


def explained(error: BaseException) -> str:
    """Return an error as text that says what kind it is; a driver's first line suffices."""
    text = quote(str(error).strip().partition("\n")[0])
    kind = type(error).__name__
    cause = f" ({quote(error.__cause__)})" if isinstance(error.__cause__, ImportError) else ""
    return (text if text.startswith(kind) else f"{kind}: {text}") + cause
