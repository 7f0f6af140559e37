"""Make the destinations that the settings name; opens no file, table or connection yet."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.common.secrets.urls import shown
from otlp2parquet_ext.lake.destinations.address import FORWARDING, AddressError, check_names
from otlp2parquet_ext.lake.destinations.commit_strategy import (
    check_files_have_a_place,
    environment_settings,
    strategy_problem,
)
from otlp2parquet_ext.lake.destinations.destination import DestinationError
from otlp2parquet_ext.lake.destinations.destination_list import (
    PLAIN,
    as_written,
    lake_of,
    parse_all,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.common.settings.settings import Settings
    from otlp2parquet_ext.lake.destinations.access import Access
    from otlp2parquet_ext.lake.destinations.address import DestinationAddress
    from otlp2parquet_ext.lake.destinations.destination import Destination
    from otlp2parquet_ext.lake.destinations.group import DestinationGroup
    from otlp2parquet_ext.lake.http.client import RequestObserver

OURSELVES = frozenset(
    {"127.0.0.1", "localhost", "::1", "0.0.0.0", "sandbox", "sandbox.localdomain"}
)

__all__ = ["PLAIN", "all_checked", "checked", "choose", "names"]


def choose(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    watch: RequestObserver | None = None,
) -> DestinationGroup:
    """Return the destinations in `OTLP2PARQUET_DESTINATION` as one group, for an environment.

    A committer opens its tables itself (`functions/committer/opening.py`).

    Args:
        settings: hold the destinations' URLs.
        environ: environment variables of the process: credentials, regions, endpoints.
        watch: receives a report of each HTTP request.

    Raises:
        DestinationError: an address or name is malformed; the message names the wrong part and
            what is valid.
    """
    from otlp2parquet_ext.lake.destinations.access import Access  # noqa: PLC0415

    # Imports are local: each kind of destination loads only the libraries it needs.
    try:
        addresses = parse_all(settings.destination)
        if problem := strategy_problem(addresses, settings):
            log("warning", problem)
        access = Access(environ, {}, watch=watch)
        settings = environment_settings(addresses, settings)
        open_one = _Opening(addresses, settings, environ, access)
        members = [open_one(address) for address in addresses]
    except AddressError as error:
        raise DestinationError(str(error)) from error
    from otlp2parquet_ext.lake.destinations.group import DestinationGroup  # noqa: PLC0415

    return DestinationGroup(dict(zip(names(addresses), members, strict=True)))


def names(addresses: tuple[DestinationAddress, ...]) -> list[str]:
    """Return a name for each destination, all different, without secrets."""
    found: list[str] = []
    for address in addresses:
        prefix = "otlp+" if address.kind == "otlp" else ""
        name = prefix + shown(address.place)
        found.append(name if name not in found else f"{name} ({len(found)})")
    return found


def checked(settings: Settings) -> DestinationAddress:
    """Return the address of the destination that holds tables.

    Raises:
        AddressError: a URL is malformed, no destination holds tables, or the catalog refuses the
            name of a table.
    """
    address = lake_of(parse_all(settings.destination))
    _check(address, settings)
    return address


def all_checked(settings: Settings) -> tuple[DestinationAddress, ...]:
    """Return the addresses of all destinations, in the order of the setting.

    Raises:
        AddressError: a URL is malformed, or the other settings contradict it.
    """
    addresses = as_written(settings.destination)
    for address in addresses:
        _check(address, settings)
    return addresses


def _check(address: DestinationAddress, settings: Settings) -> None:
    if address.kind == "otlp":
        _check_not_ours(address, settings)
    elif address.kind not in FORWARDING:
        from otlp2parquet_ext.records.tables.registry import TABLES  # noqa: PLC0415 - it imports pyarrow

        tables = {name: settings.table_name(name) for name in TABLES}
        check_names(address, settings.namespace, tables)


def _check_not_ours(address: DestinationAddress, settings: Settings) -> None:
    server = urlsplit(address.place)
    if settings.otlp and (server.hostname or "") in OURSELVES and server.port == settings.otlp_port:
        raise AddressError(
            f"OTLP2PARQUET_DESTINATION names otlp+{address.place}, this extension's own OTLP "
            "endpoint: it would send its own telemetry to itself without end"
        )


def secrets_of(address: DestinationAddress, settings: Settings) -> dict[str, str]:
    """Return the secrets that a destination receives: URLs by the secret's name."""
    place, uri = address.place, address.options.get("oauth2-server-uri", "")
    if address.kind == "tap":
        return {"BD_TAP_CLIENT_TOKEN": place} if settings.tap_token else {}
    if address.kind == "otlp":
        return {"OTEL_EXPORTER_OTLP_HEADERS": place} if settings.otlp_headers else {}
    if address.kind == "rest" and settings.rest_token:
        return {"OTLP2PARQUET_REST_TOKEN": place}
    if address.kind == "rest" and settings.rest_credential:
        found = {"OTLP2PARQUET_REST_CREDENTIAL": uri or place}
        return {**found, "the token of this credential": place} if uri else found
    return {}


def warn_of_clear_text(address: DestinationAddress, settings: Settings) -> None:
    """Log a warning for each secret that goes to a forwarding destination over plain HTTP."""
    from otlp2parquet_ext.lake.http.clear_text import clear_text  # noqa: PLC0415

    for secret, url in secrets_of(address, settings).items():
        if line := clear_text(url, secret):
            log("warning", line)


class _Opening:
    """Opens destinations that share connections and credentials."""

    def __init__(
        self,
        addresses: tuple[DestinationAddress, ...],
        settings: Settings,
        environ: Mapping[str, str],
        access: Access,
    ) -> None:
        self._addresses = addresses
        self._settings = settings
        self._environ = environ
        self._access = access

    def __call__(self, address: DestinationAddress) -> Destination:
        if self._settings.commit == "relay" and address.kind not in FORWARDING:
            return self._relay(address)
        _check(address, self._settings)
        if address.kind == "tap":
            return self._tap(address)
        if address.kind == "otlp":
            return self._otlp(address)
        return self._plain(address) if address.kind in PLAIN else self._namespace(address)

    def _tap(self, address: DestinationAddress) -> Destination:
        from otlp2parquet_ext.lake.destinations.data_tap import data_tap  # noqa: PLC0415

        settings = self._settings
        warn_of_clear_text(address, settings)
        return data_tap(
            address.place,
            settings.tap_token,
            lambda: self._access.client,
            gzip=settings.tap_compression == "gzip",
            alone=all(other.kind == "tap" for other in self._addresses),
        )

    def _otlp(self, address: DestinationAddress) -> Destination:
        from otlp2parquet_ext.lake.destinations.otlp_http import otlp_http  # noqa: PLC0415

        settings = self._settings
        warn_of_clear_text(address, settings)
        return otlp_http(
            address.place,
            settings.otlp_headers,
            lambda: self._access.client,
            gzip=settings.otlp_compression == "gzip",
        )

    def _relay(self, address: DestinationAddress) -> Destination:
        from otlp2parquet_ext.lake.destinations.relay import Relay, relay_storage  # noqa: PLC0415

        lakes = sum(other.kind not in FORWARDING for other in self._addresses)
        if self._settings.inbox and lakes > 1:
            raise AddressError(
                f"OTLP2PARQUET_INBOX={shown(self._settings.inbox)!r}: expected none with "
                f"OTLP2PARQUET_COMMIT='relay' and {lakes} lakes, for a committer deletes a segment "
                "once its own lake has it"
            )
        return Relay(relay_storage(address, self._settings, self._access))

    def _namespace(self, address: DestinationAddress) -> Destination:
        from otlp2parquet_ext.lake.destinations.lake import Lake  # noqa: PLC0415
        from otlp2parquet_ext.lake.destinations.lake_factory import parts  # noqa: PLC0415
        from otlp2parquet_ext.lake.destinations.namespace import Namespace  # noqa: PLC0415

        settings = self._settings
        check_files_have_a_place(address, settings, self._environ)

        def open_lake(table: str) -> Lake:
            made = parts(
                address,
                settings,
                self._environ,
                table=table,
                access=self._access,
            )
            return Lake(
                made.storage,
                made.open_table,
                made.inbox,
                direct=settings.commit == "direct",
                lower_case=made.lower_case,
                table=table,
            )

        return Namespace(open_lake)

    def _plain(self, address: DestinationAddress) -> Destination:
        from otlp2parquet_ext.lake.destinations.hive import Hive  # noqa: PLC0415

        root = f"s3://{address.place}" if address.kind == "s3" else address.place
        storage = self._access.having(address.options).storage(root)
        return Hive(storage, lower_case=self._settings.column_case == "lower")
