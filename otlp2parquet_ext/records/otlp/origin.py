"""The origin of records: the columns of their resource and scope.

The extension adds its own facts about the environment (`cloud.*`, `faas.*`, `service.*`) to a
request's resource. So a function's own spans and the platform's logs have the same ones. No value
of the request is overwritten. The request's own instance id becomes an attribute, because the
column holds that of the execution environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from otlp2parquet_ext.records.mapping.fields import Fields
from otlp2parquet_ext.records.otlp.invocation_matching import named_request
from otlp2parquet_ext.records.otlp.values import dropped, read_attributes, text

if TYPE_CHECKING:
    from otlp2parquet_ext.records.mapping.attributes import Attributes
    from otlp2parquet_ext.records.mapping.resource import Resource

REMEMBERED_BYTES = 1_048_576
"""Most bytes of cached resources and scopes; a longer one is cached alone."""

T = TypeVar("T")
Key = tuple[bytes, str]
"""Cache key: a message as protobuf, and its schema URL."""

_UNKNOWN = "unknown_service"
_decode_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class OtlpOrigin(NamedTuple):
    """A resource as it is stored.

    Attributes:
        columns: values by column name, the same for all its records.
        request_id: request id of the invocation that it names, or None.
    """

    columns: dict[str, object]
    request_id: str | None


class Origins:
    """Reads resources and scopes, and caches them for one batch.

    Args:
        environment: resource of the execution environment.
    """

    def __init__(self, environment: Resource) -> None:
        self._environment = environment
        self._attributes: dict[str, object] = {**_decode_raw(environment.attributes)}
        self._resources: dict[Key, OtlpOrigin] = {}
        self._scopes: dict[Key, dict[str, object]] = {}
        self._known_bytes = 0

    def resource(self, group: Any) -> OtlpOrigin:
        """Read the resource of a ResourceLogs, ResourceSpans or ResourceMetrics."""
        key = (group.resource.SerializeToString(), group.schema_url)
        if (known := self._resources.get(key)) is None:
            known = self._read_resource(group)
            self._remember(self._resources, key, known)
        return known

    def scope(self, group: Any) -> dict[str, object]:
        """Return the columns of the scope of a ScopeLogs, ScopeSpans or ScopeMetrics."""
        key = (group.scope.SerializeToString(), group.schema_url)
        if (known := self._scopes.get(key)) is None:
            scope = group.scope
            known = {
                "ScopeName": scope.name or None,
                "ScopeVersion": scope.version or None,
                "ScopeAttributes": text(read_attributes(scope.attributes), dropped(scope)),
                "ScopeSchemaUrl": group.schema_url or None,
            }
            self._remember(self._scopes, key, known)
        return known

    def _remember(self, known: dict[Key, T], key: Key, found: T) -> None:
        self._known_bytes += len(key[0])
        if self._known_bytes > REMEMBERED_BYTES:
            self._resources.clear()
            self._scopes.clear()
            self._known_bytes = len(key[0])
        known[key] = found

    def _read_resource(self, group: Any) -> OtlpOrigin:
        environment = self._environment
        fields = read_attributes(group.resource.attributes)
        rest = dict(fields.values)
        name = _take(rest, "service.name", environment.service_name)
        namespace = _take(rest, "service.namespace", environment.service_namespace)
        # SDKs generate a random one; after SnapStart, several environments share it.
        instance = environment.service_instance_id
        if not instance or rest.get("service.instance.id") == instance:
            instance = _take(rest, "service.instance.id", None) or instance
        rest.update((key, raw) for key, raw in self._attributes.items() if key not in rest)
        own = dropped(group.resource) or {}
        if group.resource.entity_refs:
            own["otel.entity_refs"] = _entities(group.resource)
        columns: dict[str, object] = {
            "ServiceName": name,
            "ServiceNamespace": namespace,
            "ServiceInstanceId": instance,
            "ResourceAttributes": text(Fields(b"", rest, rest, fields.repeated), own),
            "ResourceSchemaUrl": group.schema_url or None,
        }
        return OtlpOrigin(columns, named_request(fields.values))


def _take(attributes: Attributes, key: str, otherwise: str | None) -> str | None:
    """Remove and return an attribute that has a column; a value without meaning stays.

    `unknown_service:node`, which an SDK without a configured name writes, has no meaning.
    """
    value = attributes.get(key)
    if not isinstance(value, str) or not value:
        return otherwise
    if value.startswith(_UNKNOWN) and otherwise:
        return otherwise
    del attributes[key]
    return value


def _entities(resource: Any) -> list[Attributes]:
    return [
        {
            "schema_url": one.schema_url,
            "type": one.type,
            "id_keys": list(one.id_keys),
            "description_keys": list(one.description_keys),
        }
        for one in resource.entity_refs
    ]
