"""Our log: one line of JSON, and no secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from otlp2parquet_ext.common import log
from otlp2parquet_ext.common.settings.settings import secrets_in
from otlp2parquet_ext.common.settings.table import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def nothing_hidden() -> Iterator[None]:
    """Keep a test's secrets in that test only."""
    kept: list[list[Any]] = [log._pending, log._secrets, log._fetched, log._maskers]
    before = [list(one) for one in kept]
    for one in kept:
        one.clear()
    yield
    for one, was in zip(kept, before, strict=True):
        one[:] = was


def said(message: str) -> str:
    """Read a log line back."""
    return str(json.loads(log.line("info", message))["message"])


def test_what_is_hidden_is_never_said() -> None:
    """It may be in any place, and any number of times.

    If one secret contains another, no part is left.
    """
    log.hide(["hush-hush", "hush-hush-longer", "short", ""])
    log.hide(["another-secret"])
    assert said("a hush-hush-longer b hush-hush, hush-hush; another-secret; short") == (
        "a *** b ***, ***; ***; short"
    )


def test_the_secrets_of_the_variables_are_known() -> None:
    """Whole values, the second half of `id:secret`, and what URLs hold."""
    environ = {
        "AWS_SECRET_ACCESS_KEY": "one",
        "AWS_SESSION_TOKEN": "two",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "three",
        "OTLP2PARQUET_REST_TOKEN": " four ",
        "OTLP2PARQUET_REST_CREDENTIAL": "client:five",
        "PYICEBERG_CATALOG__PROD__S3__SECRET_ACCESS_KEY": "six",
        "PYICEBERG_CATALOG__PROD__URI": "postgresql://user:seven@host/db",
        "OTLP2PARQUET_DESTINATION": "rest+https://me:eight@h/?warehouse=w&token=nine",
        "AWS_REGION": "eu-west-1",
        "HOME": "/root",
    }
    assert set(secrets_in(environ)) == {
        *("one", "two", "three", "four", "client:five", "five", "six"),
        *("user:seven", "seven", "me:eight", "eight", "nine"),
    }


def test_no_secret_setting_can_be_bad() -> None:
    """The line for a bad value quotes it."""
    secret = [setting for setting in SETTINGS if setting.secret]
    assert [setting.attribute for setting in secret] == [
        "tap_token",
        "otlp_headers",
        "ingest_token",
        "rest_token",
        "rest_credential",
    ]
    assert not any(setting.valid_is_limited for setting in secret)
