"""moto as a process of its own: S3, Glue, SQS, Lambda and STS, without looking at signatures.

Its Glue honours `VersionId` here, as AWS's does: see `moto_glue`.
"""

from __future__ import annotations

import importlib.util
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from server_process import free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
PROGRAM = "moto_glue"


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Start moto; yields its URL.

    Args:
        folder: for the log.
    """
    here = Path(__file__).parent
    program = PROGRAM if importlib.util.find_spec(PROGRAM) else "moto.server"
    port = free_port()
    command = [sys.executable, "-m", program, "-H", "127.0.0.1", "-p", str(port)]
    with serving(command, port, folder / "moto.log", cwd=here):
        yield f"http://127.0.0.1:{port}"
