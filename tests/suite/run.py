"""Runs a tier of the tests, and prints its cost.

    python tests/suite/run.py quick              what `make test` runs
    python tests/suite/run.py rest               what `make test-all` runs after it
    python tests/suite/run.py layer              tests of the built layer (`make test-layer`)
    python tests/suite/run.py quick --on-layer   end-to-end tests start the layer's extension
    python tests/suite/run.py quick tests/e2e    arguments that follow are pytest's

1. Tests run in parallel, those of one server in one worker.
2. Tests that measure wall time (`timing`) run alone.
3. Tests of `quick` that took more than 5 s run again, alone, up to three times: neighbours, or a
   slow minute of the machine, may be the reason. A test that takes more than 5 s each time fails
   the run: it belongs to `thorough`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
import costs
import measuring
import portable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHECKOUT = Path(__file__).parents[2]
BUILD = CHECKOUT / "build"
WORKERS = 4
ROUNDS_ALONE = 3
"""How often a slow test may run again, alone, before it counts as slow."""

NOTHING_RAN = 5
"""pytest's status when a selection has no test."""


class Tier(NamedTuple):
    """A selection by markers, and how its properties are searched."""

    marks: str
    profile: str


TIERS = {
    "quick": Tier("not thorough and not layer", "quick"),
    # A property that held for a few examples in `quick` is searched again with many.
    "rest": Tier("(thorough or hypothesis) and not layer", "thorough"),
    "layer": Tier("layer", "quick"),
}


def main() -> int:
    """Run a tier; return 0 if all of it passed within its bounds."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("tier", choices=TIERS)
    arguments.add_argument("--on-layer", action="store_true")
    chosen, others = arguments.parse_known_args()
    os.environ["HYPOTHESIS_PROFILE"] = TIERS[chosen.tier].profile
    # Five processes would each compile all tests again, and every extension they start its modules.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    file = BUILD / f"test-costs-{chosen.tier}.jsonl"
    file.unlink(missing_ok=True)
    begun = time.monotonic()
    with entering_layer() if chosen.on_layer else as_it_is() as prefix:
        pytest = [*prefix, sys.executable, "-m", "pytest", *(left_to_layer() if prefix else ())]
        status, alone = phases(chosen.tier, pytest, others, file)
    found = measuring.read(file)
    problems = costs.report(chosen.tier, found, time.monotonic() - begun, BUILD, alone=alone)
    return status or bool(problems)


def phases(tier: str, pytest: Sequence[str], others: Sequence[str], file: Path) -> tuple[int, bool]:
    """Run the tests in parallel, then those that run alone, then the slow ones again.

    Returns:
        The exit status; and False when a failure kept slow tests from running again.
    """
    marks = TIERS[tier].marks
    command = [*pytest, f"--cost-file={file}", *others]
    parallel = ["-n", str(WORKERS), "--dist", "loadgroup", "-m", f"({marks}) and not timing"]
    status = run([*command, *parallel])
    status = run([*command, "-m", f"({marks}) and timing"]) or status
    for _ in range(ROUNDS_ALONE if tier == "quick" else 0):
        slow = [cost.test for cost in costs.too_slow(measuring.read(file))]
        if not slow:
            break
        if status:
            return status, False
        print(f"{len(slow)} tests took more than {costs.SLOW_S} s: again, alone")  # noqa: T201
        status = run([*pytest, f"--cost-file={file}", *slow])
    return status, True


def run(command: Sequence[str]) -> int:
    """Run pytest; a selection without a test is no failure."""
    status = subprocess.run(command, cwd=CHECKOUT, check=False).returncode
    return 0 if status == NOTHING_RAN else status


def left_to_layer() -> list[str]:
    """Return what leaves out the tests that `make test-layer` runs on the layer's interpreter."""
    return [f"--ignore={file}" for file in portable.portable_files()]


@contextmanager
def as_it_is() -> Iterator[list[str]]:
    """Run on this checkout."""
    yield []


@contextmanager
def entering_layer() -> Iterator[list[str]]:
    """Unpack the layer, and give the prefix that runs a command with /opt as the layer."""
    sys.path.insert(0, str(CHECKOUT / "tests" / "servers"))
    import layer_roots  # noqa: PLC0415 - what else runs has no layer

    folder = Path(tempfile.mkdtemp(prefix="layer-"))
    try:
        root = layer_roots.unpack(layer_roots.MACHINES[os.uname().machine], folder / "root")
        os.environ["TEST_EXTENSION"] = layer_roots.EXTENSION
        yield list(root.at_opt())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
