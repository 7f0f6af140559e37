"""Functions that do one thing each, run by awslambdaric in the tests of the local environment."""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path
from typing import Any

logger = logging.getLogger()
logger.setLevel(logging.INFO)


def echo(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer with the event and the fields of the context."""
    return {
        "event": event,
        "request_id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "left_ms": context.get_remaining_time_in_millis(),
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
    }


def variables(_event: object, _context: object) -> dict[str, str]:
    """Answer with all environment variables."""
    return dict(os.environ)


def talk(event: dict[str, Any], _context: object) -> None:
    """Log, print, and log over several lines."""
    for number in range(int(event.get("lines", 1))):
        logger.info("line %d\nand more of it", number)
        print(f"printed {number}")  # noqa: T201 (that is what is tested)
        print(json.dumps({"printed": number, "big": 2**60 + 1}))  # noqa: T201 (likewise)


def fail(_event: object, _context: object) -> None:
    """Raise."""
    raise ValueError("bad total")


def leave(event: dict[str, Any], _context: object) -> str:
    """End the process, unless the event forbids it."""
    if event.get("stay"):
        return "stayed"
    os._exit(9)


def sleep(event: dict[str, Any], _context: object) -> str:
    """Sleep for the seconds in the event."""
    time.sleep(float(event.get("seconds", 0)))
    return "slept"


def fill(event: dict[str, Any], _context: object) -> int:
    """Allocate and touch the megabytes in the event."""
    return len(b"x" * (int(event.get("mb", 0)) << 20))


def burn(event: dict[str, Any], _context: object) -> float:
    """Use as many CPU seconds as the event asks for; return the wall time."""
    began_s = time.monotonic()
    end_s = time.process_time() + float(event["seconds"])
    while time.process_time() < end_s:
        pass
    return time.monotonic() - began_s


def remember(_event: object, _context: object) -> int:
    """Count invocations in a file in /tmp, which outlives the process."""
    path = Path(os.environ["TMPDIR"]) / "count"
    count = int(path.read_text()) + 1 if path.exists() else 1
    path.write_text(str(count))
    return count


def big(event: dict[str, Any], _context: object) -> str:
    """Answer with so many bytes."""
    return "x" * int(event["bytes"])


def talk_and_sleep(_event: object, _context: object) -> None:
    """Say that it sleeps, and sleep."""
    print("asleep")  # noqa: T201 (the test waits for it)
    time.sleep(60)
