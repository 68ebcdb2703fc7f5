"""Runs the cases of one task alone, in a flow that has no other."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from conformance.bench import Bench
from conformance.flow_cases import Unbound, steps
from conformance.flow_fields import variables_of
from conformance.flow_matching import difference, filled
from conformance.http_server import HttpServer
from engine.errors import TidegateError
from engine.state.execution import TaskRun

STORED = "kestra:///io/kestra/tests/one-task/stored.txt"
IN_FOLDER = re.compile(r"working directory has (\S+)")
FOLDER = "io.kestra.plugin.core.flow.WorkingDirectory"
CONTENT = "content of a file"


async def run_task(bench: Bench) -> list[str]:
    """What is wrong with the outcome of a task. Raises Unbound for a setting that is only described."""
    (step,) = steps(bench.case)
    options = step["task"]
    if "network" in bench.case.get("needs", ()):
        raise Unbound("there is no network")
    async with HttpServer() as server:
        bench.names["server"] = server.address
        stored = await bench.engine.files.put(STORED, CONTENT.encode())
        bench.names["storage uri"] = stored.address
        bench.names["file content"] = CONTENT
        return await _run(bench, options)


async def _run(bench: Bench, options: Mapping[str, Any]) -> list[str]:
    expect = bench.case["expect"]
    task = {"id": "task", "type": options["type"], **_filled(options["properties"], bench.names)}
    inputs = [{"id": "test", "type": "STRING", "defaults": "value"}]
    flow: dict[str, Any] = {
        "id": "one-task",
        "namespace": "io.kestra.tests",
        "inputs": inputs,
        "tasks": [_surrounded(task, options)],
    }
    flow["variables"] = variables_of(options.get("setup"))
    try:
        stored = await bench.engine.control.save_flow(json.dumps(flow))
    except TidegateError as error:
        return [f"refused: {error}"]
    id = await bench.create(stored, {}, {}, raw=False)
    await bench.engine.control.wait(id, wholly=True)
    run = next(run for run in (await bench.record(id)).runs.values() if run.node == "task")
    return [problem for key in expect if (problem := await _problem(bench, run, key, expect[key]))]


def _surrounded(task: dict[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The task, in a working directory with a file where its setup says so."""
    held = IN_FOLDER.fullmatch(str(options.get("setup")))
    if held is None:
        return task
    return {"id": "folder", "type": FOLDER, "inputFiles": {held[1]: CONTENT}, "tasks": [task]}


def _filled(value: Any, names: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, names) for key, item in value.items()}
    return filled(value, names) if isinstance(value, str) else value


async def _problem(bench: Bench, run: TaskRun, key: str, wanted: Any) -> str:
    if key == "error_is":
        return difference(run.attempts[-1].error, wanted, {})
    if key == "files":
        return difference(len((run.outputs or {}).get("files", ())), wanted, {})
    if key != "outputs":
        raise Unbound(f"nothing checks '{key}' of a task")
    if (error := run.attempts[-1].error) is not None:
        return f"failed: {error}"
    return difference(run.outputs or {}, wanted, bench.names)
