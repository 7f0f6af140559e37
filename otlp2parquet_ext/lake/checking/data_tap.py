"""Check a Data Tap: the expiry of its token, and the server.

A Data Tap keeps each POST, even an empty one. So the check sends a GET, which shows that the server
responds. Only `check --send`, which posts one line, shows that the server accepts the token.

Source: README of data-taps-template; docs/forwarding.md, "Data Tap".
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.common.secrets.urls import shown
from otlp2parquet_ext.lake.checking.jwt import day, expires_s, span
from otlp2parquet_ext.lake.checking.remedies import CheckError
from otlp2parquet_ext.lake.checking.runner import NotTried, Trial
from otlp2parquet_ext.lake.checking.server import refusal, silence
from otlp2parquet_ext.lake.destinations.data_tap import BODY_BYTES, DataTap
from otlp2parquet_ext.lake.destinations.destination import Source
from otlp2parquet_ext.lake.destinations.ndjson import Lines, lines, moment
from otlp2parquet_ext.lake.destinations.posting import post
from otlp2parquet_ext.lake.destinations.verdicts import read_tap, tap_status
from otlp2parquet_ext.lake.http.limits import ACKNOWLEDGED
from otlp2parquet_ext.lake.http.response import WebError
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from otlp2parquet_ext.lake.checking.target import Subject
    from otlp2parquet_ext.lake.http.response import Response

TOKEN = "BD_TAP_CLIENT_TOKEN"  # noqa: S105 - its variable
LINE_TYPE = "otlp2parquet_ext.check"
"""Type of the test line, so that queries can exclude it."""

ANOTHER = (
    f"get another and set {TOKEN}: a Data Tap's token is valid for a day at most, and the "
    "extension cannot renew it"
)
STOP = frozenset({401, 403, 404, 410, 429, *range(300, 400), 500, *range(502, 600)})
"""Statuses that a POST would get, too; other statuses may concern only the GET."""


def tap_trials(subject: Subject) -> Iterator[Trial]:
    """Yield the trials of a Data Tap."""
    token = subject.settings.tap_token
    required = subject.address.place == subject.settings.tap_url
    yield Trial("token", lambda: token_expiry(token, int(time.time()), required=required))
    dialect = DataTap(subject.address.place, token)
    yield Trial("server", partial(_server, subject, dialect), "the Data Tap")
    if subject.send:
        yield Trial("line", partial(_line, subject, dialect), "the Data Tap")


def token_expiry(token: str, now_s: int, *, required: bool = True) -> str:
    """Return a sentence about a token's expiry.

    Args:
        token: the client token of the Data Tap.
        now_s: Unix seconds.
        required: the destination is certainly a Data Tap, not another server with its protocol.

    Raises:
        CheckError: the token is missing, or has expired.
        NotTried: the token is missing, and not required.
    """
    if not token and required:
        raise CheckError(f"{TOKEN} is not set: a Data Tap refuses what comes without", ANOTHER)
    if not token:
        raise NotTried(f"{TOKEN} is not set: some servers want none, a Data Tap does")
    expires = expires_s(token)
    if expires is None:
        return f"{TOKEN} is set; until when it holds only the server knows"
    if expires <= now_s:
        ago = span(now_s - expires)
        raise CheckError(f"{TOKEN} expired on {day(expires)}, {ago} ago", ANOTHER)
    left = span(expires - now_s)
    return f"{TOKEN} holds until {day(expires)}, for {left}; the extension does not renew it"


def _server(subject: Subject, dialect: DataTap) -> str:
    url, headers = dialect.request(Lines(()))
    response = _answered(
        url,
        lambda: subject.access.client.request(
            "GET",
            url,
            headers=headers,
            deadline_ms=subject.deadline_ms(),
            limit=ACKNOWLEDGED,
        ),
    )
    status = tap_status(response)
    if status in STOP:
        raise _refused(response, url, subject)
    more = "" if subject.send else "; whether it takes lines check --send finds out, with one"
    return f"{shown(url)} answers (HTTP {status} to a GET){more}"


def _line(subject: Subject, dialect: DataTap) -> str:
    url, _ = dialect.request(Lines(()))
    gzip = subject.settings.tap_compression == "gzip"
    response = _answered(
        url,
        lambda: post(
            subject.access.client,
            dialect,
            marked_line(subject.environ, time.time_ns() // 1_000),
            gzip=gzip,
            deadline_ms=subject.deadline_ms(),
        )[0],
    )
    status = tap_status(response)
    if 200 <= status < 300:
        return f"{shown(url)} took one line, of type {LINE_TYPE}"
    if gzip and status in (400, 415):
        says = read_tap(response, 0).says
        raise CheckError(
            f"{shown(url)} answers {says}",
            "a Data Tap does not inflate gzip: unset OTLP2PARQUET_TAP_COMPRESSION",
        )
    raise _refused(response, url, subject)


def _answered(url: str, ask: Callable[[], Response]) -> Response:
    try:
        return ask()
    except WebError as error:
        raise silence(error, url) from error


def _refused(response: Response, url: str, subject: Subject) -> CheckError:
    credentials = ANOTHER if subject.settings.tap_token else f"set {TOKEN}"
    status, says = tap_status(response), read_tap(response, 0).says
    return refusal(status, url, says, response, credentials)


def marked_line(environ: Mapping[str, str], now_us: int) -> Lines:
    """Return one line that marks itself as a test.

    Args:
        environ: environment variables of the process, perhaps of a function.
        now_us: Unix microseconds.
    """
    get = environ.get
    context = EnvironmentContext(
        instance_id="check",
        function_name=get("AWS_LAMBDA_FUNCTION_NAME", ""),
        region=get("AWS_REGION", ""),
        started_us=now_us,
    )
    record = {"message": "otlp2parquet-ext check --send tries this Data Tap; leave it out"}
    event = {"time": moment(now_us), "type": LINE_TYPE, "record": record}
    delivery = Delivery(msgspec.json.encode([event]), now_us)
    return next(lines(Source(context, [delivery]), BODY_BYTES))
