"""The work of a role, step by step: an administrator prepares it, and the role's user does it.

A step returns the remaining problem, "" when it has done its work, and raises the errors of our
code. Names are those of the tables in docs/iam.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

import msgspec
from lake_bench import bodies_at
from places import Place, soon

from otlp2parquet_ext.functions.committer import opening
from otlp2parquet_ext.functions.committer.sweeping import Options, sweep
from otlp2parquet_ext.functions.committer.work import commit_waiting
from otlp2parquet_ext.lake.destinations.destination import Batch, DestinationError
from otlp2parquet_ext.lake.iceberg.commit.append import LeanTable
from otlp2parquet_ext.lake.iceberg.upkeep.cleaning import clean
from otlp2parquet_ext.lake.iceberg.upkeep.merging import merge_manifests

if TYPE_CHECKING:
    from otlp2parquet_ext.lake.destinations.destination import Destination
    from otlp2parquet_ext.lake.iceberg.commit.handle import Handle

NAMES = count()
UUID = "00000000-0000-4000-8000-000000000000"
FEW = 3
KEPT = {"OTLP2PARQUET_SNAPSHOTS_KEPT": "1"}


@dataclass(frozen=True)
class Stage:
    """One place, seen by two.

    Attributes:
        admin: may do everything.
        user: may do what is tested.
    """

    admin: Place
    user: Place


def batch() -> Batch:
    """Make a batch of one row that was not stored before."""
    name = f"{next(NAMES):032}"
    return Batch(name, {"logs": bodies_at(0, name)})


def stored(
    place: Place, *, commit_follows: bool = True, wanted: Batch | None = None
) -> Destination:
    """Store a batch; return the destination."""
    destination = place.open()
    destination.store(wanted or batch(), commit_follows=commit_follows)
    return destination


def committed(place: Place, times: int = 1) -> None:
    """Commit that many batches."""
    for _ in range(times):
        stored(place).commit(soon())


def store(stage: Stage) -> str:
    """A batch becomes a file."""
    stored(stage.user)
    return ""


def again(stage: Stage) -> str:
    """A batch is stored again, because the answer got lost."""
    twice = batch()
    stored(stage.admin, wanted=twice)
    stored(stage.user, wanted=twice)
    return ""


def commit(stage: Stage) -> str:
    """A file becomes visible."""
    stored(stage.user).commit(soon())
    return ""


def wait(stage: Stage) -> str:
    """A file that cannot be committed now leaves a descriptor."""
    stored(stage.user).describe()
    return "" if stage.admin.inbox() else "there is no descriptor"


def take(stage: Stage) -> str:
    """Files that others left in the inbox become visible, and their descriptors are deleted."""
    stored(stage.admin, commit_follows=False)
    stage.user.open().commit(soon())
    return f"still there: {stage.admin.inbox()}" if stage.admin.inbox() else ""


def missing(stage: Stage) -> str:
    """A descriptor without its file is set aside, and the others are committed."""
    before = set(stage.admin.objects.names("data/"))
    stored(stage.admin, commit_follows=False)
    (gone,) = set(stage.admin.objects.names("data/")) - before
    stage.admin.objects.remove(gone)
    _aged(stage.admin)
    stage.user.open().commit(soon())
    return _not_aside(stage)


def expire(stage: Stage) -> str:
    """Metadata files that no table needs any more are deleted by the commit that replaces them."""
    newest = max(n for n in stage.admin.objects.names("metadata/") if n.endswith(".metadata.json"))
    metadata = json.loads(stage.admin.objects.read(newest))
    metadata["properties"]["write.metadata.previous-versions-max"] = "1"
    stage.admin.objects.remove(newest)
    stage.admin.objects.write(newest, json.dumps(metadata).encode())
    user = replace(stage.user, environ={**stage.user.environ, **KEPT})
    committed(user, 2)
    return f"{newest} is still there" if newest in stage.admin.objects.names("metadata/") else ""


def work(stage: Stage) -> str:
    """The committer makes visible what waits."""
    stored(stage.admin, commit_follows=False)
    _worked(stage.user)
    return f"still there: {stage.admin.inbox()}" if stage.admin.inbox() else ""


def aside(stage: Stage) -> str:
    """The committer sets a descriptor without its file aside."""
    before = set(stage.admin.objects.names("data/"))
    stored(stage.admin, commit_follows=False)
    (gone,) = set(stage.admin.objects.names("data/")) - before
    stage.admin.objects.remove(gone)
    _aged(stage.admin)
    _worked(stage.user)
    return _not_aside(stage)


def merge(stage: Stage) -> str:
    """The committer makes few manifests of many."""
    committed(stage.admin, FEW)
    _, handle = _handle(stage.user)
    return "" if merge_manifests(handle, soon()).replaced else "nothing was merged"


def cleaning(stage: Stage) -> str:
    """The committer deletes what a merge replaced."""
    committed(stage.admin, FEW)
    merge_manifests(_handle(stage.admin)[1], soon())
    committed(replace(stage.admin, environ={**stage.admin.environ, **KEPT}), 2)
    _, handle = _handle(stage.user)
    return "" if clean(handle, soon(), grace_ms=0).manifests else "nothing was deleted"


def sweeping(stage: Stage) -> str:
    """The committer deletes what nothing refers to, and brings lost rows back."""
    stage.admin.objects.write(f"metadata/otlp2parquet-{UUID}-m0.avro", b"waste")
    time.sleep(1)  # a bucket's clock shows whole seconds: the table must be older than the file
    stored(stage.admin)
    place, handle = _handle(stage.user)
    swept = sweep(place, handle, soon(), Options(older_than_ms=0))
    found = swept.deleted >= 1 and swept.adopted >= 1 and swept.ended
    return "" if found else f"it did not find everything: {swept}"


def _worked(place: Place) -> None:
    done = commit_waiting(opening.open_place(place.variables), soon())
    if done.problem:
        raise DestinationError(done.problem)


def _handle(place: Place) -> tuple[opening.TableLocation, Handle]:
    opened = opening.open_place(place.variables)
    table = opened.open_table()
    assert isinstance(table, LeanTable)
    return opened, table.handle


def _aged(place: Place) -> None:
    """Let what waits look as if it had waited for long: only then its file is looked for."""
    (entry,) = (name for name in place.inbox() if "/missing/" not in name)
    described = msgspec.json.decode(place.waiting.read(entry))
    place.waiting.remove(entry)
    described["stored_ms"] = 1
    aged = f"inbox/{1:013}-{described['name']}.json"
    place.waiting.write(aged, msgspec.json.encode(described))


def _not_aside(stage: Stage) -> str:
    names = stage.admin.inbox()
    fine = len(names) == 1 and names[0].startswith("inbox/missing/")
    return "" if fine else f"it was not put aside: {names}"


def emptied(stage: Stage) -> None:
    """Let the next step begin with an empty inbox."""
    for name in stage.admin.inbox():
        stage.admin.waiting.remove(name)


Steps = Mapping[str, Callable[[Stage], str]]

PLAIN: Steps = {"store": store, "again": again}
WRITER: Steps = {
    "create": commit,
    **PLAIN,
    "commit": commit,
    "wait": wait,
    "take": take,
    "missing": missing,
    "expire": expire,
}
COMMITTER: Steps = {
    "create": work,
    "commit": work,
    "missing": aside,
    "merge": merge,
    "clean": cleaning,
    "sweep": sweeping,
}
