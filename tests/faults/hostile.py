"""Scenarios of people who mean it: batches that kill, answers without end, forged descriptors."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

from counting_proxy import Flood

from faults.forging import KINDS
from faults.scenario import (
    FILE,
    GLUE,
    NETWORKED,
    OTLP,
    REST,
    S3,
    SQLITE,
    TAP,
    Adversaries,
    Promise,
    Scenario,
    Step,
    Trouble,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

TALK: tuple[Step, ...] = (("say", 20, 100), ("sleep", 100))
EAGER = {"TIMEOUT_MS": "100", "OTLP2PARQUET_COMMIT_INTERVAL_MS": "300"}
DEADLY: tuple[tuple[Step, ...], ...] = (TALK, (*TALK, ("poison", 3)), *((TALK,) * 10))
SMALLEST = {"memory_mb": 128}
FLOOD_BYTES = 260_000_000


SHAPES: Mapping[str, tuple[str, Step]] = {
    "attribute": (
        "one resource attribute of 200 KB and 2 000 records",
        ("otlp", 2_000, 200_000),
    ),
    "empty": ("200 000 empty records", ("otlp", 200_000, 0)),
    "services": ("a record each of 3 000 services", ("otlp_services", 3_000)),
    "distinct": ("20 000 records that have nothing in common", ("otlp_distinct", 20_000)),
    "keys": ("a record of 60 000 attributes", ("otlp_keys", 60_000)),
    "deep": ("5 000 records whose bodies are lists in 40 lists", ("otlp_deep", 5_000, 40)),
    "controls": ("4 MB of characters that JSON writes as six", ("otlp_controls", 4_000_000)),
}
"""OTLP requests within the limit of a body that may take more memory than there is."""

BATCHES = (
    *(
        Scenario(
            name=f"deadly-{name}",
            says=f"OTLP requests of {says}, at 128 MB, twice, with harmless lines before, between "
            "and after them",
            steps=(TALK, (*TALK, step, *TALK), TALK, TALK, TALK),
            invocations=10,
            destinations=(SQLITE, S3, GLUE),
            strategies=("adaptive", "end"),  # `threshold` is `adaptive` after the first invocation
            plan=SMALLEST,
            env={**EAGER, "OTLP2PARQUET_OTLP": "on"},
            quick=(("adaptive", S3),),
        )
        for name, (says, step) in SHAPES.items()
    ),
    Scenario(
        name="deadly-mapping",
        says="SIGKILL whenever a batch with three certain lines is mapped, as columns or as text; "
        "harmless lines before, between and after it",
        steps=DEADLY,
        invocations=12,
        destinations=(FILE, SQLITE, S3, GLUE),
        plan=SMALLEST,
        env={**EAGER, "PYTHONPATH": str(Path(__file__).with_name("deadly"))},
        # The third may die after SHUTDOWN, with what came in last: not durable.
        promise=Promise(
            failed=None,
            exits=frozenset({0, -signal.SIGKILL}),
            durable=False,
            may_drop=True,
            deaths=3,
        ),
        quick=(("adaptive", FILE),),
    ),
    Scenario(
        name="deadly-request",
        says="SIGKILL whenever a file with three certain lines is put; harmless lines before, "
        "between and after it",
        steps=DEADLY,
        invocations=12,
        destinations=NETWORKED,
        plan=SMALLEST,
        env=EAGER,
        adversary=Adversaries.POISON,
        promise=Promise(failed=None, kills=3, struck=3, durable=False, may_drop=True, kept=True),
        quick=(("end", GLUE),),
    ),
)

FLOODS: Mapping[str, tuple[str, Flood, tuple[str, ...], str]] = {
    "done": ("each request is done", Flood(FLOOD_BYTES), (*NETWORKED, REST, TAP, OTLP), "*"),
    "done-chunked": (
        "each request is done, and the answer states no length",
        Flood(FLOOD_BYTES, framing="chunks"),
        (*NETWORKED, REST, TAP, OTLP),
        "*",
    ),
    "503": ("HTTP 503", Flood(FLOOD_BYTES, 503, "close"), (*NETWORKED, REST, TAP, OTLP), "*"),
    # A Data Tap and a collector refuse for ever with it: a row says how many they lack.
    "403": ("HTTP 403", Flood(FLOOD_BYTES, 403), (*NETWORKED, REST, TAP, OTLP), "*"),
    "catalog": ("the catalog alone; it does its work", Flood(FLOOD_BYTES), (GLUE,), "AWSGlue.*"),
}


ANSWERS = tuple(
    Scenario(
        name=f"flood-{name}",
        says=f"answers of 260 MB at 128 MB, from the 4th to the 16th of 24 invocations: {says}",
        steps=((("say", 5, 100), ("sleep", 50)),),
        invocations=24,
        destinations=destinations,
        strategies=("adaptive", "end"),  # `threshold` is `adaptive` after the first invocation
        plan=SMALLEST,
        env={**EAGER, "OTLP2PARQUET_PLATFORM_TIMEOUT_MS": "25"},
        trouble=Trouble(what=flood, after=3, until=16, target=target),
        promise=Promise(may_drop=name == "403"),
        quick=(("adaptive", destinations[-1]),),
    )
    for name, (says, flood, destinations, target) in FLOODS.items()
)

DESCRIPTORS = tuple(
    Scenario(
        name=f"forged-{commit}",
        says=f"an adversary puts forged descriptors of {len(KINDS)} kinds into the inbox, twenty "
        f"in a second, while a committer of 512 MB runs all the time; OTLP2PARQUET_COMMIT={commit}",
        steps=((("say", 5, 100), ("sleep", 100)),),
        invocations=100,
        destinations=(SQLITE, GLUE),
        strategies=("adaptive",),
        plan=SMALLEST,
        env={**EAGER, "OTLP2PARQUET_COMMIT": commit},
        adversary=Adversaries.FORGER,
        promise=Promise(struck=len(KINDS)),
        quick=(("adaptive", SQLITE),),
    )
    for commit in ("direct", "inbox")
)

HOSTILE = (*BATCHES, *ANSWERS, *DESCRIPTORS)
