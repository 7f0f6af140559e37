"""Check a collector with a request without records, which is valid OTLP and has no effect.

Source: OTLP specification, "OTLP/HTTP Request": a server responds to an empty request with success.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.common.secrets.urls import shown
from otlp2parquet_ext.lake.checking.remedies import CheckError
from otlp2parquet_ext.lake.checking.runner import NotTried, Trial
from otlp2parquet_ext.lake.checking.server import refusal, silence
from otlp2parquet_ext.lake.destinations.otlp_http import OURS, OtlpHttp, read_headers
from otlp2parquet_ext.lake.destinations.posting import post
from otlp2parquet_ext.lake.destinations.verdicts import Verdict
from otlp2parquet_ext.lake.http.response import WebError
from otlp2parquet_ext.records.otlp.messages import Signal
from otlp2parquet_ext.records.otlp.sending import Export

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from otlp2parquet_ext.lake.checking.target import Subject
    from otlp2parquet_ext.lake.destinations.verdicts import SendResult
    from otlp2parquet_ext.lake.http.response import Response

NO_RECORDS = b"\n\x00"
"""A request with one resource and no scopes, because some servers refuse an empty body."""

HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
COMPRESSION = "OTEL_EXPORTER_OTLP_COMPRESSION"
NO_COMPRESSION = f"set {COMPRESSION}=none, or let the server inflate gzip"
NOT_INFLATED = frozenset({400, 415})


def collector_trials(subject: Subject) -> Iterator[Trial]:
    """Yield the trials of a collector: one for each signal.

    All environments send log records, because reports of losses are log records.
    """
    settings = subject.settings
    dialect = OtlpHttp(subject.address.place, read_headers(settings.otlp_headers))
    ours = settings.signals | {"logs"}
    for signal in Signal:
        if signal in ours or settings.otlp:
            run = partial(_takes, subject, dialect, signal, ours=signal in ours)
            yield Trial(f"takes {signal}", run, "the collector")


def _takes(subject: Subject, dialect: OtlpHttp, signal: Signal, *, ours: bool) -> str:
    """Try one signal; a refusal is only a note if the signal could come from an SDK alone."""
    try:
        return _try(subject, dialect, signal)
    except CheckError as error:
        if ours or isinstance(error.__cause__, WebError):
            raise
        says = f"{error}; what the function's SDK exports of them is dropped and counted"
        raise NotTried(says) from error


def _try(subject: Subject, dialect: OtlpHttp, signal: Signal) -> str:
    gzip = subject.settings.otlp_compression == "gzip"
    url, _ = dialect.request(Export(signal, NO_RECORDS))
    answer, response = _ask(subject, dialect, signal, gzip=gzip)
    if answer.verdict is Verdict.ACCEPTED:
        return _taken(answer, response, url, signal)
    if response.status in NOT_INFLATED and gzip:
        plain, _ = _ask(subject, dialect, signal, gzip=False)
        if plain.verdict is Verdict.ACCEPTED:
            raise CheckError(f"{shown(url)} takes no gzip: {answer.says}", NO_COMPRESSION)
    if response.status == 400 and b"HTTPS" not in response.body:
        raise NotTried(
            f"{shown(url)} is there, and wants no request without records ({answer.says}): "
            "whether it takes others shows with the first"
        )
    raise _refused(answer, response, *dialect.request(Export(signal, NO_RECORDS)))


def _ask(
    subject: Subject, dialect: OtlpHttp, signal: Signal, *, gzip: bool
) -> tuple[SendResult, Response]:
    part = Export(signal, NO_RECORDS)
    deadline_ms = subject.deadline_ms()
    try:
        response, _ = post(subject.access.client, dialect, part, gzip=gzip, deadline_ms=deadline_ms)
    except WebError as error:
        raise silence(error, dialect.request(part)[0]) from error
    return dialect.read(response, part, time.time_ns() // 1_000_000), response


KIND_CHARACTERS = 80


def _taken(answer: SendResult, response: Response, url: str, signal: Signal) -> str:
    kind = quote(response.headers.get("content-type", ""), KIND_CHARACTERS)
    if kind.startswith("text/html"):
        raise CheckError(
            f"{shown(url)} answers with a web page (HTTP {response.status}, {kind})",
            "that is no collector: look at the path, the host and the port",
        )
    warning = f"; it says: {answer.says}" if answer.says else ""
    return f"{shown(url)} takes {signal}: HTTP {response.status} to a request without any{warning}"


def _refused(
    answer: SendResult, response: Response, url: str, headers: Mapping[str, str]
) -> CheckError:
    if response.status == 400:
        return CheckError(
            f"{shown(url)} answers {answer.says}", "it speaks TLS there: write otlp+https://…"
        )
    names = ", ".join(sorted(name for name in headers if name.lower() not in OURS))
    credentials = (
        f"it does not accept what is in {HEADERS} ({names})"
        if names
        else f"set {HEADERS}, for example to authorization=Bearer%20TOKEN"
    )
    return refusal(response.status, url, answer.says, response, credentials)
