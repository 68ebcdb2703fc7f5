"""Runs tasks one after another in a flow whose namespace belongs to the case."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from conformance.bench import Bench
from conformance.flow_matching import difference
from engine.ids import ExecutionId
from engine.state.execution import TaskRun

PLUGINS = "io.kestra.plugin.core"


def namespace(bench: Bench) -> str:
    return f"io.kestra.{bench.case['id']}"


def own_task(bench: Bench, **changed: Any) -> dict[str, Any]:
    """The task of the case, with these properties in the place of what is only described."""
    task = bench.case["start"]["task"]
    return {"id": "task", "type": task["type"], **task["properties"], **changed}


async def run_tasks(
    bench: Bench, tasks: Sequence[Mapping[str, Any]], inputs: Mapping[str, Any] | None = None, **properties: Any
) -> dict[str, TaskRun]:
    """Task runs by id. Inputs are seen with their types."""
    declared = [{"id": id, "type": "JSON", "defaults": json.dumps(value)} for id, value in (inputs or {}).items()]
    flow = {"id": "tasks", "namespace": namespace(bench), "inputs": declared, "tasks": list(tasks), **properties}
    stored = await bench.engine.control.save_flow(json.dumps(flow))
    id = await bench.create(stored, {}, {}, raw=False)
    await bench.engine.control.wait(id, wholly=True)
    return {run.node: run for run in (await bench.record(id)).runs.values()}


def last_execution(bench: Bench) -> ExecutionId:
    return bench.started[-1]


def outputs_of(run: TaskRun) -> dict[str, Any]:
    """The outputs of a task run, or why there are none."""
    return {**(run.outputs or {}), **({"error": error_of(run)} if error_of(run) else {})}


def error_of(run: TaskRun) -> str | None:
    return run.attempts[-1].error if run.attempts else run.error


async def content(bench: Bench, uri: str) -> str:
    return b"".join([chunk async for chunk in bench.engine.files.read(uri)]).decode()


def problems(value: object, wanted: object) -> list[str]:
    problem = difference(value, wanted, {})
    return [problem] if problem else []
