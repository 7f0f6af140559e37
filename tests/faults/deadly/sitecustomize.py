"""For the extension of `deadly-mapping`, found by its PYTHONPATH: a batch that kills its mapper.

If certain lines are in a segment, reading it for a store ends the process by a real SIGKILL, as
columns or as text.
"""

import os
import signal

from otlp2parquet_ext.flush import segment_contents

POISON = b" kills"
read_contents = segment_contents.read_contents


def deadly(data: bytes) -> segment_contents.Contents:
    """Read a segment, unless it is a deadly one."""
    if POISON in data:
        os.kill(os.getpid(), signal.SIGKILL)
    return read_contents(data)


segment_contents.read_contents = deadly
