"""Vended credentials: used until shortly before they end, then fetched again."""

from __future__ import annotations

import time

import pytest
from lake_bench import soon

from otlp2parquet_ext.lake.http.credentials import CredentialsError
from otlp2parquet_ext.lake.iceberg.catalogs.vended import VendedCredentials, vends
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError

KEYS = {"s3.access-key-id": "a", "s3.secret-access-key": "b", "s3.session-token": "c"}


class Catalog:
    """Vends credentials that last for a number of ms, and counts the requests."""

    def __init__(self, *lasts_ms: int) -> None:
        self._lasts_ms = list(lasts_ms)
        self.asked = 0
        self._known: dict[str, str] = {}

    def config(self, deadline_ms: int, *, again: bool = False) -> dict[str, str]:
        """See `RestCatalog.storage_config`."""
        del deadline_ms
        if again or not self._known:
            self.asked += 1
            ends_ms = time.time_ns() // 1_000_000 + self._lasts_ms.pop(0)
            self._known = {**KEYS, "s3.session-token-expires-at-ms": str(ends_ms)}
        return self._known


def test_they_are_used_until_they_are_about_to_end() -> None:
    """They must not end during a flush."""
    lasting = Catalog(3_600_000)
    credentials = VendedCredentials(lasting.config)
    assert credentials.current(soon()) == ("a", "b", "c")
    assert credentials.current(soon()) == ("a", "b", "c")
    assert lasting.asked == 1
    ending = Catalog(30_000, 3_600_000)
    assert VendedCredentials(ending.config).current(soon()) == ("a", "b", "c")
    assert ending.asked == 2


def test_what_was_refused_is_asked_for_again_once() -> None:
    """The catalog may vend for less time than it says."""
    catalog = Catalog(3_600_000, 3_600_000)
    credentials = VendedCredentials(catalog.config)
    credentials.current(soon())
    assert credentials.refused()
    credentials.current(soon())
    credentials.current(soon())
    assert catalog.asked == 2


def test_a_catalog_that_lends_none_says_so() -> None:
    """The same holds if it does not answer. Storage handles such errors, and keeps the batch."""
    assert not vends({"s3.endpoint": "http://x"})
    with pytest.raises(CredentialsError, match="vends no credentials"):
        VendedCredentials(lambda _, again=False: {}).current(soon())  # noqa: ARG005

    def refuse(deadline_ms: int, *, again: bool = False) -> dict[str, str]:
        raise CommitError(f"no, {deadline_ms} {again}")

    with pytest.raises(CredentialsError, match="no, "):
        VendedCredentials(refuse).current(soon())
