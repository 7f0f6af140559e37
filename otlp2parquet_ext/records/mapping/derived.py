"""Derives spans and FaaS metrics from the platform events of deliveries.

    Delivery --decode--> events --> facts --absorb(known)--> ended ---> traces
                                                             news ----> metrics_sum, …

Pure: the same arguments give the same tables. The caller keeps the `OpenActivities` of the last
stored batch, and passes it with the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext import __version__
from otlp2parquet_ext.records.mapping.faas_metrics import closing_points, point_tables, points
from otlp2parquet_ext.records.mapping.facts import FactReader
from otlp2parquet_ext.records.mapping.logs import SCOPE_NAME
from otlp2parquet_ext.records.mapping.mapper import Mapper
from otlp2parquet_ext.records.mapping.open_activities import absorb, close_all
from otlp2parquet_ext.records.mapping.resource import resource
from otlp2parquet_ext.records.mapping.rows import constants
from otlp2parquet_ext.records.mapping.spans import Span, SpanContext, span_table, spans
from otlp2parquet_ext.records.telemetry.decode import decode_as_sent

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    import pyarrow as pa

    from otlp2parquet_ext.records.mapping.facts import Fact
    from otlp2parquet_ext.records.mapping.invocations import Invocations
    from otlp2parquet_ext.records.mapping.open_activities import ActivityChange, OpenActivities
    from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext

LOGS, TRACES, METRICS = "logs", "traces", "metrics"


def derive(
    deliveries: Sequence[Delivery],
    context: EnvironmentContext,
    invocations: Invocations,
    known: OpenActivities,
    signals: Container[str],
) -> tuple[dict[str, pa.Table], OpenActivities]:
    """Derive spans and metrics from the platform events of a batch.

    Args:
        deliveries: n >= 0 bodies of one batch, with any bytes.
        context: the execution environment that they come from.
        invocations: known invocations of the environment. If `logs` are wanted, they are mapped
            first, and have already added the invocations of this batch.
        known: as returned for the batch stored before; `OpenActivities()` for the first.
        signals: the wanted ones of `logs`, `traces`, `metrics`.

    Returns:
        Tables by name (keys of `tables.registry.TABLES`), only those with rows, and the open
        activities after the batch. If neither signal is wanted: no tables, and `known` unchanged.

    Source: AWS Lambda developer guide, "Converting Lambda Telemetry API Event objects to
    OpenTelemetry Spans"; OpenTelemetry semantic conventions, "FaaS metrics"; docs/signals.md.
    """
    if TRACES not in signals and METRICS not in signals:
        return {}, known
    reader, mapper = FactReader(), Mapper(context, invocations)
    facts: list[Fact] = []
    for delivery in deliveries:
        events = decode_as_sent(delivery.body)
        if LOGS not in signals:
            mapper.learn(events, delivery.received_us)
        facts += reader.read(events, delivery.received_us)
    change = absorb(known, facts, managed=context.managed)
    return _tables(change, context, invocations, signals), change.known


def closing(  # noqa: PLR0917 - the arguments of `derive`, less the deliveries, and the SHUTDOWN
    known: OpenActivities,
    shutdown_reason: str,
    now_us: int,
    context: EnvironmentContext,
    invocations: Invocations,
    signals: Container[str],
) -> tuple[dict[str, pa.Table], OpenActivities]:
    """Close the activities that lack their last event, because the environment ends.

    Args:
        known: after the last batch.
        shutdown_reason: `spindown`, `timeout`, `failure`, …, in any case.
        now_us: Unix microseconds of the SHUTDOWN.
        context, invocations, signals: as for `derive`.

    Returns:
        As `derive` does; afterwards no activity is open.
    """
    if TRACES not in signals and METRICS not in signals:
        return {}, known
    change = close_all(known, shutdown_reason.lower(), now_us)
    return _tables(change, context, invocations, signals), change.known


def _tables(
    change: ActivityChange,
    context: EnvironmentContext,
    invocations: Invocations,
    signals: Container[str],
) -> dict[str, pa.Table]:
    environment = resource(context, invocations.function_arn, invocations.log_stream)
    same = constants(environment, SCOPE_NAME, __version__)
    tables: dict[str, pa.Table] = {}
    if TRACES in signals and change.ended:
        name = context.function_name or environment.service_name
        account = msgspec.json.decode(environment.attributes).get("cloud.account.id", "")
        span_context = SpanContext(name, account, context.instance_id)
        made: list[Span] = []
        for activity in change.ended:
            window = invocations.by_id(activity.facts[0].request_id)
            made += spans(activity, span_context._replace(invoke=window.invoke if window else None))
        tables[TRACES] = span_table(made, same)
    if METRICS in signals:
        found = [p for news in change.news for p in points(news, managed=context.managed)]
        found += [point for activity in change.ended for point in closing_points(activity)]
        tables |= point_tables(found, same)
    return tables
