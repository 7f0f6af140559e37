"""Checks exactly-once commits under kill -9, for a chosen time.

    python benchmarks/killed.py [SECONDS]

Round after round, each on a new SQLite table: writers and committers kill themselves at random
steps and are started again (tests/committer/killed_fleet.py), then DuckDB counts every row.
tests/committer/test_killed.py is the short form.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = [ROOT, *(ROOT / "tests" / name for name in ("committer", "iceberg", "servers"))]
FLEET = ROOT / "tests" / "committer" / "killed_fleet.py"
BIGGEST = 128


def one_round(writers: int, batches: int) -> dict[str, int]:
    """Run a fleet on a new table; return its counts."""
    from otlp2parquet_ext.tools import query  # noqa: PLC0415 - after the path is set

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite://{folder}/catalog.db?warehouse={folder}/lake"
        plan = {
            "environ": {"OTLP2PARQUET_DESTINATION": url},
            "folder": folder,
            "writers": writers,
            "batches": batches,
            "direct": writers // 5,
            "deaths": 8,
            "seconds": 600,
            "seed": random.getrandbits(32),
        }
        Path(folder, "plan.json").write_text(json.dumps(plan))
        paths = os.pathsep.join(map(str, FOLDERS))
        ran = subprocess.run(
            [sys.executable, FLEET, f"{folder}/plan.json"],
            env=os.environ | {"PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=True,
        )
        found: dict[str, int] = json.loads(ran.stdout)
        read = query.connect(url).execute("SELECT Body FROM logs").fetchall()
    bodies = Counter(row[0] for row in read)
    expected = writers * batches
    twice = sum(count - 1 for count in bodies.values())
    return found | {"rows": len(read), "twice": twice, "lost": expected - len(bodies)}


def main() -> None:
    """Run rounds until the time is over; print each, and the sum."""
    sys.path[:0] = map(str, FOLDERS)
    until_s = time.monotonic() + float(sys.argv[1] if len(sys.argv) > 1 else 60)
    total: Counter[str] = Counter()
    rounds = 0
    while time.monotonic() < until_s:
        writers, batches = random.randint(8, BIGGEST), random.choice((6, 12, 60))
        found = one_round(writers, batches)
        rounds += 1
        total.update({key: round(value) for key, value in found.items()})
        print(f"{writers} writers of {batches} batches: {found}")
    print(f"{rounds} rounds: {dict(total)}")


if __name__ == "__main__":
    main()
