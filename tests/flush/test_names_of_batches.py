"""A segment is the same batch in every process, so its files are written once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.extension.context import context_note
from otlp2parquet_ext.flush.pipeline import FlushPipeline
from otlp2parquet_ext.records.telemetry.values import EnvironmentContext
from otlp2parquet_ext.spool import Appended, Spool

DAY_US = 86_400_000_000
NOW_US = 1_773_480_413_540_000


def delivery(number: int) -> bytes:
    """Return a delivery of one line."""
    time = f"2026-03-14T09:26:53.{number:03}Z"
    return json.dumps([{"time": time, "type": "function", "record": f"line {number}"}]).encode()


class Life:
    """The spool and flush side of one process, in an environment with its /tmp and its lake."""

    def __init__(self, folder: Path, instance_id: str) -> None:
        environ = {"OTLP2PARQUET_DESTINATION": f"file://{folder}/lake"}
        self._side = FlushPipeline(load(environ)[0], environ)
        self.spool = Spool(folder / "tmp", 1 << 26, 0)
        self.spool.set_preamble([context_note(EnvironmentContext(instance_id=instance_id))])

    def store_all(self, *, discards: bool) -> None:
        """Store the sealed segments; a process that ends early does not discard them."""
        self.spool.seal()
        for segment in list(self.spool.sealed):
            self._side.store(segment)
            if discards:
                self.spool.discard(segment)


def first_life(folder: Path) -> None:
    """Accept and store two batches; accept a third delivery.

    End before any segment is discarded.
    """
    life = Life(folder, "first")
    for number in (1, 2):
        life.spool.append(delivery(number), NOW_US + number, 1)
        life.store_all(discards=False)
    life.spool.append(delivery(3), NOW_US + 3, 1)
    signal.raise_signal(signal.SIGKILL)


def files(folder: Path) -> dict[str, int]:
    """Return names of files, and how many rows each has."""
    return {
        path.name: pq.read_metadata(path).num_rows for path in (folder / "lake").rglob("*.parquet")
    }


def killed_after_storing(folder: Path) -> None:
    """Run the first life in a real process."""
    died = subprocess.run([sys.executable, __file__, folder], check=False)
    assert died.returncode == -signal.SIGKILL


def test_what_was_stored_before_a_kill_gets_the_same_names_after_it(tmp_path: Path) -> None:
    """The time of receipt is part of the name, and the segment itself has it."""
    killed_after_storing(tmp_path)
    before = files(tmp_path)
    assert sorted(before.values()) == [1, 1]
    life = Life(tmp_path, "second")
    assert life.spool.recover() == 3
    life.store_all(discards=True)
    after = files(tmp_path)
    assert before.items() <= after.items()
    assert sorted(after.values()) == [1, 1, 1]


def test_a_delivery_that_is_repeated_after_a_kill_is_recognised(tmp_path: Path) -> None:
    """Its answer may be lost with the process, so it comes again, for another segment."""
    killed_after_storing(tmp_path)
    life = Life(tmp_path, "second")
    life.spool.recover()
    repeated = life.spool.append(delivery(3), NOW_US + DAY_US, 1)
    assert repeated == Appended(duplicate=True)
    life.store_all(discards=True)
    assert sum(files(tmp_path).values()) == 3


def test_a_delivery_that_is_repeated_after_its_batch_was_stored_is_recognised(
    tmp_path: Path,
) -> None:
    """The platform may repeat a delivery minutes later, when its segment is deleted."""
    life = Life(tmp_path, "only")
    for received_us in (NOW_US, NOW_US + 60_000_000):
        life.spool.append(delivery(1), received_us, 1)
        life.store_all(discards=True)
    assert list(files(tmp_path).values()) == [1]


if __name__ == "__main__":
    first_life(Path(sys.argv[1]))
