"""Credentials for a table's files that its REST catalog vends.

They are valid for about an hour. Before they expire, or after a refusal, the catalog is asked for
new ones.

Source: Apache Iceberg REST catalog, OpenAPI specification, "LoadTableResult".
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from otlp2parquet_ext.common.log import hide_fetched
from otlp2parquet_ext.lake.http.credentials import Credentials, CredentialsError
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_ID = "s3.access-key-id"
SECRET = "s3.secret-access-key"  # noqa: S105 - a name
TOKEN = "s3.session-token"  # noqa: S105 - a name
EXPIRES = "s3.session-token-expires-at-ms"
MARGIN_MS = 60_000


def vends(config: Mapping[str, str]) -> bool:
    """Return whether a table's configuration holds credentials."""
    return KEY_ID in config and SECRET in config


class VendedCredentials:
    """The credentials for requests to the table's files, instead of a `CredentialSource`.

    Args:
        config: returns the table's configuration; with `again` it asks the catalog.
    """

    def __init__(self, config: Configured) -> None:
        self._config = config
        self._again = False

    def current(self, deadline_ms: int) -> Credentials:
        """Return credentials that do not expire soon.

        Raises:
            CredentialsError: the catalog did not respond, or vends no credentials.
        """
        try:
            found = self._config(deadline_ms, again=self._again)
            if not self._again and _ending(found):
                found = self._config(deadline_ms, again=True)
        except CommitError as error:
            raise CredentialsError(f"the catalog did not vend credentials: {error}") from error
        if not vends(found):
            raise CredentialsError("the catalog vends no credentials for the table's files")
        self._again = False
        hide_fetched(found[SECRET], found.get(TOKEN))
        return Credentials(found[KEY_ID], found[SECRET], found.get(TOKEN))

    def refused(self) -> bool:
        """Request new credentials from the catalog at the next use."""
        self._again = True
        return True


class Configured(Protocol):
    """`RestCatalog.storage_config`."""

    def __call__(self, deadline_ms: int, *, again: bool = ...) -> Mapping[str, str]:
        """Return a table's configuration. Raises `CommitError`."""


def _ending(config: Mapping[str, str]) -> bool:
    ends = config.get(EXPIRES, "")
    return ends.isdecimal() and int(ends) - MARGIN_MS < time.time_ns() // 1_000_000
