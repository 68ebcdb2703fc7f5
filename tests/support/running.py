"""Runs flows through the real engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio

from engine.ids import ExecutionId
from engine.runtime.engine import Engine
from engine.state.execution import Execution, TaskRun
from engine.state.record import Record
from engine.state.status import Status

SECONDS = 30


async def start(engine: Engine, source: str, inputs: Mapping[str, Any] | None = None) -> Execution:
    """Store a flow and start it."""
    stored = await engine.control.save_flow(source)
    return await engine.control.create(stored.namespace, stored.id, inputs=inputs)


async def end(engine: Engine, id: ExecutionId) -> Record:
    """The record of an execution once it has ended, and its afterExecution tasks too."""
    with anyio.fail_after(SECONDS):
        await engine.control.wait(id, wholly=True)
    return (await engine.store.executions.load(id)).record


async def run(engine: Engine, source: str, inputs: Mapping[str, Any] | None = None) -> Record:
    """Run a flow to its end."""
    return await end(engine, (await start(engine, source, inputs)).id)


async def until(engine: Engine, id: ExecutionId, path: str, state: Status) -> None:
    """Wait until a task run is in a state."""
    with anyio.fail_after(SECONDS):
        while True:
            record = (await engine.store.executions.load(id)).record
            if path in record.runs and record.runs[path].state is state:
                return
            await anyio.sleep(0.01)


def states(record: Record) -> dict[str, str]:
    """State of each task run by path."""
    return {path: run.state.value for path, run in record.runs.items()}


def runs_of(record: Record, task: str) -> list[TaskRun]:
    """Task runs of a task, in order of creation."""
    return sorted((run for run in record.runs.values() if run.node == task), key=lambda run: run.order)


async def messages(engine: Engine, id: ExecutionId, task: str | None = None, *levels: str) -> list[str]:
    """Log messages of an execution."""
    await engine.logs.flushed()
    return [line.message for _, line in await engine.store.logs.lines(id, task=task, levels=levels)]
