"""Runs a task in a test, as a flow would run it: properties checked, rendered and validated, outputs stored and read.

    async def test_it_fetches() -> None:
        ran = await run_task(Get, {"url": "{{ vars.url }}"}, variables={"url": "http://127.0.0.1:8000/"})
        assert ran.state == "SUCCESS"
        assert ran.outputs["code"] == 200

This module alone of the plugin API opens an engine; production code doesn't import it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import anyio
import anyio.to_thread

from engine.errors import TidegateError
from engine.files.addresses import execution_folder
from engine.plugin.base import Plugin, Task
from engine.plugin.index import Index, installed
from engine.runtime.engine import Engine, open_engine
from engine.runtime.keeping.outputs import MARK
from engine.settings import Settings
from engine.state.execution import Execution, TaskRun
from engine.state.record import Record

NAMESPACE = "testing"
FLOW = "tested"
TASK = "task"
SECONDS = 60.0


class Line(NamedTuple):
    """A log line."""

    level: str
    message: str


class Measured(NamedTuple):
    """A metric; timers in milliseconds."""

    name: str
    type: str
    value: float
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TestRun:
    """How a task run ended.

    files: content of each file that it left in internal storage, by URI
    """

    # Not a class of tests, whatever its name.
    __test__: ClassVar[bool] = False

    state: str
    outputs: Mapping[str, Any]
    logs: tuple[Line, ...]
    metrics: tuple[Measured, ...]
    files: Mapping[str, bytes]

    @property
    def messages(self) -> list[str]:
        """The log lines without their levels."""
        return [line.message for line in self.logs]


class _OneMore(Index):
    """The installed types and the one under test, which needs no entry point."""

    def __init__(self, name: str, plugin: type[Plugin]) -> None:
        super().__init__({})
        self._name = name
        self._plugin = plugin

    def canonical(self, type: str) -> str:
        return type if type == self._name else installed().canonical(type)

    def find(self, type: str) -> type[Plugin]:
        return self._plugin if type == self._name else installed().find(type)


async def run_task(
    task: type[Task] | Task,
    properties: Mapping[str, Any] | None = None,
    *,
    variables: Mapping[str, Any] | None = None,
    files: Mapping[str, bytes] | None = None,
    settings: Settings | None = None,
    timeout: float = SECONDS,
) -> TestRun:
    """Run one task to its end in an engine of its own.

    task: a task class with `properties` as written in YAML, or an instance
    variables: what expressions see as `vars.NAME`
    files: content of files whose URIs expressions see as `inputs.NAME`

    Raises InvalidFlow for properties that a flow with this task would be refused for, TimeoutError after `timeout`
    seconds.
    """
    plugin = type(task) if isinstance(task, Task) else task
    given = dict(properties or {})
    if isinstance(task, Task):
        given = {**task.model_dump(mode="json", by_alias=True, exclude_unset=True), **given}
    name = f"testing.{plugin.__name__}"
    source = json.dumps(
        {
            "id": FLOW,
            "namespace": NAMESPACE,
            "variables": dict(variables or {}),
            "inputs": [{"id": id, "type": "FILE"} for id in files or ()],
            "tasks": [{"id": TASK, "type": name, **given}],
        }
    )
    with tempfile.TemporaryDirectory(prefix="tidegate-test-") as folder:
        inputs = await anyio.to_thread.run_sync(_written, Path(folder) / "inputs", files or {})
        refused: TidegateError | TimeoutError
        async with open_engine(Path(folder) / "data", settings or Settings(), index=_OneMore(name, plugin)) as engine:
            try:
                with anyio.fail_after(timeout):
                    return await _run(engine, source, inputs)
            except (TidegateError, TimeoutError) as error:
                # Raised below: out of here it would arrive in the groups of the engine's services.
                refused = error
        raise refused


async def _run(engine: Engine, source: str, inputs: Mapping[str, str]) -> TestRun:
    await engine.control.save_flow(source)
    execution = await engine.control.create(NAMESPACE, FLOW, inputs=inputs)
    await engine.control.wait(execution.id)
    return await _seen(engine, execution)


def _written(folder: Path, files: Mapping[str, bytes]) -> dict[str, str]:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return {name: str(folder / name) for name in files}


async def _seen(engine: Engine, execution: Execution) -> TestRun:
    record: Record = (await engine.store.executions.load(execution.id)).record
    run = next(run for run in record.runs.values() if run.node == TASK)
    await engine.logs.flushed()
    lines = await engine.store.logs.lines(execution.id, task_run=run.id, limit=1_000_000)
    metrics = await engine.store.logs.metrics(execution.id, task_run=run.id)
    stored = await engine.files.list(f"{execution_folder(NAMESPACE, FLOW, execution.id)}/tasks")
    return TestRun(
        state=run.state.value,
        outputs=await _outputs(engine, run),
        logs=tuple(Line(line.level, line.message) for _, line in lines),
        metrics=tuple(Measured(metric.name, metric.type, metric.value, metric.tags) for metric in metrics),
        files={info.address: await _content(engine, info.address) for info in stored},
    )


async def _outputs(engine: Engine, run: TaskRun) -> dict[str, Any]:
    """The outputs, with those that were moved to internal storage read back."""
    outputs = {}
    for name, value in (run.outputs or {}).items():
        moved = isinstance(value, dict) and MARK in value
        outputs[name] = json.loads(await _content(engine, value[MARK])) if moved else value
    return outputs


async def _content(engine: Engine, address: str) -> bytes:
    return b"".join([chunk async for chunk in engine.files.read(address)])
