"""The facts about its environment that a segment holds, so that a reader needs no other segment."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.records.telemetry.values import Ending, EnvironmentContext
from otlp2parquet_ext.spool import FrameKind

if TYPE_CHECKING:
    from otlp2parquet_ext.extension.bootstrap import Booted
    from otlp2parquet_ext.records.telemetry.values import Invoke
    from otlp2parquet_ext.spool import Note


class _Registration(msgspec.Struct, rename="camel"):
    function_name: str = ""
    function_version: str = ""
    account_id: str | None = None


def context_of(booted: Booted) -> EnvironmentContext:
    """Collect the facts about this environment from its variables and the answer to register."""
    environ = booted.environ
    try:
        registration = msgspec.json.decode(booted.registration, type=_Registration)
    except msgspec.MsgspecError:
        registration = _Registration()
    memory_mb = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    return EnvironmentContext(
        instance_id=str(uuid.uuid4()),
        function_name=environ.get("AWS_LAMBDA_FUNCTION_NAME") or registration.function_name,
        function_version=environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        or registration.function_version,
        memory_mb=int(memory_mb) if memory_mb.isdecimal() else 0,
        region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION", ""),
        account_id=registration.account_id or "",
        managed=booted.managed,
        service_name=environ.get("OTEL_SERVICE_NAME", ""),
        resource_attributes=environ.get("OTEL_RESOURCE_ATTRIBUTES", ""),
        started_us=time.time_ns() // 1_000,
    )


def context_note(context: EnvironmentContext) -> Note:
    """Return the context as the frame at the start of every segment."""
    return FrameKind.CONTEXT, msgspec.json.encode(context), 0


def ending_note(reason: str, time_us: int) -> Note:
    """Return a SHUTDOWN as a frame; it follows the telemetry that came before it."""
    return FrameKind.ENDING, msgspec.json.encode(Ending(reason=reason, time_us=time_us)), time_us


def invoke_note(invoke: Invoke) -> Note:
    """Return an INVOKE as a frame; mapping joins it to the invocation's telemetry."""
    return FrameKind.INVOKE, msgspec.json.encode(invoke), invoke.received_us
