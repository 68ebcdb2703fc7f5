"""Metrics: of an execution, and of a flow over time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from engine.api.paging import Paged, page_of
from engine.api.reached import head_of
from engine.api.routing import Call, Route
from engine.api.shapes import MetricShape, Page, Shape, metric_shape
from engine.clock import iso, to_millis
from engine.runtime.engine import Engine
from engine.store.found import Bucket, MetricFilter

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
SPANS: Sequence[tuple[str, int, int]] = (("minute", MINUTE, 2 * HOUR), ("hour", HOUR, 3 * DAY), ("day", DAY, 1 << 62))
"""By what values are put together: its name, how long it is, and up to which length of the whole time."""
MEANS: Mapping[str, Callable[[Bucket], float]] = {
    "sum": lambda bucket: bucket.sum,
    "avg": lambda bucket: bucket.sum / bucket.times,
    "min": lambda bucket: bucket.min,
    "max": lambda bucket: bucket.max,
}
SORTED = {"timestamp": "timestamp", "name": "name", "value": "value", "taskId": "task_id", "type": "type"}


class MetricsQuery(Paged, frozen=True, rename="camel"):
    task_id: str | None = None
    task_run_id: str | None = None


class AggregateQuery(msgspec.Struct, frozen=True, rename="camel"):
    """startDate, endDate: the last 30 days by default"""

    start_date: datetime | None = None
    end_date: datetime | None = None
    aggregation: Literal["sum", "avg", "min", "max", "SUM", "AVG", "MIN", "MAX"] = "sum"


class ValueShape(Shape, frozen=True, omit_defaults=False):
    """`date` is when the span of time begins."""

    value: float
    date: str


class AggregatesShape(Shape, frozen=True, omit_defaults=False):
    """`groupBy` is minute, hour or day; spans without a value are left out."""

    group_by: str
    aggregations: list[ValueShape]


class Metrics:
    """What tasks measured."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._clock = engine.clock

    def routes(self) -> Iterable[Route]:
        flow = "{namespace}/{flow}"
        yield Route(
            "GET",
            "/metrics/{execution}",
            self.of_execution,
            "Metrics of an execution",
            Page[MetricShape],
            query=MetricsQuery,
        )
        yield Route("GET", f"/metrics/names/{flow}", self.names, "Names of metrics of a flow", list[str])
        yield Route("GET", f"/metrics/names/{flow}/{{task}}", self.names, "Names of metrics of a task", list[str])
        yield Route("GET", f"/metrics/tasks/{flow}", self.tasks, "Tasks of a flow that have metrics", list[str])
        for path in (f"{flow}/{{metric}}", f"{flow}/{{task}}/{{metric}}"):
            yield Route(
                "GET",
                f"/metrics/aggregates/{path}",
                self.aggregates,
                "A metric of a flow over time",
                AggregatesShape,
                query=AggregateQuery,
            )

    async def of_execution(self, call: Call) -> Page[MetricShape]:
        query = call.query(MetricsQuery)
        execution = await head_of(call, self._engine)
        await self._engine.logs.flushed()
        found = await self._engine.store.logs.metrics(execution.home, task_run=query.task_run_id)
        shown = [metric_shape(it) for it in found if query.task_id is None or it.task == query.task_id]
        return page_of(shown, query, SORTED, lambda metric, field: getattr(metric, field))

    async def names(self, call: Call) -> Sequence[str]:
        return await self._engine.store.logs.metric_names(await self._of_flow(call))

    async def tasks(self, call: Call) -> Sequence[str]:
        return await self._engine.store.logs.metric_tasks(await self._of_flow(call))

    async def aggregates(self, call: Call) -> AggregatesShape:
        query = call.query(AggregateQuery)
        until = _millis(query.end_date) if query.end_date else self._clock.now() + 1
        since = _millis(query.start_date) if query.start_date else until - 30 * DAY
        name, span = next((name, span) for name, span, most in SPANS if until - since <= most)
        where = msgspec.structs.replace(await self._of_flow(call), since=since, until=until)
        found = await self._engine.store.logs.metric_buckets(where, span)
        mean = MEANS[query.aggregation.lower()]
        return AggregatesShape(name, [ValueShape(mean(bucket), iso(bucket.at)) for bucket in found])

    async def _of_flow(self, call: Call) -> MetricFilter:
        await self._engine.logs.flushed()
        return MetricFilter(call.path["namespace"], call.path["flow"], call.path.get("task"), call.path.get("metric"))


def _millis(date: datetime) -> int:
    return to_millis(date if date.tzinfo else date.replace(tzinfo=UTC))
