"""For the extension of `deadly-mapping`, found by its PYTHONPATH: a batch that is deadly to map.

What reads a segment for a store ends the process, by a real SIGKILL, if certain lines are in it:
whether it was to be stored as columns or as text.
"""

import os
import signal

from otlp2parquet_ext import contents

POISON = b" kills"
read_contents = contents.read_contents


def deadly(data: bytes) -> contents.Contents:
    """Read a segment, unless it is a deadly one."""
    if POISON in data:
        os.kill(os.getpid(), signal.SIGKILL)
    return read_contents(data)


contents.read_contents = deadly
