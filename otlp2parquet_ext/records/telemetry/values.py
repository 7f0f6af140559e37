"""The plain values that the receiver and the agent pass to the flush through the spool.

    agent --EnvironmentContext, Invoke, Delivery--> spool (bytes) --same values--> flush

The values are not interpreted: times are those of *our* receipt, bodies are as Lambda sent them.
This module is imported after the first `next`.
"""

from __future__ import annotations

import msgspec


class EnvironmentContext(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The facts about an execution environment, from its variables and the answer to register.

    Attributes:
        instance_id: unique per process start; becomes `service.instance.id`.
        function_name: `AWS_LAMBDA_FUNCTION_NAME`; "" if absent, as for the texts below.
        function_version: `AWS_LAMBDA_FUNCTION_VERSION`.
        memory_mb: `AWS_LAMBDA_FUNCTION_MEMORY_SIZE` in units of 1 048 576 bytes; 0 if absent.
        region: `AWS_REGION`, else `AWS_DEFAULT_REGION`.
        account_id: from the answer to register; a string, because leading zeros count.
        managed: True on Lambda Managed Instances, where invocations run concurrently.
        service_name: `OTEL_SERVICE_NAME`.
        resource_attributes: `OTEL_RESOURCE_ATTRIBUTES` as set: `k=v,k=v`, percent-encoded.
        started_us: Unix microseconds at which these facts were collected; 0 if absent.

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
    """One INVOKE event of the Extensions API; posted telemetry cannot replace these facts.

    Attributes:
        request_id: the request id, which telemetry records have, too.
        received_us: Unix microseconds at which `next` returned, a little after the invocation
            began.
        deadline_ms: Unix milliseconds at which the function times out.
        invoked_function_arn: ARN as invoked, maybe with the suffix of an alias or version; "" if
            absent.
        trace_header: the X-Ray header; "" if absent.
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
    """The SHUTDOWN of a process, after which open activities get no further event.

    Attributes:
        reason: Lambda's reason, in lower case.
        time_us: Unix microseconds of its receipt.
    """

    reason: str
    time_us: int


decode_context = msgspec.json.Decoder(EnvironmentContext).decode
decode_invoke = msgspec.json.Decoder(Invoke).decode
decode_ending = msgspec.json.Decoder(Ending).decode


class Delivery(msgspec.Struct, frozen=True):
    """One POST of the Telemetry API.

    Attributes:
        body: as sent, usually a JSON array of events; any other body is kept as one record.
        received_us: Unix microseconds at which the body was complete; the records' observed time.
    """

    body: bytes
    received_us: int
