"""What the hot side hands to the flush side, as plain values.

    hot side --Context, Invoke, Delivery--> spool (bytes) --same values--> flush side

Nothing here is interpreted: times are when *we* saw a thing, bodies are as Lambda sent them.
Only the flush side and the spool's frames use these; up to the first `next` they are not imported.
"""

from __future__ import annotations

import msgspec


class EnvironmentContext(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one execution environment, from its variables and the register answer.

    Attributes:
        instance_id: unique per process start; becomes `service.instance.id`.
        function_name: `AWS_LAMBDA_FUNCTION_NAME`, "" when absent (likewise below).
        function_version: `AWS_LAMBDA_FUNCTION_VERSION`.
        memory_mb: `AWS_LAMBDA_FUNCTION_MEMORY_SIZE` in units of 1 048 576 bytes, 0 when absent.
        region: `AWS_REGION`, else `AWS_DEFAULT_REGION`.
        account_id: from the register answer; a string, because leading zeros count.
        managed: True on Lambda Managed Instances, where invocations run side by side.
        service_name: `OTEL_SERVICE_NAME`.
        resource_attributes: `OTEL_RESOURCE_ATTRIBUTES` as set: `k=v,k=v`, percent-encoded.
        started_us: Unix microseconds when this was gathered; 0 when absent.

    Source: AWS Lambda Developer Guide, "Defined runtime environment variables";
    OpenTelemetry SDK environment variables.
    """

    instance_id: str
    function_name: str = ""
    function_version: str = ""
    memory_mb: int = 0
    region: str = ""
    account_id: str = ""
    managed: bool = False
    service_name: str = ""
    resource_attributes: str = ""
    started_us: int = 0


class Invoke(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One INVOKE event as the Extensions API told it: facts that posted telemetry cannot displace.

    Attributes:
        request_id: the id telemetry records carry, too.
        received_us: Unix microseconds when `next` returned; a little after the invocation began.
        deadline_ms: Unix milliseconds at which the function times out.
        invoked_function_arn: as invoked: may carry an alias or version suffix; "" when absent.
        trace_header: the X-Ray header, "" when absent.
        first: True for the first invocation of this process.

    Source: AWS Lambda Developer Guide, "Extensions API", Invoke phase.
    """

    request_id: str
    received_us: int
    deadline_ms: int = 0
    invoked_function_arn: str = ""
    trace_header: str = ""
    first: bool = False


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The SHUTDOWN of a process: nothing that is open then gets another event from it.

    Attributes:
        reason: as Lambda spelled it, in lower case.
        time_us: Unix microseconds when it came.
    """

    reason: str
    time_us: int


decode_context = msgspec.json.Decoder(EnvironmentContext).decode
decode_invoke = msgspec.json.Decoder(Invoke).decode
decode_ending = msgspec.json.Decoder(Ending).decode


class Delivery(msgspec.Struct, frozen=True):
    """One POST of the Telemetry API.

    Attributes:
        body: as sent, usually a JSON array of events; anything else is kept as a record of its own.
        received_us: Unix microseconds when the body was complete; the records' observed time.
    """

    body: bytes
    received_us: int
