"""Parse and check a destination's URL, before anything is opened. Pure.

s3://bucket/prefix                        plain Parquet
file:///path                              plain Parquet
arn:aws:s3tables:region:account:bucket/n  Iceberg, S3 Tables
glue://database?warehouse=s3://bucket/p   Iceberg, AWS Glue
rest+https://host/path?warehouse=name     Iceberg, any REST catalog
sqlite:///path/catalog.db?warehouse=/path Iceberg, in one file
catalog://name                            Iceberg, any catalog PyIceberg knows
https://host/path                         a Data Tap: NDJSON
otlp+https://host/path                    a collector: OTLP/HTTP

A variable may hold several URLs: `destination_list.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct, field

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.common.secrets.urls import UNKNOWN, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from urllib.parse import SplitResult

AWS = frozenset({"region", "endpoint", "path-style"})
"""Options of all destinations on AWS."""

REST = AWS | {
    "warehouse",
    "signing-name",
    "signing-region",
    "oauth2-server-uri",
    "scope",
    "vended",
}
S3_TABLES_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):s3tables:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):bucket/"
    r"(?P<bucket>[a-z0-9][a-z0-9-]{1,61}[a-z0-9])"
)
# Glue's catalog name for table buckets, in requests to Glue's REST endpoint.
IN_GLUE = re.compile(r"\d{12}:s3tablescatalog/.+")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
CATALOG = re.compile(r"[A-Za-z0-9_-]+")
FOLDER_NAME = re.compile(
    r"(?!\.{1,2}$)[^\s/\\\x00-\x1f\x7f]([^/\\\x00-\x1f\x7f]*[^\s/\\\x00-\x1f\x7f])?"
)
"""Valid names of namespaces and tables: each names a folder of the warehouse."""

FOLDER_NAME_BYTES = 255
OPTION = re.compile(r"[A-Za-z][A-Za-z_-]{0,23}")
"""The form of an option's name. Messages quote nothing else of a query, for it may be a secret."""

LOWER_NAME = re.compile(r"[a-z0-9]([a-z0-9_]{0,253}[a-z0-9])?")
FILE_URI = re.compile(r"^file:(?:///|/(?!/))")

EXPECTED = (
    "s3://bucket/prefix, arn:aws:s3tables:REGION:ACCOUNT:bucket/NAME, "
    "glue://DATABASE?warehouse=s3://bucket/prefix, rest+https://host/path?warehouse=NAME, "
    "catalog://NAME, sqlite:///path/catalog.db?warehouse=/path, file:///path, "
    "https://host/path (a Data Tap) or otlp+https://host/path"
)

FORWARDING = frozenset({"tap", "otlp"})
"""Kinds of destinations that forward telemetry and hold no tables."""

NO_SECRETS = (
    "it must hold no secret and no @: set OTLP2PARQUET_REST_TOKEN, BD_TAP_CLIENT_TOKEN or "
    "OTLP2PARQUET_OTLP_HEADERS"
)


class AddressError(Exception):
    """A URL is not a valid destination; the message names the wrong part and what is valid."""


class DestinationAddress(Struct, frozen=True):
    """The parts of a destination's URL.

    Attributes:
        kind: `file`, `s3`, `sqlite`, `s3tables`, `glue`, `rest`, `catalog`, `tap` or `otlp`.
        place: path of a file or folder, `bucket/prefix`, ARN, database, URL or catalog name.
        options: options in the URL's query.
    """

    kind: str
    place: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def in_table_bucket(self) -> bool:
        """Whether the table lies in a table bucket, through any catalog.

        A table bucket holds only the table's own files, so an inbox cannot be there. Its names are
        in lower case.
        """
        warehouse = self.options.get("warehouse", "")
        named = S3_TABLES_ARN.fullmatch(warehouse) or IN_GLUE.fullmatch(warehouse)
        return self.kind == "s3tables" or (self.kind == "rest" and named is not None)

    @property
    def lower_case(self) -> bool:
        """Whether the catalog accepts only lower-case names."""
        return self.kind == "glue" or self.in_table_bucket


def parse(text: str, variable: str = "OTLP2PARQUET_DESTINATION") -> DestinationAddress:
    """Parse a URL.

    Args:
        text: the URL or ARN.
        variable: the environment variable that holds it, for messages.

    Raises:
        AddressError: the URL is not a valid destination.
    """
    try:
        url = urlsplit(text)
        return READERS.get(url.scheme, _unknown)(url)
    except (ValueError, AddressError) as error:
        quoted = UNKNOWN in shown(text) if isinstance(error, AddressError) else "'" in str(error)
        # The error may quote a password: the text before an @, or in the place of a port.
        why = "its host or port is malformed" if quoted else quote(error)
        why = NO_SECRETS if "@" in text else why
        raise AddressError(f"{variable}={shown(text)!r}: {why}; expected {EXPECTED}") from None


def _unknown(url: SplitResult) -> DestinationAddress:
    raise AddressError(f"there is no scheme {url.scheme!r}")


def _options(url: SplitResult, known: frozenset[str]) -> dict[str, str]:
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    if unknown := options.keys() - known:
        name = min(unknown)
        which = repr(name) if OPTION.fullmatch(name) else "something in the query"
        raise AddressError(
            f"{which} is not an option; there are {', '.join(sorted(known)) or 'none'}"
        )
    if options.get("path-style", "true") not in ("true", "false"):
        raise AddressError(f"path-style={options['path-style']!r} is neither true nor false")
    if not options.get("endpoint", "http://").startswith(("http://", "https://")):
        raise AddressError(
            f"endpoint={shown(options['endpoint'])!r} is no http:// or https:// address"
        )
    return options


def _path(url: SplitResult) -> str:
    if url.netloc or not url.path.strip("/"):
        raise AddressError("the path must be absolute, with three slashes before it")
    return url.path


def _file(url: SplitResult) -> DestinationAddress:
    return DestinationAddress("file", _path(url), _options(url, frozenset()))


def _sqlite(url: SplitResult) -> DestinationAddress:
    options = _options(url, frozenset({"warehouse"}))
    if warehouse := options.get("warehouse"):
        options["warehouse"] = path = FILE_URI.sub("/", warehouse)
        if not path.startswith("/"):
            raise AddressError(f"warehouse={path!r} is not an absolute path or file:/// URI")
    return DestinationAddress("sqlite", _path(url), options)


def _s3(url: SplitResult) -> DestinationAddress:
    if not BUCKET.fullmatch(url.netloc):
        raise AddressError(f"{url.netloc!r} is no name of a bucket")
    return DestinationAddress("s3", f"{url.netloc}{url.path}".rstrip("/"), _options(url, AWS))


def _arn(url: SplitResult) -> DestinationAddress:
    arn = f"arn:{url.path}"
    if not S3_TABLES_ARN.fullmatch(arn):
        raise AddressError("this is no ARN of a table bucket")
    return DestinationAddress("s3tables", arn, _options(url, AWS))


def _glue(url: SplitResult) -> DestinationAddress:
    options = _options(url, AWS | {"warehouse", "catalog-id"})
    if not LOWER_NAME.fullmatch(url.netloc) or url.path.strip("/"):
        raise AddressError(f"{url.netloc + url.path!r} is no lower-case name of a Glue database")
    warehouse = urlsplit(options.get("warehouse", ""))
    if warehouse.scheme != "s3" or not BUCKET.fullmatch(warehouse.netloc):
        raise AddressError(f"warehouse={shown(warehouse.geturl())!r} is no s3://bucket/prefix")
    return DestinationAddress("glue", url.netloc, options)


def _rest(url: SplitResult) -> DestinationAddress:
    if not url.hostname:
        raise AddressError("it names no host")
    if url.username or url.password:
        raise AddressError(NO_SECRETS)
    scheme = url.scheme.removeprefix("rest+")
    return DestinationAddress(
        "rest", f"{scheme}://{url.netloc}{url.path}".rstrip("/"), _options(url, REST)
    )


HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
SIGNAL_PATH = re.compile(r".*/v1/(logs|traces|metrics)/?")


def _server(url: SplitResult) -> None:
    """Refuse a URL without a valid host and port."""
    if not url.hostname or not HOST.fullmatch(url.hostname):
        raise AddressError(f"{url.hostname or ''!r} is no host")
    _ = url.port  # raises ValueError when out of range
    if url.username or url.password or url.fragment:
        raise AddressError(NO_SECRETS)


def _tap(url: SplitResult) -> DestinationAddress:
    _server(url)
    return DestinationAddress("tap", url.geturl())


def _otlp(url: SplitResult) -> DestinationAddress:
    _server(url)
    if SIGNAL_PATH.fullmatch(url.path):
        raise AddressError("leave out /v1/…, which is put behind it for each signal")
    scheme = url.scheme.removeprefix("otlp+")
    _options(url, frozenset())
    return DestinationAddress("otlp", f"{scheme}://{url.netloc}{url.path}".rstrip("/"))


def _catalog(url: SplitResult) -> DestinationAddress:
    if not CATALOG.fullmatch(url.netloc) or url.path.strip("/"):
        raise AddressError(f"{url.netloc + url.path!r} is no name of a catalog")
    return DestinationAddress("catalog", url.netloc, _options(url, AWS | {"warehouse"}))


READERS: Mapping[str, Callable[[SplitResult], DestinationAddress]] = {
    "file": _file,
    "sqlite": _sqlite,
    "s3": _s3,
    "arn": _arn,
    "glue": _glue,
    "rest+https": _rest,
    "rest+http": _rest,
    "catalog": _catalog,
    "https": _tap,
    "http": _tap,
    "otlp+https": _otlp,
    "otlp+http": _otlp,
}


def check_names(address: DestinationAddress, namespace: str, tables: Mapping[str, str]) -> None:
    """Refuse names that the file system or the catalog refuses, and one name for two tables.

    Args:
        address: the destination.
        namespace: name of the namespace.
        tables: names of the tables, by our own names for them (keys of `TABLES`).

    Raises:
        AddressError: the message quotes the name and states what is valid.

    Source: S3 Tables user guide, "Amazon S3 table bucket, table, and namespace naming rules".
    """
    variables = {f"OTLP2PARQUET_TABLE_{table.upper()}": name for table, name in tables.items()}
    taken: dict[str, str] = {}
    for variable, name in variables.items():
        if (other := taken.setdefault(name.lower(), variable)) != variable:
            raise AddressError(
                f"{variable}={name!r}: {other} names the same table; expected one of its own"
            )
    if not address.lower_case:
        if address.kind not in ("file", "s3"):
            _check_folders({"OTLP2PARQUET_NAMESPACE": namespace, **variables})
        return
    who = "S3 Tables" if address.in_table_bucket else "Glue"
    for variable, name in {"OTLP2PARQUET_NAMESPACE": namespace, **variables}.items():
        if not LOWER_NAME.fullmatch(name) or name.startswith("aws"):
            raise AddressError(
                f"{variable}={name!r}: {who} takes 1 to 255 lower-case letters, digits and "
                "underscores, beginning and ending with a letter or digit, not with aws"
            )


def _check_folders(names: Mapping[str, str]) -> None:
    """Refuse names that are no folder inside the warehouse, for example `..`."""
    for variable, name in names.items():
        if not FOLDER_NAME.fullmatch(name) or len(name.encode()) > FOLDER_NAME_BYTES:
            raise AddressError(
                f"{variable}={name!r}: expected 1 to 255 bytes without slashes, control "
                "characters and outer spaces, not . or .., for it names a folder"
            )
