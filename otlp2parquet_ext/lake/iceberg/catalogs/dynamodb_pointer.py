"""The DynamoDB catalog: the location of each table's metadata, as Iceberg's Java library stores it.

PyIceberg can open such catalogs, and create and read their tables, but it cannot commit to them
(`DynamoDbCatalog.commit_table` is not implemented in 0.12). This module commits with one
conditional write, through PyIceberg's own client.

Source: Apache Iceberg documentation, "AWS", "DynamoDB Catalog"; DynamoDB API reference,
"UpdateItem".
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pyiceberg.exceptions import NamespaceAlreadyExistsError

from otlp2parquet_ext.lake.iceberg.catalogs.deadline_executor import NoAnswerError
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_connection import explained
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_open import lasting
from otlp2parquet_ext.lake.iceberg.commit.catalog import OutcomeUnknownError
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_connection import PyIcebergConnection

LOCATION = "p.metadata_location"
PREVIOUS = "p.previous_metadata_location"
TYPE = "p.table_type"
CHANGE = "SET #location = :new, #previous = :old, v = :v, updated_at = :now"
CONFLICT = "ConditionalCheckFailedException"


class DynamoDbPointer:
    """See `Pointer`.

    Args:
        connection: to a `DynamoDbCatalog`.
        namespace, table: the table's name.
    """

    def __init__(self, connection: PyIcebergConnection, namespace: str, table: str) -> None:
        self._connection = connection
        self._namespace = namespace
        self._key = {"identifier": {"S": f"{namespace}.{table}"}, "namespace": {"S": namespace}}

    def current(self, deadline_ms: int) -> str | None:
        """See `Pointer.current`."""
        item = self._connection.repeat(self._item, deadline_ms, "loading the table")
        if item is None:
            return None
        if item.get(TYPE, {}).get("S", "").lower() != "iceberg" or LOCATION not in item:
            raise CommitError(
                f"{self._connection.label}: the name is taken by a table that is not Iceberg's"
            )
        return str(item[LOCATION]["S"])

    def _item(self, catalog: Catalog) -> dict[str, Any] | None:
        found: dict[str, Any] = _client(catalog).get_item(
            TableName=_table(catalog), Key=self._key, ConsistentRead=True
        )
        return found.get("Item")

    def create(self, location: str, deadline_ms: int) -> None:
        """See `Pointer.create`."""
        now = {"N": str(time.time_ns() // 1_000_000)}
        item = self._key | {
            LOCATION: {"S": location},
            PREVIOUS: {"S": ""},
            TYPE: {"S": "ICEBERG"},
            "v": {"S": str(uuid4())},
            "created_at": now,
            "updated_at": now,
        }

        def create(catalog: Catalog) -> None:
            with contextlib.suppress(NamespaceAlreadyExistsError):
                catalog.create_namespace(self._namespace)
            client, absent = _client(catalog), "attribute_not_exists(identifier)"
            with contextlib.suppress(client.exceptions.ConditionalCheckFailedException):
                client.put_item(TableName=_table(catalog), Item=item, ConditionExpression=absent)

        self._connection.repeat(create, deadline_ms, "creating the table")

    def swap(self, old: str, new: str, deadline_ms: int) -> bool:
        """See `Pointer.swap`; also changes `v`, which Java's writers compare."""
        values = {
            ":old": {"S": old},
            ":new": {"S": new},
            ":v": {"S": str(uuid4())},
            ":now": {"N": str(time.time_ns() // 1_000_000)},
        }

        def swap(catalog: Catalog) -> None:
            _client(catalog).update_item(
                TableName=_table(catalog),
                Key=self._key,
                ConditionExpression="#location = :old",
                UpdateExpression=CHANGE,
                ExpressionAttributeNames={"#location": LOCATION, "#previous": PREVIOUS},
                ExpressionAttributeValues=values,
            )

        try:
            self._connection.call(swap, deadline_ms)
        except CommitError:
            raise
        except NoAnswerError as error:
            raise OutcomeUnknownError(str(error)) from error
        except Exception as error:  # botocore creates its error classes at run time
            if type(error).__name__ == CONFLICT:
                return False
            text = f"{self._connection.label}: {explained(error)}"
            raise (CommitError if lasting(error) else OutcomeUnknownError)(text) from error
        return True


def _client(catalog: Catalog) -> Any:
    return catalog.dynamodb  # type: ignore[attr-defined]


def _table(catalog: Catalog) -> str:
    return catalog.dynamodb_table_name  # type: ignore[attr-defined,no-any-return]
