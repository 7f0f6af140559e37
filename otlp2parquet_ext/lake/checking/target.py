"""The subject of a check: one destination with its settings, and the permitted actions."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from otlp2parquet_ext.lake.destinations.access import Access
from otlp2parquet_ext.lake.destinations.address import parse
from otlp2parquet_ext.lake.storage.s3_address import DOMAINS, PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from otlp2parquet_ext.common.settings.settings import Settings
    from otlp2parquet_ext.lake.destinations.address import DestinationAddress

ANY = "*"


@dataclass(frozen=True)
class Subject:
    """One destination to check.

    Attributes:
        address: address of the destination.
        settings: the effective settings.
        environ: environment variables of the process.
        wanted: required tables, keys of `TABLES`.
        others: also check other tables, if they exist.
        create: create required tables that are missing.
        add_columns: add our columns that a table lacks.
        send: send a line to a Data Tap.
        limit_ms: longest time for one request, retries included.
        in_environment: the check runs in an environment, without the time and memory for
            PyIceberg.
    """

    address: DestinationAddress
    settings: Settings
    environ: Mapping[str, str]
    wanted: Collection[str] = ("logs",)
    others: bool = False
    create: bool = False
    add_columns: bool = False
    send: bool = False
    limit_ms: int = 10_000
    in_environment: bool = False

    @cached_property
    def plain(self) -> Access:
        """The access with the connections and credentials of all trials."""
        return Access(self.environ, {}, limit_ms=self.limit_ms)

    @cached_property
    def access(self) -> Access:
        """The access to the destination itself."""
        endpoint_of = self.address.kind if self.address.kind in ("glue", "s3tables") else "s3"
        return self.plain.having(self.address.options, endpoint_of)

    @property
    def region(self) -> str:
        """The destination's region."""
        if self.address.kind == "s3tables":
            return self.address.place.split(":")[3]
        return self.access.region

    @property
    def domain(self) -> str:
        """The domain of AWS's endpoints in that region."""
        return next((d for p, d in DOMAINS.items() if self.region.startswith(p)), "amazonaws.com")

    @property
    def only_stores(self) -> bool:
        """Whether this function only stores, so that it needs no permission for the catalog."""
        return self.settings.commit != "direct"

    def deadline_ms(self) -> int:
        """Return the deadline (Unix ms) for a request that starts now."""
        return time.time_ns() // 1_000_000 + self.limit_ms

    @cached_property
    def values(self) -> dict[str, str]:
        """The values for the placeholders of policies; trials add to them."""
        address = self.address
        partition = next((p for r, p in PARTITIONS.items() if self.region.startswith(r)), "aws")
        found = {"REGION": self.region, "ACCOUNT": ANY, "partition": partition}
        found["DATABASE"] = address.place if address.kind == "glue" else self.settings.namespace
        if address.kind == "s3tables":
            found["ACCOUNT"], found["BUCKET"] = address.place.split(":")[4], _last(address.place)
        elif address.kind == "s3":
            found["BUCKET"], _, found["PREFIX"] = address.place.partition("/")
        elif address.kind == "glue":
            place = address.options["warehouse"].removeprefix("s3://").rstrip("/")
            found["BUCKET"], _, found["PREFIX"] = place.partition("/")
        return found | self._inbox_values()

    def _inbox_values(self) -> dict[str, str]:
        if not self.settings.inbox:
            return {}
        inbox = parse(self.settings.inbox, "OTLP2PARQUET_INBOX")
        bucket, _, prefix = inbox.place.partition("/")
        named = {"INBOX_BUCKET": bucket, "INBOX_PREFIX": prefix}
        if self.only_stores and not self.address.in_table_bucket:
            named |= {"BUCKET": bucket, "PREFIX": prefix}  # all files go to the inbox
        return named

    def learn(self, location: str) -> None:
        """Add the bucket and prefix of a table's location, which only its catalog knows."""
        if not location.startswith("s3") or "BUCKET" in self.values:
            return
        bucket, _, path = location.partition("://")[2].partition("/")
        self.values["BUCKET"] = bucket
        folder = path.rstrip("/").rpartition("/")[0]
        self.values["PREFIX"], _, self.values["DATABASE"] = folder.rpartition("/")


def _last(arn: str) -> str:
    return arn.rpartition("/")[2]
