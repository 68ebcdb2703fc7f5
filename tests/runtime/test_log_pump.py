"""Lines are stored at once, metrics in groups; both before anybody is told that they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio

from engine.clock import SystemClock
from engine.ids import ExecutionId
from engine.runtime.keeping.logs import METRICS_AT_MOST, LogPump
from engine.store.rows import Evaluation, LogLine, Metric


class Kept:
    """Remembers what is stored, by group."""

    def __init__(self) -> None:
        self.groups: list[tuple[int, int]] = []

    async def append(
        self, lines: Sequence[LogLine], metrics: Sequence[Metric], evaluations: Sequence[Evaluation]
    ) -> None:
        self.groups.append((len(lines), len(metrics)))


@asynccontextmanager
async def pump() -> AsyncIterator[tuple[LogPump, Kept]]:
    kept = Kept()
    pump = LogPump(kept, SystemClock())  # type: ignore[arg-type]
    async with anyio.create_task_group() as tasks:
        await tasks.start(pump.run)
        yield pump, kept
        tasks.cancel_scope.cancel()


def metric() -> Metric:
    return Metric(at=1, type="counter", name="n", value=1, tags={}, namespace="n", flow="f", execution=ExecutionId("e"))


def line() -> LogLine:
    return LogLine(at=1, level="INFO", message="m", namespace="n", flow="f", execution=ExecutionId("e"))


async def turns() -> None:
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


async def test_metrics_wait_for_others_but_not_for_whoever_must_be_sure() -> None:
    async with pump() as (logs, kept):
        for _ in range(3):
            logs.metric(metric())
            await turns()
        assert kept.groups == []
        await logs.flushed()
        assert kept.groups == [(0, 3)]


async def test_lines_take_metrics_along_at_once() -> None:
    async with pump() as (logs, kept):
        logs.metric(metric())
        await turns()
        logs.line(line())
        await turns()
        assert kept.groups == [(1, 1)]


async def test_many_metrics_wait_no_longer() -> None:
    async with pump() as (logs, kept):
        for _ in range(METRICS_AT_MOST):
            logs.metric(metric())
        await turns()
        assert kept.groups == [(0, METRICS_AT_MOST)]


async def test_metrics_are_stored_at_the_end() -> None:
    async with pump() as (logs, kept):
        logs.metric(metric())
        await turns()
    assert kept.groups == [(0, 1)]
