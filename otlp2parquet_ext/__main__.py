"""What the launcher runs; nothing else imports it.

    extension/otlp2parquet  or  python -m otlp2parquet_ext  -->  main()

Order matters: Lambda is asked for the first event before anything heavy is imported.
"""

from __future__ import annotations

import os

from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.extension import bootstrap, import_phase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main(name: str | None = None) -> NoReturn:
    """Run the extension until SHUTDOWN and end the process; whatever breaks, answer `next`.

    Args:
        name: the launcher's file name, which Lambda expects us to register under.
    """
    booted = bootstrap.start(os.environ, name)
    for problem in booted.problems:
        log("warning", problem)
    try:
        collect(booted)
    except Exception as error:  # noqa: BLE001 - a bug of ours may not fail the function
        log("error", f"stopped collecting: {type(error).__name__}: {quote(error)}")
        bootstrap.idle(booted)
    # Worker threads may still wait for a destination; what they hold is in the spool.
    os._exit(0)


def collect(booted: bootstrap.Booted) -> None:
    """Collect until SHUTDOWN, or only answer `next` where nothing will be delivered."""
    if booted.subscribed or booted.otlp_listener is not None:
        import_phase.run_when_imported(booted)
    else:
        bootstrap.idle(booted)


if __name__ == "__main__":
    main()
