"""Modules that begin empty are complete as soon as another name of them is used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

BEGIN = """
import json, sys
from layer import lazily
for name in [n for n in sys.modules if n.split(".")[0] in ("asyncio", "subprocess", "traceback")]:
    del sys.modules[name]
lazily.begin_empty("asyncio", lazily.USED)
lazily.begin_empty("subprocess", PIPE=-1)
lazily.begin_empty("traceback", extract_stack=lazily._extract_stack)
"""
RUN = """
import asyncio, time

async def main():
    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)
    async with asyncio.timeout(20):
        await event.wait()
    done, _ = await asyncio.wait({asyncio.ensure_future(asyncio.sleep(0, "slept"))})
    return done.pop().result()

found = {"slept": asyncio.run(main())}
"""
UNUSED = ("asyncio.streams", "asyncio.queues", "asyncio.subprocess", "asyncio.taskgroups")


def run(code: str) -> dict[str, object]:
    """Run code in an interpreter of its own; it fills `found`."""
    program = f"import sys; sys.path.append({str(ROOT)!r})\n{code}\nprint(json.dumps(found))"
    command = [sys.executable, "-I", "-S", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_loop_runs_and_what_it_does_not_use_of_asyncio_is_not_imported() -> None:
    """A fifth of what the agent imports; on a fourteenth of a CPU that is a third of a second."""
    found = run(f"{BEGIN}{RUN}found['unused'] = [n for n in {UNUSED} if n in sys.modules]")
    assert found == {"slept": "slept", "unused": []}


def test_a_name_that_is_not_known_makes_the_module_what_it_always_is() -> None:
    """A missing name would look like a bug in any other place."""
    found = run(
        f"""{BEGIN}{RUN}
import subprocess, traceback
event = asyncio.Event
found["same"] = asyncio.Queue is asyncio.queues.Queue and event is asyncio.locks.Event
found["all"] = "open_connection" in asyncio.__all__ and "Event" in asyncio.__all__
found["again"] = asyncio.run(main())
command = [sys.executable, "-c", "print(7)"]
found["ended"] = subprocess.run(command, stdout=subprocess.PIPE).stdout.decode()
try:
    1 / 0
except ZeroDivisionError:
    found["told"] = traceback.format_exc().splitlines()[-1]
"""
    )
    assert found == {
        "slept": "slept",
        "same": True,
        "all": True,
        "again": "slept",
        "ended": "7\n",
        "told": "ZeroDivisionError: division by zero",
    }


def test_a_name_that_nobody_has_is_missed_as_ever() -> None:
    """Libraries probe for names of newer versions, and hasattr() must return False."""
    found = run(
        f"""{BEGIN}
import asyncio, subprocess
found = [hasattr(asyncio, "nothing_of_the_kind"), hasattr(subprocess, "nothing_of_the_kind"),
         hasattr(asyncio, "__wrapped__"), hasattr(asyncio, "open_connection")]
found = {{"has": found}}"""
    )
    assert found == {"has": [False, False, False, True]}


def test_the_stack_that_debugging_asks_for_is_the_real_one() -> None:
    """asyncio takes the function at its import, when it is still a stand-in."""
    found = run(
        f"""{BEGIN}
from asyncio import events
import traceback
stack = lazily._extract_stack(sys._getframe())
found = {{"line": stack[-1].name}}"""
    )
    assert found == {"line": "<module>"}
