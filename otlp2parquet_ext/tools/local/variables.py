"""The environment variables that Lambda sets for function and extensions.

They do not include those of the caller's shell, so that nothing depends on a variable that Lambda
does not set. Pure: the caller's environment is a parameter.

Source: AWS configuration-envvars, "Defined runtime environment variables"; AWS
runtimes-extensions-api for what extensions do not get.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from otlp2parquet_ext.tools.local.plan import Plan

_FROM_CALLER = (
    "PATH",
    "HOME",
    "LANG",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
)
_NOT_FOR_EXTENSIONS = frozenset(
    {
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
_DEFAULT_REGION = "us-east-1"


def region(plan: Plan, caller: Mapping[str, str]) -> str:
    """Return the plan's region, else the caller's, else us-east-1."""
    return (
        plan.region
        or caller.get("AWS_REGION")
        or caller.get("AWS_DEFAULT_REGION")
        or _DEFAULT_REGION
    )


def function_variables(
    plan: Plan, *, caller: Mapping[str, str], api: str, tmp: Path, log_stream: str
) -> dict[str, str]:
    """Return all variables of the function; `api` is host:port of the Runtime API."""
    where = region(plan, caller)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    variables = {name: caller[name] for name in _FROM_CALLER if name in caller}
    variables |= {
        "AWS_DEFAULT_REGION": where,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{python}" if plan.handler else "AWS_Lambda_Image",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(plan.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": plan.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": plan.function_version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": plan.initialization_type,
        "AWS_LAMBDA_LOG_FORMAT": "JSON" if plan.logs_objects else "Text",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{plan.function_name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": api,
        "AWS_REGION": where,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": str(plan.code.resolve()),
        "OTLP2PARQUET_SPOOL_DIR": str(tmp / "otlp2parquet"),
        "TMPDIR": str(tmp),
        "TZ": ":UTC",
        "_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "_HANDLER": plan.handler,
    }
    if plan.managed:
        variables["AWS_LAMBDA_MAX_CONCURRENCY"] = str(plan.concurrency)
    if plan.destination:
        variables["OTLP2PARQUET_DESTINATION"] = plan.destination
    return variables | dict(plan.env)


def extension_variables(function: Mapping[str, str]) -> dict[str, str]:
    """Return those of the function's variables that an extension gets."""
    return {
        name: value
        for name, value in function.items()
        if not name.startswith("_") and name not in _NOT_FOR_EXTENSIONS
    }
