"""`check` when something is wrong: the cause, what to do, and no longer than it takes to know."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest
from reserved_port import ReservedPort

from otlp2parquet_ext.lake.checking.remedies import Cause, cause_of, lacking, remedy
from otlp2parquet_ext.lake.checking.run import Wish, verdicts
from otlp2parquet_ext.lake.checking.runner import (
    FAILED,
    FROZEN_MS,
    NOTE,
    OK,
    SKIPPED,
    NotTried,
    Trial,
    tried,
)
from otlp2parquet_ext.lake.checking.setting_sources import HIDDEN, setting_sources
from otlp2parquet_ext.lake.http.response import WebError
from otlp2parquet_ext.lake.iceberg.catalogs.outcomes import CatalogFailure
from otlp2parquet_ext.lake.iceberg.catalogs.remedies import Operation, glue
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.storage.storage import StorageError
from otlp2parquet_ext.tools.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from otlp2parquet_ext.lake.checking.runner import TrialVerdict

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE77", "AWS_SECRET_ACCESS_KEY": "a-secret-of-nobody"}
FOREVER = 1 << 60


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def check(environ: Mapping[str, str], limit_ms: int = 10_000) -> dict[str, TrialVerdict]:
    """Check; return the verdicts by their steps."""
    return {v.step: v for v in verdicts(environ, Wish(limit_ms=limit_ms))}


@pytest.mark.parametrize(
    ("url", "service", "asked"),
    [
        ("s3://bucket/prefix?endpoint={}", "S3", "write"),
        ("glue://otel?warehouse=s3://bucket/lake&endpoint={}", "GLUE", "logs"),
        ("rest+{}", "", "logs"),
    ],
)
def test_a_destination_that_does_not_answer_is_asked_once(
    silent: str, url: str, service: str, asked: str
) -> None:
    """The VPC may have no endpoint.

    It takes the time of one request, and the line names usual causes.
    """
    environ = {**KEYS, "OTLP2PARQUET_DESTINATION": url.format(silent), "AWS_REGION": "eu-west-1"}
    found = check({**environ, "AWS_ENDPOINT_URL_S3": silent}, limit_ms=300)
    assert found[asked].state == FAILED, (found, service)
    assert "a function in a VPC" in found[asked].remedy
    rest = [v for v in found.values() if v.step not in (asked, "credentials", "identity")]
    assert all(v.state in (SKIPPED, FAILED) for v in rest)
    assert sum(v.state == FAILED for v in found.values()) <= 2


def test_nobody_listens(tmp_path: object) -> None:
    """The port or the host is wrong. The line comes at once, with the same advice."""
    del tmp_path
    port = ReservedPort()
    url = f"s3://bucket/x?endpoint=http://127.0.0.1:{port}"
    found = check({**KEYS, "OTLP2PARQUET_DESTINATION": url}, limit_ms=500)
    assert "cannot be reached" in found["write"].says
    assert found["write once"].state == SKIPPED


def test_without_credentials_nothing_else_is_tried() -> None:
    """In Lambda there is one cause: the function has no role."""
    environ = {"AWS_LAMBDA_FUNCTION_NAME": "f", "OTLP2PARQUET_DESTINATION": "s3://bucket/x"}
    found = check(environ)
    assert found["credentials"].state == FAILED
    assert "execution role" in found["credentials"].says
    assert {v.state for step, v in found.items() if step != "credentials"} == {SKIPPED}


def test_credentials_say_where_they_come_from_and_show_no_secret(moto: str) -> None:
    """The first and the last letters of the key's id are enough to know which it is."""
    found = check({**KEYS, "OTLP2PARQUET_DESTINATION": f"s3://b-1/x?endpoint={moto}"})
    said = found["credentials"].says
    assert said == ("from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: AKIA…LE77, region us-east-1")
    assert "there is no such bucket" in found["write"].says


def test_aws_says_who_we_are(moto: str) -> None:
    """GetCallerIdentity needs no permission; its account fills in the statements."""
    environ = {**KEYS, "OTLP2PARQUET_DESTINATION": "s3://b-1/x", "AWS_ENDPOINT_URL": moto}
    found = check(environ)
    assert found["identity"].state == OK
    assert found["identity"].says.startswith("arn:aws:")


def test_a_server_without_conditional_writes_is_told_from_one_that_has_them() -> None:
    """It would let one environment replace another's file."""
    from otlp2parquet_ext.lake.checking.files import Probe  # noqa: PLC0415
    from otlp2parquet_ext.lake.storage.storage import Put  # noqa: PLC0415

    class Overwrites:
        """Takes everything as new."""

        def put(self, path: str, data: bytes) -> Put:
            """Say so."""
            del path, data
            return Put(new=True, size_bytes=0, stored_ms=0)

        def url(self, path: str) -> str:
            """Name it."""
            return f"s3://bucket/{path}"

    with pytest.raises(StorageError, match="does not honour If-None-Match"):
        Probe(Overwrites()).write_once()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (
            (
                "User x is not authorized to perform: kms:GenerateDataKey on resource: "
                "arn:aws:kms:eu-west-1:123456789012:key/0a-1b because no policy allows it"
            ),
            "kms:GenerateDataKey and kms:Decrypt on arn:aws:kms:eu-west-1:123456789012:key/0a-1b",
        ),
        ("Insufficient Lake Formation permission(s): Required Describe on orders", "grant"),
        ("User x is not authorized", "add to the role's policy"),
    ],
)
def test_a_refusal_is_told_by_its_words(said: str, advice: str) -> None:
    """The same status 403 has three cures."""
    error = glue("orders", "logs").refusal(
        Operation.LOAD, CatalogFailure(400, "AccessDeniedException", said)
    )
    assert lacking(error) == ("glue:GetTable",)
    assert advice in remedy(error, cause_of(error), lacking(error))


def test_the_actions_of_a_refusal_are_found_below_what_was_made_of_it() -> None:
    """Rooms wrap what the one below raised."""
    inner = StorageError("x cannot be read")
    inner.lacks = ("s3:GetObject",)
    outer = CommitError("the table's metadata cannot be read")
    outer.__cause__ = inner
    assert lacking(outer) == ("s3:GetObject",)
    assert cause_of(outer) is Cause.REFUSED
    outer.__cause__ = WebError("nobody there", sent=False)
    assert cause_of(outer) is Cause.SILENT


def test_a_trial_that_breaks_does_not_break_the_others() -> None:
    """A bug of ours, or of a library, becomes a verdict like any other."""

    def broken() -> str:
        raise ZeroDivisionError

    trials = [Trial("one", broken), Trial("two", lambda: "fine"), Trial("three", lambda: "")]
    found = list(tried(trials, {}, FOREVER))
    assert [(v.step, v.state, v.says) for v in found] == [
        ("one", FAILED, "ZeroDivisionError"),
        ("two", OK, "fine"),
    ]


def test_time_that_is_over_ends_a_check() -> None:
    """The other steps are reported as skipped."""
    (found,) = tried([Trial("one", lambda: "fine")], {}, 0)
    assert (found.state, found.says) == (SKIPPED, "the time for the check is over")


def test_a_trial_that_was_frozen_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection broke in the freeze, which proves nothing about the destination."""
    from otlp2parquet_ext.lake.checking import runner  # noqa: PLC0415

    now, answers = [0], ["dead", "fine"]
    monkeypatch.setattr(runner, "steady_ms", lambda: now[0])

    def run() -> str:
        if (answer := answers.pop(0)) == "dead":
            now[0] += FROZEN_MS
            raise StorageError(answer)
        return answer

    (found,) = tried([Trial("one", run)], {}, FOREVER)
    assert (found.state, found.says) == (OK, "fine")


def test_what_cannot_be_tried_is_a_note() -> None:
    """It is no failure."""

    def run() -> str:
        raise NotTried("no way to")

    (found,) = tried([Trial("one", run)], {}, FOREVER)
    assert (found.state, found.says) == (NOTE, "no way to")


def test_settings_say_which_variable_they_come_from() -> None:
    """It may be bare, prefixed, the command line, or none; an unused variable is named, too."""
    environ = {
        "OTLP2PARQUET_DESTINATION": "rest+https://u:p@host/x?token=abc",
        "MAX_ITEMS": "5",
        "OTLP2PARQUET_MAX_ITEMS": "7",
        "TIMEOUT_MS": "soon",
        "OTLP2PARQUET_REST_TOKEN": "very-secret",
        "OTLP2PARQUET_DESTNATION": "x",
    }
    found, unknown = setting_sources(environ, ["OTLP2PARQUET_DESTINATION"])
    by_name = {one.name: one for one in found}
    items, timeout = by_name["MAX_ITEMS"], by_name["TIMEOUT_MS"]
    assert (items.value, items.source) == ("7", "OTLP2PARQUET_MAX_ITEMS")
    assert items.ignored == ("MAX_ITEMS",)
    assert (timeout.value, timeout.source) == ("1000", "TIMEOUT_MS")
    assert "expected a whole number" in timeout.problem
    assert by_name["MAX_BYTES"].source == "default"
    assert by_name["OTLP2PARQUET_DESTINATION"].source == "the command line"
    assert by_name["OTLP2PARQUET_DESTINATION"].value == "rest+https://host"
    assert by_name["OTLP2PARQUET_REST_TOKEN"].value == "***"
    assert unknown == ["OTLP2PARQUET_DESTNATION: there is no such setting; it has no effect"]


def test_no_secret_of_forwarding_is_shown() -> None:
    """Secrets are tokens, headers, and parts of a list of URLs."""
    environ = {
        "OTLP2PARQUET_DESTINATION": "s3://b-1/p?region=x, https://h/?token=ab, otlp+https://c/base",
        "BD_TAP_CLIENT_TOKEN": "tap",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=key",
        "OTLP2PARQUET_INGEST_TOKEN": "in",
    }
    by_name = {one.name: one.value for one in setting_sources(environ)[0]}
    assert by_name["OTLP2PARQUET_DESTINATION"] == ("s3://b-1/p?region=x, https://h, otlp+https://c")
    assert by_name["BD_TAP_CLIENT_TOKEN"] == HIDDEN
    assert by_name["OTLP2PARQUET_OTLP_HEADERS"] == HIDDEN
    assert by_name["OTLP2PARQUET_INGEST_TOKEN"] == HIDDEN
    cut = setting_sources({"OTLP2PARQUET_DESTINATION": "https://u:p,x:y@host"})[0]
    assert {o.value for o in cut if o.name == "OTLP2PARQUET_DESTINATION"} == {"***"}


def test_the_command_takes_the_destination_from_its_variable_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    """So that a deployment's own variables can be checked as they are; --json for programs."""
    monkeypatch.setenv("OTLP2PARQUET_DESTINATION", f"file://{tmp_path}/lake")
    assert main(["check", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["fine"] is True
    assert {one["state"] for one in found["check"]} == {OK}
    (told_,) = (one for one in found["settings"] if one["name"] == "OTLP2PARQUET_DESTINATION")
    assert told_["source"] == "OTLP2PARQUET_DESTINATION"


def test_a_misspelled_variable_fails_the_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    """A setting without effect is the worst kind of setting."""
    monkeypatch.setenv("OTLP2PARQUET_FLUHS", "end")
    assert main(["check", f"file://{tmp_path}/lake"]) == 1
    assert "OTLP2PARQUET_FLUHS: there is no such setting" in capsys.readouterr().out


def test_no_destination_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The extension would collect nothing."""
    monkeypatch.delenv("OTLP2PARQUET_DESTINATION", raising=False)
    assert main(["check"]) == 1
    assert "OTLP2PARQUET_DESTINATION is not set" in capsys.readouterr().out
