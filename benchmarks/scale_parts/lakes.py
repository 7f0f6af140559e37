"""The lakes of the scale benchmark.

disk   an SQLite catalog and a folder in memory; each process adds latency (rim.py)
rest   Versity's S3 gateway and Apache Iceberg's REST catalog, each behind a proxy that adds the
       latency and counts: every signature is verified, every byte goes over a socket
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.append(str(Path(__file__).parents[2] / "tests" / "servers"))

import counting_proxy
import rest_fixture
import versitygw
from counting_proxy import Latency, Pattern

from otlp2parquet_ext.lake.iceberg.open_table import sqlite_table
from scale_parts.forks import fork
from scale_parts.plan import Home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from counting_proxy import Proxy

    from scale_parts.plan import Plan

BUCKET = "lake"
SPREAD = 0.2
START_S = 30.0
LOOK_MS = 20_000
KINDS = {
    "PUT data file": Pattern("PUT", "*.parquet"),
    "PUT descriptor": Pattern("PUT", "*/inbox/*"),
    "PUT manifest": Pattern("PUT", "*-m?.avro"),
    "PUT manifest list": Pattern("PUT", "*/snap-*.avro"),
    "GET descriptor": Pattern("GET", "*/inbox/*"),
    "HEAD data file": Pattern("HEAD", "*.parquet"),
    "GET manifest list": Pattern("GET", "*/snap-*.avro"),
    "GET manifest": Pattern("GET", "*-m?.avro"),
    "DELETE": Pattern("DELETE"),
    "POST commit": Pattern("POST", "/v1/*/tables/*"),
    "GET table": Pattern("GET", "/v1/*/tables/*"),
    "GET config": Pattern("GET", "/v1/config"),
    "POST delete many": Pattern("POST", f"/{BUCKET}/"),
    "GET list": Pattern("GET", f"/{BUCKET}/"),
    "POST create": Pattern("POST", "/v1/*/tables"),
}


@contextmanager
def opened(plan: Plan, folder: Path) -> Iterator[Home]:
    """Open the lake of a plan."""
    if plan.lake == "disk":
        yield _disk(folder)
        return
    with _rest(plan, folder) as home:
        yield home


def _disk(folder: Path) -> Home:
    url = f"sqlite://{folder}/catalog.db?warehouse={folder}/lake"
    return Home(
        folder=folder,
        url=url,
        near_url=url,
        files=folder / "lake",
        table="otel/logs",
        address=f"{folder}/lake",
    )


@contextmanager
def _rest(plan: Plan, folder: Path) -> Iterator[Home]:
    aws = {**versitygw.CREDENTIALS, "AWS_REGION": versitygw.REGION}
    (folder / "s3" / "objects" / BUCKET).mkdir(parents=True)
    with versitygw.running(folder / "s3") as s3:
        options = {
            "CATALOG_WAREHOUSE": f"s3://{BUCKET}/warehouse",
            "CATALOG_IO__IMPL": "org.apache.iceberg.aws.s3.S3FileIO",
            "CATALOG_S3_ENDPOINT": s3,
            "CATALOG_S3_PATH__STYLE__ACCESS": "true",
            **aws,
        }
        with (
            rest_fixture.running(folder / "rest", options) as catalog,
            _proxies(plan, folder, s3, catalog) as (far_s3, far_catalog),
        ):
            yield Home(
                folder=folder,
                url=f"rest+{far_catalog}",
                near_url=f"rest+{catalog}",
                files=folder / "s3" / "objects" / BUCKET,
                table="warehouse/otel/logs",
                address=f"s3://{BUCKET}",
                environ={**aws, "AWS_ENDPOINT_URL_S3": far_s3},
                near={**aws, "AWS_ENDPOINT_URL_S3": s3},
            )


@contextmanager
def _proxies(plan: Plan, folder: Path, s3: str, catalog: str) -> Iterator[tuple[str, str]]:
    """Run both proxies in a separate process: only a process without threads may fork a fleet."""
    told, end, counted = folder / "proxies.json", folder / "proxies.end", folder / "requests.json"
    pid = fork()
    if pid == 0:
        try:
            with (
                counting_proxy.running(s3, [_latency(plan.storage_ms)]) as far_s3,
                counting_proxy.running(catalog, [_latency(plan.catalog_ms)]) as far_catalog,
            ):
                _write(told, [far_s3.url, far_catalog.url])
                while not end.exists():
                    time.sleep(0.05)
                _write(counted, _tally(far_s3) + _tally(far_catalog))
        finally:
            os._exit(0)
    _await(told)
    try:
        urls = json.loads(told.read_text())
        yield urls[0], urls[1]
    finally:
        end.touch()
        with contextlib.suppress(TimeoutError):
            _await(counted)
        os.waitpid(pid, 0)


def snapshots(home: Home) -> Callable[[], list[int]]:
    """Return a function that lists the ids of a table's current snapshots."""
    scheme, _, _ = home.near_url.partition(":")
    if scheme == "sqlite":
        table = sqlite_table(home.folder / "catalog.db", home.files / home.table, "otel", "logs")

        def in_file() -> list[int]:
            version = table.handle.catalog.load(time.time_ns() // 1_000_000 + LOOK_MS)
            return _ids(version.metadata) if version else []

        return in_file

    url = f"{home.near_url.removeprefix('rest+')}/v1/namespaces/otel/tables/logs"

    def over_http() -> list[int]:
        try:
            with urllib.request.urlopen(url, timeout=LOOK_MS / 1_000) as answer:  # noqa: S310 - ours
                return _ids(json.load(answer)["metadata"])
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return []

    return over_http


def _ids(metadata: Mapping[str, Any]) -> list[int]:
    return [snapshot["snapshot-id"] for snapshot in metadata.get("snapshots", ())]


def requests(home: Home) -> Counter[str]:
    """Return the request counts of the proxies; none for a lake on disk."""
    (home.folder / "proxies.end").touch()
    if not (home.folder / "proxies.json").exists():
        return Counter()
    _await(home.folder / "requests.json")
    return Counter(json.loads((home.folder / "requests.json").read_text()))


def _tally(proxy: Proxy) -> Counter[str]:
    found = proxy.tally(KINDS)
    refused = sum(r.status == 409 for r in proxy.requests)
    unanswered = sum(r.status == 0 for r in proxy.requests)
    return found + Counter({"refused": refused, "unanswered": unanswered})


def _latency(ms: float) -> Latency:
    return Latency(ms, ms * SPREAD)


def _write(path: Path, value: object) -> None:
    """Write a file atomically."""
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps(value))
    unfinished.rename(path)


def _await(path: Path) -> None:
    until = time.monotonic() + START_S
    while not path.exists():
        if time.monotonic() > until:
            raise TimeoutError(f"{path} has not come")
        time.sleep(0.01)
