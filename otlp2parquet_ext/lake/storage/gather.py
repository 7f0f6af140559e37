"""Many small objects at once: a store far away answers many questions as fast as one."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

T = TypeVar("T")
R = TypeVar("R")


def gather(ask: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Yield what `ask` returns for each item, in their order.

    A caller that stops early leaves nothing under way; what `ask` raises is raised here.

    Args:
        ask: called on other threads when there are several.
        items: taken no faster than needed.
        threads: calls under way at once, n > 0; with one, nothing but a loop.
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
