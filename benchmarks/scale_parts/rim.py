"""Adds latency and counts calls between our code and its storage, in this process.

A local disk answers in microseconds, a bucket in tens of milliseconds. With the added latency,
writers contend as with a remote bucket. Every call is counted, and so is every commit that the
catalog refuses.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.lake.destinations.destination import BusyError
from otlp2parquet_ext.lake.destinations.lake import Lake
from otlp2parquet_ext.lake.iceberg.catalogs.sqlite_catalog import SqlitePointer
from otlp2parquet_ext.lake.storage.local import LocalStorage

if TYPE_CHECKING:
    from collections.abc import Callable

SPREAD = 0.2


class Rim:
    """The calls of this process to storage and catalog.

    Attributes:
        counts: calls by name; `refused` counts commits that lost to others.
        commit_ms: duration of each call of `Lake.commit`.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.commit_ms: list[float] = []
        self._under_way = threading.local()

    def install(self, storage_ms: float, catalog_ms: float) -> None:
        """Add latency before and after every later call; 0 only counts."""
        for name in ("put", "get", "list", "delete", "delete_many", "size"):
            self._wrap(LocalStorage, name, storage_ms)
        for name in ("current", "create", "swap"):
            self._wrap(SqlitePointer, name, catalog_ms)
        self._time_commits()

    def _wrap(self, owner: type, name: str, latency_ms: float) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def far(*args: Any, **kwargs: Any) -> Any:
            if getattr(self._under_way, "call", ""):  # a nested part of a counted call
                return real(*args, **kwargs)
            self._under_way.call = name
            try:
                return once(*args, **kwargs)
            finally:
                self._under_way.call = ""

        def once(*args: Any, **kwargs: Any) -> Any:
            self.counts[name] += 1
            pause_s = latency_ms * random.uniform(1 - SPREAD, 1 + SPREAD) / 2_000
            time.sleep(pause_s)
            result = real(*args, **kwargs)
            time.sleep(pause_s)
            if name == "swap" and not result:
                self.counts["refused"] += 1
            return result

        setattr(owner, name, far)

    def _time_commits(self) -> None:
        real = Lake.commit

        def timed(lake: Lake, deadline_ms: int) -> int:
            started = time.perf_counter()
            try:
                return real(lake, deadline_ms)
            except BusyError:
                self.counts["busy"] += 1
                raise
            finally:
                self.commit_ms.append((time.perf_counter() - started) * 1_000)

        Lake.commit = timed  # type: ignore[method-assign]
