"""moto's Glue, made to honour `VersionId` as AWS does: without that, racing commits are lost.

python -m moto_glue -H 127.0.0.1 -p 5000      moto_server, with the check
"""

from __future__ import annotations

import json
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from moto.core.exceptions import JsonRESTError
from moto.glue.responses import GlueResponse
from server_process import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from moto.core.responses import ActionResult


class ConcurrentModificationException(JsonRESTError):  # noqa: N818 - AWS's name for it
    """See the Glue web API reference, UpdateTable."""

    def __init__(self) -> None:
        super().__init__(
            "ConcurrentModificationException",
            "Update table failed due to concurrent modifications.",
        )


def honour_versions() -> None:
    """Make every UpdateTable of this process compare and swap, in one step."""
    unchecked = GlueResponse.update_table
    one_at_a_time = threading.Lock()

    def update_table(self: GlueResponse) -> ActionResult:
        asked = json.loads(self.body)
        with one_at_a_time:
            table = self.glue_backend.get_table(asked["DatabaseName"], asked["TableInput"]["Name"])
            if asked.get("VersionId") not in (None, table.as_dict()["VersionId"]):
                raise ConcurrentModificationException
            return unchecked(self)

    GlueResponse.update_table = update_table  # type: ignore[method-assign]


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Start moto with the check; yields its URL.

    Args:
        folder: for the log.
    """
    with serving(
        lambda port: [sys.executable, __file__, "-H", "127.0.0.1", "-p", str(port)],
        folder / "moto.log",
    ) as port:
        yield f"http://127.0.0.1:{port}"


if __name__ == "__main__":
    from moto.server import main

    honour_versions()
    main(sys.argv[1:])
