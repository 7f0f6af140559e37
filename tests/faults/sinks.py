"""The events that a Data Tap or a collector has received, with the keys of the counts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from telemetry_sinks import TOKEN, Collector, Sink, Tap

from faults.accounting import DROPPED, Keys, Table, key_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from counting_proxy import Proxy


@dataclass(frozen=True)
class Sunk:
    """A server telemetry is forwarded to."""

    sink: Sink
    has_catalog: bool = False

    def table(self) -> Table:
        """Return what it has taken."""
        if isinstance(self.sink, Tap):
            return _tapped(self.sink)
        assert isinstance(self.sink, Collector)
        return _collected(self.sink)

    def variables(self, proxy: Proxy) -> Mapping[str, str]:
        """Return what leads a process there."""
        scheme = "" if isinstance(self.sink, Tap) else "otlp+"
        return {"OTLP2PARQUET_DESTINATION": f"{scheme}{proxy.url}", "BD_TAP_CLIENT_TOKEN": TOKEN}


def _tapped(tap: Tap) -> Table:
    lines = tap.lines
    losses = tuple(line["record"] for line in lines if line["type"] == DROPPED)
    return Table(Keys(key_of(line) for line in lines if line["type"] != DROPPED), losses)


def _collected(collector: Collector) -> Table:
    keys, losses = Keys(), []
    for record in collector.log_records:
        attributes = {it.key: _value(it.value) for it in record.attributes}
        if record.event_name == DROPPED:
            losses.append(attributes)
        elif record.event_name == "function":
            keys[record.body.string_value.partition(" ")[0]] += 1
        else:
            request_id = attributes.get("faas.invocation_id", "")
            keys[f"{record.event_name} {_text(record.time_unix_nano)} {request_id}"] += 1
    return Table(keys, tuple(losses))


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value") or "string_value")


def _text(time_ns: int) -> str:
    second, rest = divmod(time_ns, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{rest // 1_000_000:03}Z"
