"""Versity's S3 gateway over a folder: a strict S3 that verifies every signature.

It knows conditional writes, bucket policies and accounts, which moto does not check.
"""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from built_tools import needed
from server_process import serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

REGION = "eu-central-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "root", "AWS_SECRET_ACCESS_KEY": "root+secret/key="}


@contextmanager
def running(folder: Path, *, tls: tuple[Path, Path] | None = None) -> Iterator[str]:
    """Start the gateway; yields its URL.

    Args:
        folder: for objects, accounts and the log.
        tls: files of a certificate and its key, for https.
    """
    program = needed("versitygw")
    for name in ("objects", "about", "accounts"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    options = ["--region", REGION, "--quiet", "--keep-alive"]
    options += ["--access", CREDENTIALS["AWS_ACCESS_KEY_ID"]]
    options += ["--secret", CREDENTIALS["AWS_SECRET_ACCESS_KEY"]]
    options += ["--iam-dir", str(folder / "accounts")]
    if tls:
        options += ["--cert", str(tls[0]), "--key", str(tls[1])]
    options += ["posix", "--sidecar", str(folder / "about"), str(folder / "objects")]
    with serving(
        lambda port: [str(program), "--port", f"127.0.0.1:{port}", *options],
        folder / "server.log",
    ) as port:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"


def add_user(url: str, environ: Mapping[str, str], role: str = "user") -> None:
    """Make an account.

    Args:
        url: of the gateway.
        environ: its keys.
        role: `user`, who may do what policies of buckets allow, or `admin`.
    """
    command = [str(needed("versitygw")), "admin"]
    command += ["--access", CREDENTIALS["AWS_ACCESS_KEY_ID"]]
    command += ["--secret", CREDENTIALS["AWS_SECRET_ACCESS_KEY"]]
    command += ["--endpoint-url", url, "--region", REGION, "create-user", "--role", role]
    command += ["--access", environ["AWS_ACCESS_KEY_ID"]]
    command += ["--secret", environ["AWS_SECRET_ACCESS_KEY"]]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
