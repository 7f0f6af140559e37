"""The scenarios, by family; `scenario.py` explains the fields."""

from __future__ import annotations

import random
import signal
from typing import TYPE_CHECKING

from counting_proxy import Cut

from faults.hostile import HOSTILE
from faults.scenario import (
    FILE,
    GLUE,
    NETWORKED,
    S3,
    SQLITE,
    Down,
    Promise,
    Scenario,
    Step,
    Trouble,
)
from otlp2parquet_ext.tools.local import Faults, Kill, KillPoint

if TYPE_CHECKING:
    from collections.abc import Mapping

KILLS = 20
KILLED_WITHIN_MS = (50, 1_200)
TALK: tuple[Step, ...] = (("say", 20, 100),)
BUSY: tuple[Step, ...] = (("say", 5, 100), ("sleep", 50))
EAGER = {"TIMEOUT_MS": "100", "OTLP2PARQUET_COMMIT_INTERVAL_MS": "300"}
"""Settings that let two seconds hold what would else take a minute."""

OUTAGE: Mapping[int | Cut | Down, tuple[str, str]] = {
    500: ("500", "the destination answers HTTP 500"),
    403: ("403", "the destination answers HTTP 403"),
    503: ("throttled", "the destination answers HTTP 503 SlowDown"),
    Cut.HANG: ("hang", "the destination takes requests and never answers"),
    Down.SLOW: ("slow", "each answer of the destination takes two seconds"),
    Down.REFUSED: ("refused", "connections to the destination are refused"),
    Cut.UPLOAD: ("mid-upload", "the destination dies in the middle of each request's body"),
}
"""Name and words of each kind."""


def scenarios(seed: int) -> tuple[Scenario, ...]:
    """Return all of them, in the order of the report.

    Args:
        seed: decides when the random kills strike.
    """
    lives = (*SHUTDOWNS, *ENDS, _kills(seed), *PLATFORM)
    return (*lives, *OUTAGES, *SPOOLS, *TMP, *VOLUMES, *SOAKS, *HOSTILE)


SHUTDOWNS = (
    Scenario(
        name="shutdown-10000",
        says="10 000 lines are acknowledged, then SHUTDOWN follows at once",
        steps=((("say", 10_000, 100),),),
        invocations=1,
        faults=Faults(flush_before_shutdown=True),
        quick=(("adaptive", SQLITE),),
    ),
    *(
        Scenario(
            name=f"late-{after_ms}",
            says=f"all telemetry comes {after_ms} ms after SHUTDOWN",
            steps=(TALK,),
            invocations=5,
            destinations=(SQLITE, S3),
            faults=Faults(telemetry_after_shutdown_ms=after_ms),
            quick=(("threshold", S3),) if after_ms == 300 else (),
        )
        for after_ms in (0, 50, 300)
    ),
    Scenario(
        name="race",
        says="half of the telemetry is acknowledged just before SHUTDOWN, half is sent with it",
        steps=(TALK,),
        invocations=5,
        destinations=(SQLITE, S3, GLUE),
        faults=Faults(race_shutdown=True),
    ),
    Scenario(
        name="frozen-5x30ms",
        says="five invocations of 30 ms, frozen for 200 ms after each",
        steps=((*TALK, ("sleep", 30)),),
        invocations=5,
        plan={"gap_ms": 200},
    ),
)

ENDS = (
    Scenario(
        name="timeout",
        says="every third invocation runs into the function's timeout of 1 s",
        steps=(TALK, (*TALK, ("sleep", 30_000)), TALK),
        invocations=6,
        destinations=(SQLITE, S3),
        plan={"timeout_s": 1},
        promise=Promise(failed=2),
    ),
    Scenario(
        name="crash",
        says="every third invocation ends the function's process",
        steps=(TALK, (*TALK, ("exit", 9)), TALK),
        invocations=6,
        destinations=(SQLITE, S3),
        promise=Promise(failed=2),
        quick=(("end", SQLITE),),
    ),
    Scenario(
        name="oom",
        says="the function takes more memory than the environment has, and the kernel kills it",
        steps=(TALK, (*TALK, ("fill_memory", 600)), TALK),
        invocations=3,
        destinations=(SQLITE, S3),
        plan={"memory_mb": 256},
        promise=Promise(failed=1),
    ),
    Scenario(
        name="sigterm",
        says="SIGTERM to the extension between two invocations of 200 ms",
        # Long enough for its libraries: before them it dies of the signal, with nothing taken in.
        steps=((*TALK, ("sleep", 200)),),
        invocations=6,
        destinations=(SQLITE, S3),
        faults=Faults(kill=Kill(point=KillPoint.BETWEEN, at=3, number=signal.SIGTERM)),
    ),
)


def _kills(seed: int) -> Scenario:
    """Return the scenario of the random kills."""
    chance = random.Random(seed)
    return Scenario(
        name=f"kill-9-x{KILLS}",
        says=f"kill -9 of {KILLS} extensions in a row, each at a random moment of its first "
        f"{KILLED_WITHIN_MS[1] / 1_000:.1f} s",
        steps=((*TALK, ("sleep", 30)),),
        invocations=300,
        destinations=(SQLITE, GLUE),
        faults=Faults(kill_after_ms=tuple(chance.randint(*KILLED_WITHIN_MS) for _ in range(KILLS))),
        env=EAGER,
        promise=Promise(failed=None, kills=KILLS),
    )


PLATFORM = (
    Scenario(
        name="port-taken",
        says="another process listens on the receiver's port",
        steps=(TALK,),
        invocations=5,
        destinations=(SQLITE,),
        port_taken=True,
    ),
    Scenario(
        name="next-500",
        says="the fourth `next` and all after it are answered with HTTP 500",
        steps=(TALK,),
        invocations=6,
        destinations=(SQLITE, S3),
        faults=Faults(broken_next_from=4),
        promise=Promise(failed=1),
    ),
    Scenario(
        name="redelivered-1000",
        says="every delivery comes 25 more times, 1 000 copies and more",
        steps=((*TALK, ("sleep", 30)),),
        invocations=120,
        destinations=(SQLITE, S3),
        faults=Faults(redeliver_every=1, redeliver_times=25),
        env={"OTLP2PARQUET_PLATFORM_TIMEOUT_MS": "25"},
        promise=Promise(redelivered=1_000),
    ),
)


def _outage(
    name: str,
    says: str,
    trouble: Trouble,
    promise: Promise,
    *,
    destinations: tuple[str, ...] = NETWORKED,
    quick: tuple[tuple[str, str], ...] = (),
) -> Scenario:
    return Scenario(
        name=name,
        says=says,
        steps=(BUSY,),
        invocations=40,
        destinations=destinations,
        env={**EAGER, "OTLP2PARQUET_PLATFORM_TIMEOUT_MS": "25"},
        trouble=trouble,
        promise=promise,
        quick=quick,
    )


OUTAGES = (
    *(
        _outage(
            f"outage-{name}",
            f"{words}, from the 6th to the 30th of 40 invocations",
            Trouble(what=what, after=5, until=30),
            Promise(added=True),
            quick=(("adaptive", S3),) if what is Down.REFUSED else (),
        )
        for what, (name, words) in OUTAGE.items()
    ),
    *(
        _outage(
            f"cold-{OUTAGE[what][0]}",
            f"{OUTAGE[what][1]}, from the beginning to the 30th of 40 invocations",
            Trouble(what=what, after=0, until=30),
            Promise(added=True),
        )
        for what in (500, Cut.HANG)
    ),
    *(
        _outage(
            f"catalog-{OUTAGE[what][0]}",
            f"the catalog alone: {OUTAGE[what][1]}, from the 6th to the 30th of 40 invocations",
            Trouble(what=what, after=5, until=30, target="AWSGlue.*"),
            Promise(added=True),
            destinations=(GLUE,),
        )
        for what in (500, Cut.HANG)
    ),
    *(
        _outage(
            f"ends-{OUTAGE[what][0]}",
            f"{OUTAGE[what][1]}, from the 6th invocation on and at SHUTDOWN, too",
            Trouble(what=what, after=5),
            Promise(added=True, durable=False),
        )
        for what in (Down.REFUSED, Cut.HANG)
    ),
)


def _spool_full(name: str, says: str, until: int | None) -> Scenario:
    return Scenario(
        name=name,
        says=says,
        steps=((("say", 10_000, 100),),) * 10 + ((("sleep", 1_000),),) * 4,
        invocations=14,
        destinations=NETWORKED,
        trouble=Trouble(what=Down.REFUSED, after=1, until=until),
        env={**EAGER, "OTLP2PARQUET_SPOOL_CAPACITY_BYTES": "4194304"},
        promise=Promise(may_drop=True, durable=until is not None),
    )


SPOOLS = (
    _spool_full(
        "spool-full",
        "100 000 lines while connections are refused, of which the spool holds a fourth; then the "
        "destination is back, and four quiet seconds follow",
        10,
    ),
    _spool_full(
        "spool-full-ends",
        "the same, and the destination is back only for the next process",
        None,
    ),
)

TMP = (
    Scenario(
        name="tmp-full",
        says="/tmp has 2 MB, and the function fills it to the last byte",
        steps=((("fill_tmp",), ("say", 200, 100)),),
        invocations=5,
        destinations=(SQLITE, S3),
        tmpfs_kb=2_048,
    ),
    Scenario(
        name="tmp-full-outage",
        says="the same while connections to the destination are refused, with more lines than fit "
        "into memory; then it is back",
        steps=((("fill_tmp",), ("say", 10_000, 100)),),
        invocations=10,
        destinations=NETWORKED,
        trouble=Trouble(what=Down.REFUSED, after=1, until=8),
        env=EAGER,
        tmpfs_kb=2_048,
        promise=Promise(may_drop=True),
    ),
    Scenario(
        name="tmp-emptied",
        says="the function empties /tmp in the middle of each invocation",
        steps=((*TALK, ("sleep", 150), ("empty_tmp",), *TALK),),
        invocations=5,
        destinations=(FILE, SQLITE, S3),
        quick=(("adaptive", FILE),),
    ),
)

VOLUMES = (
    Scenario(
        name="backlog-150000",
        says="150 000 lines while connections are refused, then six quiet seconds",
        steps=((("say", 10_000, 100),),) * 15 + ((("sleep", 1_000),),) * 6,
        invocations=21,
        destinations=NETWORKED,
        plan={"memory_mb": 128},
        trouble=Trouble(what=Down.REFUSED, after=1, until=15),
    ),
    Scenario(
        name="gigabyte",
        says="1 GB in 65 536 lines of 16 KB through an environment of 128 MB",
        steps=((("say", 32, 16_384), ("sleep", 25)) * 128,),
        invocations=16,
        destinations=(FILE,),
        strategies=("adaptive", "end"),  # `threshold` is `adaptive` after the first invocation
        plan={"memory_mb": 128, "timeout_s": 60},
    ),
)

SOAKS = (
    Scenario(
        name="soak-10000",
        says="10 000 invocations, frozen after each",
        steps=((("say", 3, 100),),),
        invocations=10_000,
        destinations=(SQLITE,),
        strategies=("adaptive",),  # `threshold` is the same after the first invocation
        plan={"gap_ms": 0},
        promise=Promise(flat=True),
    ),
    Scenario(
        name="soak-1000",
        says="1 000 invocations, each held until it is flushed, frozen after each",
        steps=((("say", 3, 100),),),
        invocations=1_000,
        destinations=(SQLITE,),
        strategies=("end",),
        plan={"gap_ms": 0},
        env={"OTLP2PARQUET_PLATFORM_TIMEOUT_MS": "25"},
        promise=Promise(flat=True),
    ),
)
