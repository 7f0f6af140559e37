"""What the launcher runs; nothing imports it.

    otlp2parquet (extension file) --> python -m otlp2parquet_ext [FILE NAME]

Order matters: Lambda is asked for the first event before anything heavy is imported.
"""

from __future__ import annotations

import os
import sys

from otlp2parquet_ext import bootstrap
from otlp2parquet_ext.say import say


def main() -> None:
    """Run the extension until SHUTDOWN; whatever breaks, keep answering `next`."""
    booted = bootstrap.start(os.environ, sys.argv[1] if len(sys.argv) > 1 else None)
    if booted.subscribed:
        try:
            from otlp2parquet_ext import agent  # noqa: PLC0415 - only after the first `next`

            agent.run(booted)
        except Exception as error:  # noqa: BLE001 - a bug of ours may not fail the function
            say("error", f"stopped collecting: {type(error).__name__}: {error}")
        else:
            return
    bootstrap.idle(booted)


if __name__ == "__main__":
    main()
    # Worker threads may still wait for a destination; what they hold is in the spool.
    os._exit(0)
