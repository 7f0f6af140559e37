"""The scenarios. Those of one family stand together; what a field means is in `scenario.py`."""

from __future__ import annotations

from faults.scenario import (
    ALL,
    GLUE,
    S3,
    SQLITE,
    Scenario,
)
from otlp2parquet_ext.local import Faults


def scenarios(seed: int) -> tuple[Scenario, ...]:
    """Return all of them, in the order of the report."""
    return SHUTDOWNS


SHUTDOWNS = (
    Scenario(
        name="shutdown-10000",
        says="10 000 lines are acknowledged, then SHUTDOWN follows at once",
        steps=((("say", 10_000, 100),),),
        invocations=1,
        destinations=ALL,
        faults=Faults(flush_before_shutdown=True),
        quick=(("adaptive", SQLITE),),
    ),
    *(
        Scenario(
            name=f"late-{after_ms}",
            says=f"all telemetry comes {after_ms} ms after SHUTDOWN",
            steps=((("say", 20, 100),),),
            invocations=5,
            destinations=(SQLITE, S3),
            faults=Faults(telemetry_after_shutdown_ms=after_ms),
        )
        for after_ms in (0, 50, 300)
    ),
    Scenario(
        name="race",
        says="half of the telemetry is acknowledged just before SHUTDOWN, half is sent with it",
        steps=((("say", 20, 100),),),
        invocations=5,
        destinations=(SQLITE, S3, GLUE),
        faults=Faults(race_shutdown=True),
    ),
)
