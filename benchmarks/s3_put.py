"""Compares one upload to S3: our signed PUT, pyarrow's and boto3's, in separate processes.

    python benchmarks/s3_put.py [RUNS]

The server is versitygw, built by Go, in a separate process; a proxy counts requests. Modules that
the extension has loaded before a flush are loaded before the measurement: aiohttp's server,
msgspec, pyarrow. CPU time is that of the measured process.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
OBJECT_BYTES = 400_000
WARM = 50
KINDS = ("ours", "pyarrow, delayed open", "pyarrow", "boto3")


def ours(url: str, region: str) -> Callable[[str, bytes], object]:
    """Return a function that puts an object with our own requests."""
    from otlp2parquet_ext.lake.http.aws import AwsClient  # noqa: PLC0415
    from otlp2parquet_ext.lake.http.client import Client  # noqa: PLC0415
    from otlp2parquet_ext.lake.http.credentials import CredentialSource  # noqa: PLC0415
    from otlp2parquet_ext.lake.storage.s3 import S3Storage  # noqa: PLC0415 - what is measured

    client = Client()
    source = CredentialSource(os.environ, client)
    aws = AwsClient(client, source, region=region, service="s3")
    return S3Storage(aws, "lake", endpoint=url).put


def pyarrow_s3(url: str, region: str, *, delayed: bool) -> Callable[[str, bytes], object]:
    """Return a function that puts an object with pyarrow's file system."""
    from pyarrow import fs  # noqa: PLC0415 - what is measured

    s3 = fs.S3FileSystem(
        endpoint_override=url, region=region, allow_delayed_open=delayed, background_writes=False
    )

    def put(path: str, data: bytes) -> None:
        with s3.open_output_stream(f"lake/{path}") as stream:
            stream.write(data)

    return put


def boto3_s3(url: str, region: str) -> Callable[[str, bytes], object]:
    """Return a function that puts an object with AWS's SDK."""
    import boto3  # noqa: PLC0415 - what is measured

    s3 = boto3.client("s3", endpoint_url=url, region_name=region)
    return lambda path, data: s3.put_object(Bucket="lake", Key=path, Body=data, IfNoneMatch="*")


def measure(kind: str, url: str, region: str) -> dict[str, float]:
    """Put one object, then some more, in this process."""
    import msgspec  # noqa: F401, PLC0415 - loaded at a flush anyway
    import pyarrow  # noqa: ICN001, F401, PLC0415
    from aiohttp import web  # noqa: F401, PLC0415

    data = os.urandom(OBJECT_BYTES)
    before_mb, started_s = rss_mb(), time.process_time()
    if kind == "ours":
        put = ours(url, region)
    elif kind == "boto3":
        put = boto3_s3(url, region)
    else:
        put = pyarrow_s3(url, region, delayed=kind != "pyarrow")
    put(f"{os.getpid()}/first", data)
    cold_s, cold_mb = time.process_time() - started_s, rss_mb() - before_mb
    started_s = time.process_time()
    for number in range(WARM):
        put(f"{os.getpid()}/{number}", data)
    warm_s = time.process_time() - started_s
    return {"cold_ms": cold_s * 1e3, "warm_ms": warm_s * 1e3 / WARM, "cold_mb": cold_mb}


def rss_mb() -> float:
    """Return the peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


def main() -> None:
    """Measure each kind in turn and print medians."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    sys.path[:0] = [str(ROOT), str(ROOT / "tests/servers")]
    import counting_proxy  # noqa: PLC0415 - of the tests
    import s3_clients  # noqa: PLC0415
    import versitygw  # noqa: PLC0415

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(versitygw.running(folder))
        s3_clients.make_bucket(url, s3_clients.aws_at())
        proxy = stack.enter_context(counting_proxy.running(url))
        # With byte-code, as in the layer; the first run writes it.
        env = {**os.environ, **versitygw.CREDENTIALS, "PYTHONPATH": str(ROOT)}
        env |= {"PYTHONPYCACHEPREFIX": str(folder), "PYTHONDONTWRITEBYTECODE": ""}
        figures: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
        for _ in range(runs + 1):
            for kind in KINDS:
                proxy.reset()
                command = [sys.executable, __file__, "--one", kind, proxy.url, versitygw.REGION]
                out = subprocess.run(command, env=env, check=True, capture_output=True).stdout
                figures[kind].append({**json.loads(out), "requests": proxy.count() / (WARM + 1)})
    print(f"{OBJECT_BYTES} bytes: first one, with imports | each of {WARM} more | requests each")
    for kind, found in figures.items():
        of = {name: statistics.median(f[name] for f in found[1:]) for name in found[0]}
        print(
            f"{kind:22} {of['cold_ms']:6.1f} ms CPU, {of['cold_mb']:5.1f} MB | "
            f"{of['warm_ms']:5.2f} ms CPU | {of['requests']:.2f}"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(*sys.argv[2:])))
    else:
        main()
