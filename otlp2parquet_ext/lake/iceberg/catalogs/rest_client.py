"""Send requests about one table to a REST catalog, and classify the responses.

    response --> the table | None if missing | lost commit | OutcomeUnknownError | CommitError

This module handles the catalog's configuration and URLs; rest_catalog.py remembers the table.

Source: Apache Iceberg REST catalog, OpenAPI specification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.common.secrets.urls import shown
from otlp2parquet_ext.lake.http.address import same_family
from otlp2parquet_ext.lake.http.errors import UNREADABLE
from otlp2parquet_ext.lake.http.limits import ACKNOWLEDGED, DOCUMENT, METADATA
from otlp2parquet_ext.lake.http.response import ResponseTooLongError, WebError
from otlp2parquet_ext.lake.iceberg.catalogs import rest_answers
from otlp2parquet_ext.lake.iceberg.catalogs.outcomes import (
    DONE,
    CatalogFailure,
    CatalogOutcome,
    failure,
    outcome,
)
from otlp2parquet_ext.lake.iceberg.catalogs.remedies import Operation
from otlp2parquet_ext.lake.iceberg.catalogs.rest_requests import (
    SEPARATOR,
    RestRequest,
    Table,
    commit_request,
    config_request,
    create_request,
    impossible_request,
    load_request,
    namespace_request,
)
from otlp2parquet_ext.lake.iceberg.commit.catalog import OutcomeUnknownError
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.lake.http.limits import AnswerLimit
    from otlp2parquet_ext.lake.http.response import BytesLike, Response
    from otlp2parquet_ext.lake.iceberg.catalogs.remedies import Remedies
    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata, TableChange

JSON = {"content-type": "application/json", "accept": "application/json"}
DELEGATION = {"x-iceberg-access-delegation": "vended-credentials"}


LIMITS = {
    Operation.CONFIG: DOCUMENT,
    Operation.LOAD: METADATA,
    Operation.NAMESPACE: ACKNOWLEDGED,
    Operation.CREATE: METADATA,
    Operation.COMMIT: METADATA,
}
"""Limit of each response: only a table's metadata may be long."""


class Sender(Protocol):
    """Sends authenticated requests: `http.aws.AwsClient`, `bearer.BearerClient`."""

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = ...,
        body: BytesLike = ...,
        deadline_ms: int,
        retry: bool = ...,
        limit: AnswerLimit | None = ...,
    ) -> Response:
        """Send a request; `retry` allows more than one attempt. Raises `WebError`."""


class RestTable(msgspec.Struct, frozen=True):
    """The user's settings for a table in a REST catalog.

    Attributes:
        uri: the catalog's URL, without `/v1`.
        warehouse: the warehouse's name in the catalog; may be "".
        namespace: its levels, separated by dots.
        name: name of the table.
        prefix: percent-encoded prefix of paths, if the catalog's configuration has none.
        vended: request credentials for the table's files.
    """

    uri: str
    warehouse: str
    namespace: str
    name: str
    prefix: str = ""
    vended: bool = False


class Committed(msgspec.Struct, frozen=True):
    """The result of a commit.

    Attributes:
        landed: the commit succeeded; False if another writer has changed the table.
        table: the new table; None if the response does not hold it.
    """

    landed: bool
    table: rest_answers.Loaded | None = None


class RestClient:
    """One table in a REST catalog.

    Args:
        sender: sends authenticated requests.
        wanted: the table.
        remedies: advice for messages.
    """

    def __init__(self, sender: Sender, wanted: RestTable, remedies: Remedies) -> None:
        self._sender = sender
        self._wanted = wanted
        self._remedies = remedies
        self._config: rest_answers.Config | None = None

    def load(self, deadline_ms: int) -> rest_answers.Loaded | None:
        """Return the current table; None if it does not exist.

        Raises:
            CommitError: the catalog refused or could not be reached.
        """
        answer = self._send(Operation.LOAD, load_request(self._table(deadline_ms)), deadline_ms)
        if answer.status in DONE:
            return _table(answer)
        found = failure(answer)
        if outcome(found) is CatalogOutcome.ABSENT:
            return None
        raise self._remedies.refusal(Operation.LOAD, found)

    def create(self, metadata: Metadata, deadline_ms: int) -> rest_answers.Loaded | None:
        """Create the namespace and the table; return None if the table exists already.

        The namespace is created first. SeaweedFS refuses a table in a missing namespace, and then
        cannot create that namespace any more. If the role may not create namespaces, the refusal is
        ignored, because the namespace may exist.

        Args:
            metadata: metadata for the new table; the catalog may choose another location.
            deadline_ms: Unix ms.

        Raises:
            CommitError: the catalog refused or could not be reached.
        """
        table = self._table(deadline_ms)
        namespace = self._make(Operation.NAMESPACE, namespace_request(table), deadline_ms)
        made = self._make(Operation.CREATE, create_request(table, metadata), deadline_ms)
        if not isinstance(made, CatalogFailure):
            return _table(made)
        if outcome(made) is CatalogOutcome.CONFLICT:
            return None
        absent = outcome(made) is CatalogOutcome.ABSENT
        if (
            absent
            and isinstance(namespace, CatalogFailure)
            and outcome(namespace) != CatalogOutcome.CONFLICT
        ):
            raise self._remedies.refusal(Operation.NAMESPACE, namespace)
        raise self._remedies.refusal(Operation.CREATE, made)

    def _make(
        self, operation: Operation, request: RestRequest, deadline_ms: int
    ) -> Response | CatalogFailure:
        answer = self._send(operation, request, deadline_ms)
        return answer if answer.status in DONE else failure(answer)

    def commit(self, base: Metadata, change: TableChange, deadline_ms: int) -> Committed:
        """Apply a change if the table is still `base`; sends exactly one request.

        Raises:
            OutcomeUnknownError: the catalog may have applied it.
            CommitError: the catalog refused for another reason than a conflict.
        """
        request = commit_request(self._table(deadline_ms), base, change)
        try:
            answer = self._send(Operation.COMMIT, request, deadline_ms)
        except _LandedError:
            return Committed(landed=True)
        if answer.status in DONE:
            return Committed(landed=True, table=_table_or_none(answer))
        found = failure(answer)
        match outcome(found):
            case CatalogOutcome.CONFLICT:
                return Committed(landed=False)
            case CatalogOutcome.UNKNOWN:
                raise OutcomeUnknownError(f"the commit: {found}")
            case _:
                raise self._remedies.refusal(Operation.COMMIT, found)

    def try_commit(self, base: Metadata, deadline_ms: int) -> None:
        """Send a commit that requires another table UUID; a permitted client gets a conflict.

        Raises:
            CommitError: a commit of ours would be refused, or the catalog cannot be reached.
        """
        request = impossible_request(self._table(deadline_ms), base)
        answer = self._send(Operation.COMMIT, request, deadline_ms)
        if answer.status in DONE or (found := failure(answer)).status == 400:
            return
        if outcome(found) is not CatalogOutcome.CONFLICT:
            raise self._remedies.refusal(Operation.COMMIT, found)

    def config(self, deadline_ms: int) -> rest_answers.Config:
        """Return the catalog's configuration; requested once."""
        if self._config is None:
            request = config_request(self._wanted.uri, self._wanted.warehouse)
            answer = self._send(Operation.CONFIG, request, deadline_ms)
            if answer.status not in DONE:
                raise self._remedies.refusal(Operation.CONFIG, failure(answer))
            try:
                self._config = rest_answers.decode_config(answer.body)
            except UNREADABLE as error:
                raise CommitError(
                    f"{shown(request.url)} is not a REST catalog's: {quote(error)}"
                ) from error
        return self._config

    def _table(self, deadline_ms: int) -> Table:
        config, wanted = self.config(deadline_ms), self._wanted
        return Table(
            uri=_followed(config.get("uri", wanted.uri), wanted.uri),
            namespace=tuple(wanted.namespace.split(".")),
            name=wanted.name,
            prefix=config.get("prefix", wanted.prefix),
            separator=config.get("namespace-separator", SEPARATOR),
        )

    def _send(self, operation: Operation, request: RestRequest, deadline_ms: int) -> Response:
        try:
            return self._sender.request(
                request.method,
                request.url,
                headers={**JSON, **(DELEGATION if self._wanted.vended else {})},
                body=request.body,
                deadline_ms=deadline_ms,
                retry=operation is not Operation.COMMIT,
                limit=LIMITS[operation],
            )
        except WebError as error:
            if operation is Operation.COMMIT and isinstance(error, ResponseTooLongError):
                raise _LandedError(str(error)) from error
            if operation is Operation.COMMIT and error.sent:
                raise OutcomeUnknownError(f"the commit: {error}") from error
            raise CommitError(f"{operation.value}: {error}") from error


def _followed(theirs: str, ours: str) -> str:
    """Return the URL that the catalog's configuration names.

    Raises:
        CommitError: another host, or no TLS: our token must not go there.
    """
    try:
        followed = theirs == ours or same_family(theirs, ours)
    except WebError as error:
        raise CommitError(f"the catalog's overrides.uri: {error}") from error
    if not followed:
        raise CommitError(
            f"the catalog's overrides.uri leads from {shown(ours)} to {shown(theirs)}: expected "
            "the same host or one below it, and https where it was https; it is not followed, to "
            "keep our token from that host. If it is right, name it in OTLP2PARQUET_DESTINATION"
        )
    return theirs


class _LandedError(CommitError):
    """The commit succeeded, but its response is too long to read."""


def _table(answer: Response) -> rest_answers.Loaded:
    try:
        return rest_answers.decode_loaded(answer.body)
    except UNREADABLE as error:
        raise CommitError(
            f"the catalog's answer is not a table's metadata: {quote(error)}"
        ) from error


def _table_or_none(answer: Response) -> rest_answers.Loaded | None:
    """Parse the response to a successful commit; None if malformed: the commit stays a success."""
    try:
        return _table(answer)
    except CommitError:
        return None
