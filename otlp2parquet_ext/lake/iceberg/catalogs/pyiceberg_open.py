"""Open a PyIceberg catalog such that it does not hang and does not retry commits.

If a transport sends a commit again because the response was lost, a success becomes a conflict. So
the transports of a catalog do not retry here. `LeanTable` retries, and first reads the table.

Source: PyIceberg's documentation, "Catalogs"; botocore's, "Retries"; requests', "Timeouts".
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from pyiceberg.catalog import BOTOCORE_SESSION, load_catalog
from pyiceberg.exceptions import NotInstalledError, RESTError

from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.lake.http.answer_reader import bound_botocore
from otlp2parquet_ext.lake.http.clear_text import clear_text
from otlp2parquet_ext.lake.http.limits import memory_limit_bytes
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_answers import bound_requests
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_config import known_catalogs, variable
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_connection import explained
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_files import FILES, IO_IMPL
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_io import OUR_IO
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pyiceberg.catalog import Catalog

    from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_files import Files

REGION = "client.region"
CONNECT_S = 5
ANSWER_S = 20
"""Read timeout of the transports, in seconds. The caller abandons a hanging call much earlier; this
timeout ends the call's thread."""


def open_catalog(
    name: str, properties: Mapping[str, str], files: Files, environ: Mapping[str, str]
) -> Catalog:
    """Open a catalog.

    Args:
        name: name of the catalog; a SQL catalog stores it with each table.
        properties: PyIceberg's properties of the catalog.
        files: storage of the tables' files.
        environ: environment variables of the process.

    Raises:
        CommitError: the catalog is not configured, or cannot be opened; the message names the
            setting to add.
    """
    body_bytes = memory_limit_bytes(environ)
    bound_requests(body_bytes)
    ours: dict[str, Any] = {
        IO_IMPL: OUR_IO,
        FILES: files,
        **_without_retries(properties, body_bytes),
    }
    # boto3 does not read AWS_REGION, which Lambda sets.
    region = {REGION: environ["AWS_REGION"]} if environ.get("AWS_REGION") else {}
    _warn_of_clear_text(properties)
    try:
        catalog = _load(name, {**region, **properties, **ours})
    except ValueError as error:
        if properties:
            raise CommitError(f"catalog://{name}: {quote(error)}") from error
        raise CommitError(_unknown(name, known_catalogs(environ))) from error
    except NotInstalledError as error:
        raise CommitError(f"catalog://{name} needs {_extra_for(error)}") from error
    except Exception as error:  # each SDK or driver has its own errors
        raise CommitError(f"catalog://{name} cannot be opened: {explained(error)}") from error
    _adapt(catalog)
    files.properties = catalog.properties
    return catalog


def _warn_of_clear_text(properties: Mapping[str, str]) -> None:
    """Log a warning if a token or credential would go unencrypted to a REST catalog."""
    catalog = properties.get("uri", "")
    goes = {"token": catalog, "credential": properties.get("oauth2-server-uri") or catalog}
    for secret in filter(properties.get, goes):
        if line := clear_text(goes[secret], f"the property {secret}"):
            log("warning", line)


def _extra_for(error: Exception) -> str:
    """Return the package to install. The layer has all packages that AWS's catalogs need.

    PyIceberg's own message would name an extra of PyIceberg, not one of this package.
    """
    if "AWS" in str(error):
        return "boto3: pip install 'otlp2parquet-ext[glue]'; glue://DATABASE does without"
    return f"a library that is not installed: {explained(error)}"


def _load(name: str, properties: dict[str, Any]) -> Catalog:
    """Load a catalog; try again after a database error.

    Another process may have created the database's tables at the same moment.
    """
    try:
        return load_catalog(name, **properties)
    except Exception as error:
        if type(error).__name__ not in DATABASE_ERRORS:
            raise
        return load_catalog(name, **properties)


DATABASE_ERRORS = frozenset({"OperationalError", "ProgrammingError", "IntegrityError"})


def lasting(error: BaseException) -> bool:
    """Return whether a request was certainly refused, so that a retry would be refused, too."""
    status = _status(error)
    if isinstance(error, RESTError):
        return type(error).__name__ in REFUSALS and "Throttl" not in str(error)
    if status is not None:
        return 400 <= status < 500 and status != 429 and not _throttled(error)
    return type(error).__name__ in REFUSALS


REFUSALS = frozenset(
    {
        "BadRequestError",
        "UnauthorizedError",
        "AuthorizationExpiredError",
        "ForbiddenError",
        "OAuthError",
        "NoSuchTableError",
        "NoSuchNamespaceError",
        "ValidationException",
        "NotImplementedError",
        "ProgrammingError",  # from a database: no such table, permission denied
        "NoCredentialsError",
        "PartialCredentialsError",
        "NoRegionError",
    }
)
THROTTLING = ("Throttl", "TooManyRequests", "ProvisionedThroughputExceeded", "RequestLimit")


def _status(error: BaseException) -> int | None:
    """Return the HTTP status in an error of botocore."""
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return None
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status if isinstance(status, int) else None


def _throttled(error: BaseException) -> bool:
    code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
    return any(word in code for word in (*THROTTLING, "RequestTimeout"))


def _unknown(name: str, known: Sequence[str]) -> str:
    return (
        f"catalog://{name}: there is no catalog of that name; expected variables such as "
        f"{variable(name, 'uri')} and {variable(name, 'warehouse')}, or "
        f"{variable(name, 'type')}=glue; known are: {', '.join(known) or 'none'}"
    )


def _without_retries(properties: Mapping[str, str], body_bytes: int) -> dict[str, Any]:
    """Return properties that turn off the retries of PyIceberg's transports."""
    off: dict[str, Any] = {"glue.max-retries": 0, "rest.sigv4.max-retries": 0}
    aws = properties.get("type", "").lower() in ("glue", "dynamodb")
    if aws or properties.get("rest.sigv4-enabled", "false").lower() == "true":
        off[BOTOCORE_SESSION] = _botocore_session(body_bytes)
    return off


def _botocore_session(body_bytes: int) -> object:
    """Return a session whose clients do not retry, with bounded responses and timeouts."""
    try:
        # Imported here, as in PyIceberg, only for catalogs that need it.
        from botocore.config import Config  # noqa: PLC0415
        from botocore.session import get_session  # noqa: PLC0415
    except ImportError as error:
        raise CommitError(
            f"the catalog is one of AWS's: boto3 is needed, and cannot be loaded: {quote(error)}"
        ) from error
    bound_botocore(body_bytes)
    session = get_session()
    session.set_default_client_config(
        Config(
            connect_timeout=CONNECT_S,
            read_timeout=ANSWER_S,
            retries={"total_max_attempts": 1},
        )
    )
    return session


def _adapt(catalog: Catalog) -> None:
    """Patch two behaviours that PyIceberg has no property for; a test fails once they change.

    Requests to a REST catalog have no timeout. Before each commit to Glue, PyIceberg asks AWS
    whether the database belongs to S3 Tables, which never changes.
    """
    session: Any = getattr(catalog, "_session", None)
    if session is not None:
        session.request = _limited(session.request)
    asks: Any = getattr(catalog, "_is_s3tables_database", None)
    if asks is not None:
        catalog._is_s3tables_database = cache(asks)  # type: ignore[attr-defined] # noqa: SLF001


def _limited(request: Callable[..., object]) -> Callable[..., object]:
    def limited(method: str, url: str, **options: Any) -> object:
        options.setdefault("timeout", (CONNECT_S, ANSWER_S))
        return request(method, url, **options)

    return limited
