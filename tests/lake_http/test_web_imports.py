"""At 128 MB an object is stored in S3 without any SDK."""

from __future__ import annotations

import subprocess
import sys

from scripted_http import answer, answering, running

PUT = """
import sys, time
from otlp2parquet_ext.lake.storage.s3 import S3Storage
from otlp2parquet_ext.lake.http.aws import AwsClient
from otlp2parquet_ext.lake.http.client import Client
from otlp2parquet_ext.lake.http.credentials import CredentialSource
client = Client()
keys = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S"}
aws = AwsClient(client, CredentialSource(keys, client), region="eu-central-1", service="s3")
assert S3Storage(aws, "lake", endpoint=sys.argv[1]).put("x", b"data").new
print(*sorted(sys.modules))
"""
HEAVY = {
    "aiohttp", "asyncio", "boto3", "botocore", "email", "encodings.idna", "http", "pyarrow",
    "random", "requests", "tempfile", "urllib.request", "urllib3", "xml.etree.ElementTree",
}  # fmt: skip


def test_putting_an_object_imports_little() -> None:
    """Each of these costs more than the request, and most more than the whole flush."""
    with running(answering([answer()])) as server:
        command = [sys.executable, "-c", PUT, server.url]
        run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    loaded = set(run.stdout.split())
    assert "otlp2parquet_ext.lake.storage.s3" in loaded
    assert loaded & HEAVY == set()
