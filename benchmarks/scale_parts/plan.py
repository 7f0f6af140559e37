"""One run of the scale benchmark, as values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What runs, for how long, how far away disk and catalog are, and what is killed.

    Attributes:
        mode: `direct` or `inbox`, as OTLP2PARQUET_COMMIT.
        writers: processes, each an execution environment's flush side with its spool.
        committers: processes that take the inbox every `committer_ms`; only with `inbox`.
        flushes: deliveries of each writer, one every `flush_ms`.
        rows: of a delivery.
        timeout_ms, interval_ms: TIMEOUT_MS and OTLP2PARQUET_COMMIT_INTERVAL_MS.
        storage_ms, catalog_ms: latency of one request, a fifth more or less.
        kill_every_ms: a random process gets SIGKILL and is started again; 0 is never.
        lake: which lake, see `lakes.py`.
    """

    mode: str
    writers: int
    committers: int = 0
    flushes: int = 12
    flush_ms: int = 2_500
    rows: int = 50
    timeout_ms: int = 1_000
    interval_ms: int = 5_000
    committer_ms: int = 2_000
    storage_ms: float = 25.0
    catalog_ms: float = 60.0
    kill_every_ms: int = 0
    lake: str = "disk"

    @property
    def label(self) -> str:
        """A name for people and files."""
        kills = ", kills" if self.kill_every_ms else ""
        committers = f" with {self.committers}" if self.mode == "inbox" else ""
        return f"{self.mode}{committers}, {self.writers} writers{kills}"

    def values(self) -> dict[str, object]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Home:
    """Where one run keeps everything.

    Attributes:
        folder: of logs and spools, and of the lake if it is a local one.
        url: OTLP2PARQUET_DESTINATION.
        more: further variables of every process.
    """

    folder: Path
    url: str
    more: tuple[tuple[str, str], ...] = ()

    def environ(self, plan: Plan, spool: Path | None = None) -> dict[str, str]:
        """Return the variables of a process; without a spool it is a committer."""
        return {
            "OTLP2PARQUET_DESTINATION": self.url,
            "OTLP2PARQUET_COMMIT": plan.mode if spool else "direct",
            "OTLP2PARQUET_COMMIT_INTERVAL_MS": str(plan.interval_ms),
            "TIMEOUT_MS": str(plan.timeout_ms),
            **({"OTLP2PARQUET_SPOOL_DIR": str(spool)} if spool else {}),
            **dict(self.more),
        }

    def log(self, who: str) -> Path:
        """Return where a process writes down what it did."""
        return self.folder / f"{who}.log"
