"""Writers and committers that kill themselves at random steps, and are started again.

    python killed_fleet.py PLAN.json   --> one JSON line: lives, deaths, seconds

One process each, forked from here so that a life costs no imports. A step is a call of a storage
or a catalog: before or after a random one of them the process sends itself SIGKILL, so that a file
is written and not described, described and not committed, committed and not taken out of the inbox,
a swap done and its answer never heard. A writer that comes back stores again what it was not told
is stored, as from a spool; a committer looks into the inbox.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import signal
import sys
import time
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from lake_bench import bodies_at

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.functions.committer.opening import open_place
from otlp2parquet_ext.functions.committer.work import commit_waiting
from otlp2parquet_ext.lake.destinations.choose import choose
from otlp2parquet_ext.lake.destinations.destination import Batch, BusyError
from otlp2parquet_ext.lake.http.client import Client
from otlp2parquet_ext.lake.iceberg.catalogs import sqlite_catalog
from otlp2parquet_ext.lake.iceberg.commit.append import LeanTable
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.iceberg.upkeep import merge
from otlp2parquet_ext.lake.iceberg.upkeep.cleaning import clean
from otlp2parquet_ext.lake.iceberg.upkeep.merging import merge_manifests
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.lake.storage.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (LocalStorage, ("put", "get", "part", "list", "delete", "delete_many", "size")),
    (sqlite_catalog.SqlitePointer, ("current", "create", "swap")),
    (Client, ("request",)),
)
PR_SET_PDEATHSIG = 1
LEAST_MERGED = 8
"""Small manifests that are merged: fewer than usual, so that it happens all the time."""


class Plan(msgspec.Struct, frozen=True):
    """What to do.

    Attributes:
        environ: of the destination.
        folder: for what writers remember, and for the sign to stop.
        writers, batches: how many, and of how many batches each.
        direct: writers that commit themselves.
        committers: how many.
        deaths: of a writer, at most; a committer dies for ever.
        writer_steps, committer_steps: a life ends after so many steps at most.
        seconds: after which all is given up.
        seed: of all that is random.
    """

    environ: dict[str, str]
    folder: str
    writers: int = 32
    batches: int = 12
    direct: int = 6
    committers: int = 3
    deaths: int = 4
    writer_steps: int = 20
    committer_steps: int = 60
    seconds: float = 100.0
    seed: int = 0


def body(writer: int, batch: int) -> str:
    """Return the one row of a batch."""
    return f"{writer:03}-{batch:04}"


def arm(steps: int) -> None:
    """Kill this process before or after its n-th step."""
    left = [steps]
    after = random.random() < 0.5

    def armed(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def step(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0 and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            found = method(*arguments, **named)
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return found

        return step

    for owner, names in STEPS:
        for name in names:
            setattr(owner, name, armed(getattr(owner, name)))


def write(plan: Plan, number: int) -> None:
    """Be a writer: store what is not known to be stored, as if from a spool."""
    mode = "direct" if number < plan.direct else "inbox"
    variables = {**plan.environ, "OTLP2PARQUET_COMMIT": mode}
    lake = choose(load(variables)[0], variables)
    told = Path(plan.folder) / f"writer-{number}"
    stored = len(told.read_text()) if told.exists() else 0
    for batch in range(stored, plan.batches):
        text = body(number, batch)
        # As the flush side does: a batch stays in the spool until it is safe.
        rows = bodies_at(batch % 2, text)
        safe = lake.store(
            Batch(text.replace("-", "x").rjust(32, "0"), {"logs": rows}),
            commit_follows=mode == "direct",
        ).safe
        try:
            lake.commit(now_ms() + 5_000)
        except BusyError:
            lake.describe()
        else:
            safe = True
        assert safe or mode == "direct"
        with told.open("a") as file:
            file.write(".")


def commit(plan: Plan, end: Path) -> None:
    """Act as a committer: commit the inbox and take care of the table, until the sign to stop."""
    place = open_place(plan.environ)
    merge.FEWEST_SMALL = LEAST_MERGED
    while True:
        ending = end.exists()
        done = commit_waiting(place, now_ms() + 10_000, per_snapshot=random.choice((5, 50)))
        if ending and done.empty:
            return
        table = place.open_table()
        assert isinstance(table, LeanTable)
        try:
            merge_manifests(table.handle, now_ms() + 5_000)
            clean(table.handle, now_ms() + 5_000, grace_ms=0)
        except (CommitError, StorageError):
            pass  # the table does not exist yet, or others were faster
        time.sleep(0.005)  # the writers have one machine with it


def live(plan: Plan, role: str, number: int, *, mortal: bool) -> int:
    """Fork one life of a writer or committer; return its process id."""
    seed = random.getrandbits(64)
    child = os.fork()
    if child:
        return child
    status = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # the wait for it has ended
    try:
        random.seed(seed)
        if mortal:
            steps = plan.writer_steps if role == "writer" else plan.committer_steps
            arm(random.randint(1, steps))
        if role == "writer":
            write(plan, number)
        else:
            commit(plan, Path(plan.folder) / "end")
        status = 0
    except BaseException as error:  # noqa: BLE001 - told of by the status, and on standard error
        sys.stderr.write(f"{role} {number}: {error!r}\n")
    finally:
        os._exit(status)


def run(plan: Plan) -> dict[str, Any]:
    """Run all of them until everything is written and committed."""
    random.seed(plan.seed)
    started_s = time.monotonic()
    deaths: dict[tuple[str, int], int] = {}
    alive: dict[int, tuple[str, int]] = {}
    lives = failed = 0
    todo = [("writer", n) for n in range(plan.writers)]
    todo += [("committer", n) for n in range(plan.committers)]
    random.shuffle(todo)
    ending = False
    while todo or alive:
        for who in todo:
            mortal = not ending and (who[0] == "committer" or deaths.get(who, 0) < plan.deaths)
            alive[live(plan, *who, mortal=mortal)] = who
            lives += 1
        child, status = os.wait()
        who = alive.pop(child)
        killed = os.WIFSIGNALED(status)
        deaths[who] = deaths.get(who, 0) + killed
        failed += not killed and os.waitstatus_to_exitcode(status) != 0
        todo = [who] if killed else []
        if not ending and not any(role == "writer" for role, _ in [*alive.values(), *todo]):
            (Path(plan.folder) / "end").touch()
            ending = True
        if time.monotonic() - started_s > plan.seconds:
            for child in alive:
                os.kill(child, signal.SIGKILL)
            return {"given_up": [f"{role} {number}" for role, number in alive.values()]}
    by_role = {
        f"{role}_deaths": sum(n for (r, _), n in deaths.items() if r == role)
        for role in ("writer", "committer")
    }
    seconds = round(time.monotonic() - started_s, 1)
    return {"lives": lives, "failed": failed, "seconds": seconds, **by_role}


def now_ms() -> int:
    """Return the present, Unix ms."""
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    given = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    sys.stdout.write(json.dumps(run(given)) + "\n")
