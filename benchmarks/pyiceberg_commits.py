"""Measures commits through PyIceberg's catalogs: its own append, compared with `catalog://`.

    python benchmarks/pyiceberg_commits.py [COMMITS]

One process keeps the table handle and commits one file at a time. Glue and S3 run in moto;
Iceberg's own REST catalog runs if Java is installed. It prints medians of CPU ms and the mean
number of requests of the commits after the first `YOUNG`, when snapshots expire and old metadata is
deleted. The data file, one more request, is not written here.
"""

from __future__ import annotations

import logging
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).parents[1]
sys.path[:0] = [str(HERE), str(HERE / "tests/servers"), str(HERE / "tests/iceberg")]

import boto3  # noqa: E402
import counting_proxy  # noqa: E402
import moto_glue  # noqa: E402
import rest_fixture  # noqa: E402
from catalog_bench import NAME, variables  # noqa: E402
from pyiceberg.catalog import load_catalog  # noqa: E402
from pyiceberg_reference import PyIcebergReference  # noqa: E402

from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_catalog import catalog_table  # noqa: E402
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_config import catalog_properties  # noqa: E402
from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile, Statistics  # noqa: E402
from otlp2parquet_ext.records.tables.logs import COLUMNS  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from otlp2parquet_ext.lake.iceberg.commit.table import CommitTable

YOUNG = 25
REGION = "eu-west-1"


def described(number: int, place: str) -> DataFile:
    """Describe a file as the Parquet writer does."""
    ids = [column.field_id for column in COLUMNS]
    texts = dict.fromkeys(ids, b"a" * 16)
    found = Statistics(
        dict.fromkeys(ids, 1_000),
        dict.fromkeys(ids, 1_000),
        dict.fromkeys(ids, 0),
        texts,
        texts,
        [4],
    )
    name = f"{number:032x}"
    path = f"{place}/data/Timestamp_day=2024-10-04/{name}.parquet"
    return DataFile(name, path, 20_000, 1_000, 34_000, time.time_ns() // 1_000_000, found)


def measure(table: CommitTable, place: str, proxy: counting_proxy.Proxy, commits: int) -> str:
    """Commit; return requests and CPU as text."""
    cpu_ms = []
    for number in range(YOUNG + commits):
        if number == YOUNG:
            proxy.reset()
        file, started = described(number, place), time.process_time()
        table.commit([file], time.time_ns() // 1_000_000 + 60_000)
        cpu_ms.append((time.process_time() - started) * 1_000)
    table.close()
    asked = Counter(f"{r.method} {r.target}".strip() for r in proxy.requests)
    each = ", ".join(f"{count / commits:.1f} {what}" for what, count in sorted(asked.items()))
    median = statistics.median(cpu_ms[YOUNG:])
    return f"{sum(asked.values()) / commits:.1f} requests ({each}), {median:.1f} ms of CPU"


def both(
    environ: Mapping[str, str], place: str
) -> Iterator[tuple[str, Callable[[str], CommitTable]]]:
    """Yield both ways, each as a function of the table's name."""
    properties = catalog_properties(NAME, environ)
    yield (
        "PyIceberg's append",
        lambda table: PyIcebergReference(
            lambda: load_catalog(NAME, **properties), "otel", table, f"{place}/{table}"
        ),
    )
    yield (
        "catalog://",
        lambda table: catalog_table(NAME, "otel", table, environ, location=f"{place}/{table}"),
    )


def glue(folder: Path, commits: int) -> None:
    """Measure with Glue and S3."""
    with moto_glue.running(folder) as url, counting_proxy.running(url) as proxy:
        os.environ.update(dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "x"))
        os.environ.update(AWS_REGION=REGION, AWS_DEFAULT_REGION=REGION, AWS_ENDPOINT_URL=proxy.url)
        boto3.client("s3").create_bucket(
            Bucket="lake", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        place = "s3://lake/otel"
        environ = dict(os.environ) | variables(type="glue", s3__endpoint=proxy.url)
        for number, (way, open_table) in enumerate(both(environ, place)):
            table = open_table(f"logs{number}")
            print(f"Glue, {way}: {measure(table, f'{place}/logs{number}', proxy, commits)}")


def rest(folder: Path, commits: int) -> None:
    """Measure with a REST catalog; files are on disk and cause no requests."""
    with ExitStack() as servers:
        url = servers.enter_context(rest_fixture.running(folder / "rest"))
        proxy = servers.enter_context(counting_proxy.running(url))
        place = str(folder / "lake")
        for number, (way, open_table) in enumerate(both(variables(uri=proxy.url), place)):
            table = open_table(f"logs{number}")
            found = measure(table, f"{place}/logs{number}", proxy, commits)
            print(f"REST without its files, {way}: {found}")


def main() -> None:
    """Run all measurements."""
    logging.disable()  # PyIceberg warns of old metadata that the server has already deleted
    commits = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    for what in (glue, rest):
        with tempfile.TemporaryDirectory() as folder:
            what(Path(folder), commits)


if __name__ == "__main__":
    main()
