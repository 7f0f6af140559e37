"""One run of the scale benchmark, as values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The processes of a run, its duration, the latency of disk and catalog, and the kills.

    Attributes:
        mode: `direct` or `inbox`, as OTLP2PARQUET_COMMIT.
        writers: number of processes, each the spool and flush of an execution environment.
        committers: number of processes that commit the inbox every `committer_ms`; only with
            `inbox`.
        flushes: deliveries of each writer, one every `flush_ms`.
        rows: rows of a delivery.
        timeout_ms, interval_ms: TIMEOUT_MS and OTLP2PARQUET_COMMIT_INTERVAL_MS.
        storage_ms, catalog_ms: latency of one request, a fifth more or less.
        kill_every_ms: interval at which a random process gets SIGKILL and is restarted; 0 means
            never.
        lake: `disk` or `rest`, see `lakes.py`.
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
        """Name of the run, for readers and files."""
        kills = ", kills" if self.kill_every_ms else ""
        committers = f" with {self.committers}" if self.mode == "inbox" else ""
        return f"{self.mode}{committers}, {self.writers} writers{kills}, {self.lake}"

    def values(self) -> dict[str, object]:
        """Return the values for JSON."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Home:
    """The folder of one run, and the access to its lake.

    Attributes:
        folder: folder of logs and spools.
        url, environ: OTLP2PARQUET_DESTINATION and the other variables of a fleet's process.
        near_url, near: the same for observers, without latency and counting.
        files: parent folder of the lake's objects, for any server.
        table: the table's folder below it.
        address: prefix of an object's address that corresponds to `files`.
    """

    folder: Path
    url: str
    near_url: str
    files: Path
    table: str
    address: str
    environ: Mapping[str, str] = field(default_factory=dict)
    near: Mapping[str, str] = field(default_factory=dict)

    def variables(self, plan: Plan, spool: Path | None = None) -> dict[str, str]:
        """Return the variables of a process; without a spool it is a committer."""
        return {
            **self.environ,
            "OTLP2PARQUET_DESTINATION": self.url,
            "OTLP2PARQUET_COMMIT": plan.mode if spool else "direct",
            "OTLP2PARQUET_COMMIT_INTERVAL_MS": str(plan.interval_ms),
            "TIMEOUT_MS": str(plan.timeout_ms),
            **({"OTLP2PARQUET_SPOOL_DIR": str(spool)} if spool else {}),
        }

    @property
    def near_variables(self) -> dict[str, str]:
        """The variables of observers."""
        return {**self.near, "OTLP2PARQUET_DESTINATION": self.near_url}

    def log(self, who: str) -> Path:
        """Return the path of a process's log."""
        return self.folder / f"{who}.log"

    def waiting(self) -> int:
        """Count the descriptors in the inbox."""
        return len(list((self.files / self.table / "inbox").glob("*.json")))

    def path(self, address: str) -> Path:
        """Return the path of an object."""
        return self.files / address.removeprefix(self.address).lstrip("/")
