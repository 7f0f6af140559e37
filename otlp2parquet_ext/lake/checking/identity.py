"""Check the credentials: their source, and the identity that AWS returns for them.

Source: AWS STS API reference, "GetCallerIdentity": it needs no permission.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from otlp2parquet_ext.lake.checking.runner import NotTried, Trial
from otlp2parquet_ext.lake.checking.target import ANY
from otlp2parquet_ext.lake.http.credentials import provider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otlp2parquet_ext.lake.checking.target import Subject

STS_MS = 2_000
BODY = b"Action=GetCallerIdentity&Version=2011-06-15"
FORM = {"content-type": "application/x-www-form-urlencoded"}
ARN = re.compile(rb"<Arn>([^<]+)</Arn>")
ACCOUNT = re.compile(rb"<Account>(\d{12})</Account>")


def identity_trials(subject: Subject) -> Iterator[Trial]:
    """Yield the trials of the credentials."""
    yield Trial("credentials", lambda: _credentials(subject))
    yield Trial(
        "identity", lambda: _identity(subject), "sts", needs=("credentials",), matters=False
    )


def _credentials(subject: Subject) -> str:
    where = provider(subject.environ)
    found = subject.access.credentials.current(_now_ms() + subject.limit_ms)
    key = found.access_key_id
    return f"from {where}: {key[:4]}…{key[-4:]}, region {subject.region}"


def _identity(subject: Subject) -> str:
    """Ask AWS for our identity; not if the destination is another S3 server."""
    access = subject.access
    elsewhere = access.endpoint("s3") or access.endpoint(subject.address.kind)
    if elsewhere and not access.endpoint("sts"):
        raise NotTried("not asked for: the destination is not AWS's own")
    url = access.endpoint("sts") or f"https://sts.{subject.region}.{subject.domain}"
    answer = access.aws("sts", subject.region).request(
        "POST", f"{url}/", headers=FORM, body=BODY, deadline_ms=_now_ms() + STS_MS
    )
    arn, account = ARN.search(answer.body), ACCOUNT.search(answer.body)
    if answer.status != 200 or arn is None:
        raise NotTried(f"not known: STS answered with HTTP {answer.status}")
    if account is not None and subject.values["ACCOUNT"] == ANY:
        subject.values["ACCOUNT"] = account[1].decode()
    return arn[1].decode("utf-8", "replace")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
