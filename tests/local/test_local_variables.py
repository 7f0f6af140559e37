"""Function and extensions get the variables Lambda would give them, and no others."""

from __future__ import annotations

from pathlib import Path

from otlp2parquet_ext.tools.local import LogFormat, Plan
from otlp2parquet_ext.tools.local.variables import extension_variables, function_variables

CALLER = {"PATH": "/bin", "HOME": "/home/me", "SECRET": "mine", "AWS_ACCESS_KEY_ID": "AKIA"}


def variables(plan: Plan, caller: dict[str, str] | None = None) -> dict[str, str]:
    """Return the function's variables."""
    return function_variables(
        plan, caller=caller or CALLER, api="127.0.0.1:1", tmp=Path("/t"), log_stream="stream"
    )


def test_the_callers_shell_does_not_leak_in() -> None:
    """Lambda would not have these variables, so a function must not depend on them."""
    function = variables(Plan(handler="app.handler"))
    assert "SECRET" not in function
    assert function["AWS_ACCESS_KEY_ID"] == "AKIA"
    assert function["_HANDLER"] == "app.handler"
    assert function["AWS_LAMBDA_RUNTIME_API"] == "127.0.0.1:1"


def test_extensions_do_not_get_what_lambda_withholds() -> None:
    """The table of the reference: the underscore names and seven others."""
    extension = extension_variables(variables(Plan(handler="app.handler")))
    assert not [name for name in extension if name.startswith("_")]
    assert "AWS_EXECUTION_ENV" not in extension
    assert "AWS_LAMBDA_LOG_STREAM_NAME" not in extension
    assert "LAMBDA_TASK_ROOT" not in extension
    assert extension["AWS_LAMBDA_FUNCTION_NAME"] == "local"
    assert extension["TMPDIR"] == "/t"


def test_user_variables_win_and_reach_both() -> None:
    """`--env` is the function's configuration."""
    plan = Plan(
        handler="a.b", env={"TZ": "Europe/Berlin", "MAX_ITEMS": "7"}, destination="file:///x"
    )
    function = variables(plan)
    for got in (function, extension_variables(function)):
        assert got["TZ"] == "Europe/Berlin"
        assert got["MAX_ITEMS"] == "7"
        assert got["OTLP2PARQUET_DESTINATION"] == "file:///x"


def test_the_region_is_the_plans_then_the_callers() -> None:
    """A bucket in another region must be reachable without an option."""
    assert variables(Plan(handler="a.b"))["AWS_REGION"] == "us-east-1"
    assert variables(Plan(handler="a.b"), {"AWS_REGION": "eu-west-1"})["AWS_REGION"] == "eu-west-1"
    plan = Plan(handler="a.b", region="eu-north-1")
    assert variables(plan, {"AWS_REGION": "eu-west-1"})["AWS_DEFAULT_REGION"] == "eu-north-1"


def test_managed_instances_log_json_and_say_what_they_are() -> None:
    """An extension recognises them by these variables."""
    managed = variables(Plan(handler="a.b", managed=True, concurrency=4))
    assert managed["AWS_LAMBDA_INITIALIZATION_TYPE"] == "lambda-managed-instances"
    assert managed["AWS_LAMBDA_LOG_FORMAT"] == "JSON"
    assert managed["AWS_LAMBDA_MAX_CONCURRENCY"] == "4"
    text, json_ = Plan(handler="a.b"), Plan(handler="a.b", log_format=LogFormat.JSON)
    assert variables(text)["AWS_LAMBDA_LOG_FORMAT"] == "Text"
    assert variables(json_)["AWS_LAMBDA_LOG_FORMAT"] == "JSON"
