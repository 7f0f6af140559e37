"""An adversary with the role of a function: it puts false descriptors into the inbox.

    a data file of the table --> copies of it, with rows that say of themselves that they are forged
                             --> descriptors of those, of others' files, and of nothing at all
    a committer, again and again, meanwhile

What is forged may become a row that says so, where it is only a true descriptor of a forger's own
file; it may never stop a committer, double a row, or make the table speak of rows it has not.
"""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from places import Bucket, Folder, Place, process_environ

from faults.accounting import FORGED
from faults.poison import Adversary
from otlp2parquet_ext.tools.local.cgroups import make_group

if TYPE_CHECKING:
    from faults.targets import Target

Descriptor = dict[str, Any]

PAUSE_S = 0.05
COMMITTER_MB = 512
"""Memory of the committer, as in deploy/committer.yaml."""

COMMITTER_S = 60
SET_ASIDE = 3
"""The exit status if everything valid is committed, and other entries are not."""

BUSY = "other writers commit to the table again and again"
"""No fault of a committer's: environments commit, too."""


class Forger(Adversary):
    """See the module; `struck` counts descriptors."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        assert isinstance(target.place, Place)
        self._forgery = Forgery(target.place)
        self._committer = Committer(target.place)
        self._over = threading.Event()
        self._threads = (
            threading.Thread(target=self._forge, daemon=True),
            threading.Thread(target=self._commit, daemon=True),
        )
        self._problems: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.rest()

    def rest(self) -> None:
        """See `Adversary.rest`; a committer that is at it ends first."""
        self._over.set()
        for thread in self._threads:
            thread.join(2 * COMMITTER_S)

    def problems(self) -> list[str]:
        """See `Adversary.problems`."""
        found = [f"{problem} ({times} times)" for problem, times in Counter(self._problems).items()]
        if not self._committer.runs:
            found.append("no committer ran meanwhile")
        return found

    def _forge(self) -> None:
        number = 0
        while not self._over.wait(PAUSE_S):
            if self._forgery.ready():
                self._forgery.put(KINDS[number % len(KINDS)])
                number += 1
                self.struck = number

    def _commit(self) -> None:
        while not self._over.wait(10 * PAUSE_S):
            if problem := self._committer.run():
                self._problems.append(problem)


class Committer:
    """Runs `otlp2parquet-ext commit` as a process of its own, with as much memory as it has.

    Attributes:
        runs: how often.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self.runs = 0

    def run(self, kill_after_s: float | None = None) -> str:
        """Run it once; return the problem, "" for none.

        Args:
            kill_after_s: it is killed then, which is no problem.
        """
        self.runs += 1
        command = [
            sys.executable,
            "-c",
            "import sys; from otlp2parquet_ext.tools.cli import main; ",
        ]
        command[-1] += "sys.exit(main())"
        group = make_group("memory", f"otlp2parquet-commit-{uuid4().hex[:8]}")
        if group:
            group.limit_memory(COMMITTER_MB << 20)
        entry = group.door() if group else os.open(os.devnull, os.O_WRONLY)
        try:
            ended = subprocess.run(
                [*command, "commit", self._place.url],
                env=process_environ(self._place),
                timeout=COMMITTER_S if kill_after_s is None else kill_after_s,
                capture_output=True,
                check=False,
                preexec_fn=lambda: os.write(entry, b"0"),
            )
        except subprocess.TimeoutExpired:
            return "" if kill_after_s is not None else f"a committer took over {COMMITTER_S} s"
        finally:
            os.close(entry)
            if group:
                group.remove()
        said = ended.stderr.decode(errors="replace").strip()
        if ended.returncode in (0, SET_ASIDE) or BUSY in said:
            return ""
        last = said.rpartition("\n")[2]
        return f"a committer ended with status {ended.returncode}: {last[-400:]}"


class Forgery:
    """Makes descriptors that are not so.

    Args:
        place: the table and its inbox.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._location = ""
        self._honest = ""

    def ready(self) -> bool:
        """Tell whether there is a table with a file to copy."""
        if not self._honest:
            names = self._place.objects.names()
            files = [n for n in names if n.startswith("data/") and n.endswith(".parquet")]
            if files and any(name.endswith(".metadata.json") for name in names):
                self._location = self._place.metadata()["location"].rstrip("/")
                self._honest = files[0]
        return bool(self._honest)

    def put(self, kind: str) -> None:
        """Put one."""
        made: Descriptor | bytes = getattr(self, f"_{kind}")()
        name, stored_ms = self._name(), int(time.time() * 1_000)
        if isinstance(made, dict):
            name, stored_ms = made["name"], made["stored_ms"]
            made = json.dumps(made).encode()
        self._place.waiting.write(f"inbox/{stored_ms:013}-{name}.json", made)

    def _name(self) -> str:
        """Return a name like those of honest descriptors: a batch, and a day."""
        return f"{uuid4().hex}-{self._honest.rpartition('/')[0].rpartition('=')[2]}"

    def _of(self, path: str, data: bytes, **others: Any) -> Descriptor:
        rows = pq.ParquetFile(io.BytesIO(data)).metadata.num_rows
        return {
            "name": f"{path.rpartition('/')[2][:32]}{self._name()[32:]}",
            "path": path,
            "day": int(time.time()) // 86_400,
            "rows": rows,
            "size_bytes": len(data),
            "stored_ms": int(time.time() * 1_000),
            **others,
        }

    def _copy(self) -> bytes:
        """Return a copy of a file whose rows show that they are forged."""
        rows = pq.ParquetFile(io.BytesIO(self._place.objects.read(self._honest))).read()
        names = [name.lower() for name in rows.column_names]
        for column in ("eventname", "body"):
            at = names.index(column)
            forged = pa.array([FORGED] * rows.num_rows, rows.schema.field(at).type)
            rows = rows.set_column(at, rows.schema.field(at), forged)
        sink = io.BytesIO()
        pq.write_table(rows, sink)
        return sink.getvalue()

    def _own(self, ending: str = "parquet", **others: Any) -> Descriptor:
        """Describe a copy in the table's location."""
        data, folder = self._copy(), self._honest.rpartition("/")[0]
        name = f"{folder}/{uuid4().hex}.{ending}"
        self._place.objects.write(name, data)
        return self._of(f"{self._location}/{name}", data, **others)

    def _outside_file(self) -> tuple[str, bytes]:
        """Put a copy outside the table's location; return its address below it, with `..`."""
        data, name = self._copy(), f"{uuid4().hex}.parquet"
        objects = self._place.objects
        if isinstance(objects, Folder):
            Folder(objects.root.parent).write(name, data)
        else:
            assert isinstance(objects, Bucket)
            up = objects.prefix.rstrip("/").rpartition("/")[0]
            key = f"{up}/{name}"
            objects.client.put_object(Bucket=objects.bucket, Key=key, Body=data)
        return name, data

    def _outside(self) -> Descriptor:
        name, data = self._outside_file()
        return self._of(f"{self._location.rpartition('/')[0]}/{name}", data)

    def _dot_dot(self) -> Descriptor:
        name, data = self._outside_file()
        return self._of(f"{self._location}/data/../../{name}", data)

    def _passwd(self) -> Descriptor:
        return self._of("file:///etc/passwd", self._copy(), name="passwd", rows=1)

    def _other_bucket(self) -> Descriptor:
        return self._of("s3://somebody-else/data/x.parquet", self._copy(), name=self._name())

    def _no_scheme(self) -> Descriptor:
        return self._of("\x00\x1b[31m\u202e", self._copy(), name="x")

    def _not_parquet_name(self) -> Descriptor:
        return self._own("txt")

    def _no_name_of_ours(self) -> Descriptor:
        return self._own(name=uuid4().hex)

    def _true(self) -> Descriptor:
        """As it is: a writer may write."""
        return self._own()

    def _not_parquet(self) -> Descriptor:
        made = self._own()
        data = os.urandom(made["size_bytes"])
        self._place.objects.write(made["path"].removeprefix(f"{self._location}/"), data)
        return made

    def _many_rows(self) -> Descriptor:
        return self._own(rows=10**15)

    def _too_many_rows(self) -> Descriptor:
        return self._own(rows=10**30)

    def _few_rows(self) -> Descriptor:
        return self._own(rows=1)

    def _other_length(self) -> Descriptor:
        return self._own(size_bytes=10**12)

    def _second_name(self) -> Descriptor:
        data = self._place.objects.read(self._honest)
        return self._of(f"{self._location}/{self._honest}", data, name=self._name())

    def _own_second_name(self) -> Descriptor:
        return self._own(name=self._name())

    def _fields(self) -> Descriptor:
        return self._own(fields="deadbeef")

    def _fields_outside(self) -> Descriptor:
        return {**self._other_bucket(), "fields": "deadbeef"}

    def _day(self) -> Descriptor:
        return self._own(day=10**6)

    def _far_day(self) -> Descriptor:
        return self._own(day=2**31 - 1)

    def _bounds(self) -> Descriptor:
        short = base64.b64encode(b"\x01").decode()
        counts = {str(field): 2**62 for field in range(1, 23)}
        bounds = {str(field): short for field in range(1, 23)}
        statistics = {
            "column_sizes": counts,
            "value_counts": counts,
            "null_value_counts": counts,
            "lower_bounds": bounds,
            "upper_bounds": bounds,
            "split_offsets": [2**62, 0],
        }
        return self._own(statistics=statistics)

    def _future(self) -> Descriptor:
        return {**self._other_bucket(), "stored_ms": 9_999_999_999_999}

    def _past(self) -> Descriptor:
        return {**self._other_bucket(), "stored_ms": 0}

    def _torn(self) -> bytes:
        return json.dumps(self._other_bucket()).encode()[:40]

    def _empty(self) -> bytes:
        return b""

    def _no_text(self) -> bytes:
        return b"\xff\xfe" * 1_000

    def _deep(self) -> bytes:
        return b'{"statistics":' + b"[" * 1_000_000

    def _long(self) -> bytes:
        return json.dumps({**self._other_bucket(), "fields": "x" * 20_000_000}).encode()


KINDS = tuple(
    name.removeprefix("_")
    for name in vars(Forgery)
    if name.startswith("_")
    and not name.startswith("__")
    and name not in ("_name", "_of", "_copy", "_own", "_outside_file")
)
"""The forgeries that `Forgery.put` can make."""
