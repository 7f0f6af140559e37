"""Call a function for many items on several threads, to hide the latency of a remote store."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

T = TypeVar("T")
R = TypeVar("R")


def gather(ask: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Yield the result of `ask` for each item, in the items' order.

    When the caller stops early, the calls that have not begun are cancelled. An exception of `ask`
    is raised here.

    Args:
        ask: the function; with several threads it is called on them.
        items: the items; they are read only a little ahead of the results.
        threads: number of calls at the same time, n > 0; with 1 there is only a loop.
    """
    if threads == 1:
        yield from map(ask, items)
        return
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - a disk needs none

    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="gather") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(ask, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
