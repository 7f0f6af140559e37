"""Destinations for tests, each in a fresh place of its own, inspected without any code of ours.

Place.open()  --> the destination, as another process would open it
Place.objects --> its objects: a folder, or a bucket through boto3
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast
from uuid import uuid4

import boto3

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.lake.destinations.choose import choose
from otlp2parquet_ext.tools import query
from otlp2parquet_ext.tools.commit import commit_quietly

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.lake.destinations.group import DestinationGroup


class Objects(Protocol):
    """The objects below a table's location, or in a plain lake; names use `/`."""

    def names(self, prefix: str = "") -> list[str]:
        """List the names that begin with `prefix`, sorted."""

    def read(self, name: str) -> bytes:
        """Read one."""

    def write(self, name: str, data: bytes) -> None:
        """Write or replace one."""

    def remove(self, name: str) -> None:
        """Remove one."""

    def beside(self, table: str) -> Objects:
        """Return the objects of another table: the last folder has its name."""


@dataclass(frozen=True)
class Folder:
    """See `Objects`."""

    root: Path

    def names(self, prefix: str = "") -> list[str]:
        """See `Objects.names`."""
        found = (p for p in self.root.rglob("*") if p.is_file() and not p.name.startswith("."))
        names = sorted(str(path.relative_to(self.root)) for path in found)
        return [name for name in names if name.startswith(prefix)]

    def read(self, name: str) -> bytes:
        """See `Objects.read`."""
        return (self.root / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """See `Objects.write`."""
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(data)

    def remove(self, name: str) -> None:
        """See `Objects.remove`."""
        (self.root / name).unlink()

    def beside(self, table: str) -> Folder:
        """See `Objects.beside`."""
        return Folder(self.root.parent / table)


@dataclass(frozen=True)
class Bucket:
    """See `Objects`; `prefix` ends with a slash."""

    client: Any
    bucket: str
    prefix: str

    def names(self, prefix: str = "") -> list[str]:
        """See `Objects.names`."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix + prefix
        )
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return sorted(key.removeprefix(self.prefix) for key in keys)

    def read(self, name: str) -> bytes:
        """See `Objects.read`."""
        found = self.client.get_object(Bucket=self.bucket, Key=self.prefix + name)
        data: bytes = found["Body"].read()
        return data

    def write(self, name: str, data: bytes) -> None:
        """See `Objects.write`."""
        self.client.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=data)

    def remove(self, name: str) -> None:
        """See `Objects.remove`."""
        self.client.delete_object(Bucket=self.bucket, Key=self.prefix + name)

    def beside(self, table: str) -> Bucket:
        """See `Objects.beside`."""
        parent = self.prefix.rstrip("/").rpartition("/")[0]
        return replace(self, prefix=f"{parent}/{table}/")


class BesideACommitter:
    """A destination whose environment only stores: what it stored a committer commits at once."""

    def __init__(self, stores: DestinationGroup, variables: Mapping[str, str]) -> None:
        self._stores = stores
        self._variables = variables

    def __getattr__(self, name: str) -> Any:
        """Return what the environment does itself."""
        return getattr(self._stores, name)

    def commit(self, deadline_ms: int) -> int:
        """See `Destination.commit`: nothing becomes visible by the environment's own."""
        assert self._stores.commit(deadline_ms) == 0
        return commit_quietly(self._variables, (deadline_ms - soon(0)) // 1_000)


@dataclass(frozen=True)
class Place:
    """One destination, empty.

    Attributes:
        kind: names it in a test's id.
        url: as in `OTLP2PARQUET_DESTINATION`.
        objects: its objects.
        environ: credentials and settings it needs.
        has_catalog: whether batches become visible with a commit.
        elsewhere: the place of its inbox; None: among its objects.
    """

    kind: str
    url: str
    objects: Objects
    environ: Mapping[str, str] = field(default_factory=dict)
    has_catalog: bool = True
    elsewhere: Objects | None = None

    @property
    def waiting(self) -> Objects:
        """Return the place of its inbox, as `inbox/…`."""
        return self.elsewhere or self.objects

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a process that writes there."""
        return {**self.environ, "OTLP2PARQUET_DESTINATION": self.url}

    def open(self) -> DestinationGroup:
        """Open it as another process would, with a committer if it needs one."""
        opened = choose(load(self.variables)[0], self.variables)
        if self.url.startswith("catalog://"):
            return cast("DestinationGroup", BesideACommitter(opened, self.variables))
        return opened

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run SQL over the view `logs` with DuckDB, which wrote none of it."""
        return query.connect(self.url, environ=self.variables).execute(sql).fetchall()

    def bodies(self) -> list[str]:
        """Read every row's body, in order."""
        return [row[0] for row in self.rows("SELECT Body FROM logs ORDER BY Body")]

    def table(self, name: str) -> Place:
        """Return the same with another table of the namespace for its objects and inbox."""
        elsewhere = self.elsewhere and self.elsewhere.beside(name)
        return replace(self, objects=self.objects.beside(name), elsewhere=elsewhere)

    def metadata(self) -> dict[str, Any]:
        """Read the newest metadata of the table."""
        newest = max(name for name in self.objects.names() if name.endswith(".metadata.json"))
        metadata: dict[str, Any] = json.loads(self.objects.read(newest))
        return metadata

    def inbox(self) -> list[str]:
        """List what waits in the inbox."""
        return self.waiting.names("inbox/")


def soon(after_ms: int = 20_000) -> int:
    """Give a deadline nothing here needs."""
    return time.time_ns() // 1_000_000 + after_ms


def plain_folder(folder: Path) -> Place:
    """Plain Parquet on disk."""
    return Place("file", f"file://{folder}/lake", Folder(folder / "lake"), has_catalog=False)


def sqlite(folder: Path) -> Place:
    """Iceberg in an SQLite catalog."""
    url = f"sqlite://{folder}/catalog.db?warehouse={folder}/lake"
    return Place("sqlite", url, Folder(folder / "lake" / "otel" / "logs"))


AWS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "eu-central-1",
}


def new_bucket(endpoint: str, environ: Mapping[str, str], prefix: str, name: str = "") -> Bucket:
    """Make a bucket, of an unused name unless one is given."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        region_name=environ["AWS_REGION"],
    )
    name = name or f"lake-{uuid4().hex[:12]}"
    client.create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": environ["AWS_REGION"]}
    )
    return Bucket(client, name, prefix)


def plain_s3(endpoint: str, environ: Mapping[str, str] = AWS) -> Place:
    """Plain Parquet in a bucket."""
    bucket = new_bucket(endpoint, environ, "some/prefix/")
    url = f"s3://{bucket.bucket}/some/prefix?endpoint={endpoint}"
    return Place("s3", url, bucket, environ, has_catalog=False)


def glue(endpoint: str, environ: Mapping[str, str] = AWS, s3: str = "") -> Place:
    """Iceberg in Glue, files in a bucket.

    Args:
        endpoint: of Glue.
        environ: credentials.
        s3: its endpoint; empty for the same.
    """
    database = f"lake_{uuid4().hex[:12]}"
    bucket = new_bucket(s3 or endpoint, environ, f"warehouse/{database}/logs/")
    url = f"glue://{database}?warehouse=s3://{bucket.bucket}/warehouse"
    own = {"AWS_ENDPOINT_URL_S3": s3} if s3 else {}
    return Place("glue", url, bucket, {**environ, "AWS_ENDPOINT_URL": endpoint, **own})


def s3_on(origin: Place) -> Place:
    """Plain Parquet below a prefix of its own.

    Args:
        origin: a server that has a bucket for all.
    """
    assert isinstance(origin.elsewhere, Bucket)
    objects = replace(origin.elsewhere, prefix=f"{uuid4().hex}/lake/")
    url = f"s3://{objects.bucket}/{objects.prefix.rstrip('/')}"
    return Place("s3", url, objects, origin.environ, has_catalog=False)


def s3_tables(origin: Place) -> Place:
    """Iceberg in a table bucket, the inbox in a bucket beside it.

    Args:
        origin: the table bucket, and the other one.
    """
    namespace = f"lake_{uuid4().hex[:12]}"
    assert isinstance(origin.objects, Bucket)
    assert isinstance(origin.elsewhere, Bucket)
    objects = replace(origin.objects, prefix=f"{namespace}/logs/")
    inbox = replace(origin.elsewhere, prefix=f"{namespace}/logs/")
    environ = {
        **origin.environ,
        "OTLP2PARQUET_NAMESPACE": namespace,
        "OTLP2PARQUET_INBOX": f"s3://{inbox.bucket}",
    }
    return Place(origin.kind, origin.url, objects, environ, elsewhere=inbox)


def rest(url: str, warehouse: Path) -> Place:
    """Iceberg in a REST catalog, files on this disk."""
    namespace = f"lake_{uuid4().hex[:12]}"
    environ = {"OTLP2PARQUET_NAMESPACE": namespace}
    return Place("rest", f"rest+{url}", Folder(warehouse / namespace / "logs"), environ)


def rest_on_s3(origin: Place) -> Place:
    """Iceberg in a REST catalog, files in a bucket.

    Args:
        origin: the catalog, and the bucket of all its tables.
    """
    namespace = f"lake_{uuid4().hex[:12]}"
    assert isinstance(origin.objects, Bucket)
    objects = replace(origin.objects, prefix=f"{origin.objects.prefix}{namespace}/logs/")
    environ = {**origin.environ, "OTLP2PARQUET_NAMESPACE": namespace}
    return Place(origin.kind, origin.url, objects, environ)


def catalog(name: str, warehouse: str, environ: Mapping[str, str]) -> Place:
    """Iceberg in any catalog PyIceberg knows, files on this disk.

    Args:
        name: names the test.
        warehouse: a folder of the test's own.
        environ: `PYICEBERG_CATALOG__LAKE__…` and what else it takes.
    """
    namespace = f"lake_{uuid4().hex[:12]}"
    variables = {
        **environ,
        "PYICEBERG_CATALOG__LAKE__WAREHOUSE": warehouse,
        "OTLP2PARQUET_NAMESPACE": namespace,
    }
    folder = Folder(Path(warehouse) / namespace / "logs")
    return Place(name, "catalog://lake", folder, variables)


def process_environ(place: Place) -> dict[str, str]:
    """Return the environment of a process of its own that opens the place."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return kept | place.variables
