"""A change of a task run's state stops the executions that it started, or that were started below it."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from engine.errors import Refused
from engine.ids import ExecutionId
from engine.runtime.engine import Engine
from engine.state.execution import Execution, ExecutionKind
from engine.state.status import Status
from engine.store.rows import ExecutionFilter
from support.running import SECONDS, end, start, until

SLEEPER = """
id: sleeper
namespace: test
inputs: [{id: file, type: FILE, required: false}]
tasks: [{id: sleep, type: core.flow.Sleep, duration: PT300S}]
"""
FLOW = """
id: edited
namespace: test
inputs: [{id: file, type: FILE, required: false}]
tasks:
  - id: all
    type: core.flow.Parallel
    tasks:
      - {id: pause, type: core.flow.Pause}
      - id: above
        type: core.flow.Sequential
        tasks:
          - {CALLER}
  - {id: after, type: core.debug.Return, format: done}
"""
SLEEP = "{id: sleep, type: core.flow.Sleep, duration: PT300S}"
CALLERS = {
    "subflow": "id: call, type: core.flow.Subflow, namespace: test, flowId: sleeper",
    "loop": f"id: call, type: core.flow.Loop, values: [1, 2], concurrencyLimit: 0, tasks: [{SLEEP}]",
    "items": "id: call, type: core.flow.ForEachItem, items: '{{ inputs.file }}', namespace: test, flowId: sleeper",
}


async def started(engine: Engine, id: ExecutionId) -> list[Execution]:
    kinds = (ExecutionKind.NORMAL, ExecutionKind.LOOP)
    return list(await engine.store.executions.list(ExecutionFilter(kinds=kinds, caller=id)))


async def wait_for(engine: Engine, id: ExecutionId, count: int, state: Status) -> None:
    with anyio.fail_after(SECONDS):
        while [it.state for it in await started(engine, id)] != [state] * count:
            await anyio.sleep(0.01)


@pytest.mark.parametrize("where", ["call", "above"])
@pytest.mark.parametrize(("caller", "count"), [("subflow", 1), ("loop", 2), ("items", 3)])
async def test_what_it_started_is_stopped(engine: Engine, tmp_path: Path, caller: str, count: int, where: str) -> None:
    await engine.control.save_flow(SLEEPER)
    lines = tmp_path / "lines.txt"
    lines.write_text("a\nb\nc\n")
    inputs = {"file": str(lines)} if caller == "items" else {}
    execution = await start(engine, FLOW.replace("CALLER", CALLERS[caller]), inputs)
    await wait_for(engine, execution.id, count, Status.RUNNING)
    await until(engine, execution.id, "all/pause", Status.PAUSED)
    await engine.control.change_status(execution.id, where, Status.SUCCESS)
    await wait_for(engine, execution.id, count, Status.KILLED)
    await engine.control.resume(execution.id)
    record = await end(engine, execution.id)
    assert record.execution.state is Status.SUCCESS
    assert record.runs["after"].state is Status.SUCCESS


async def test_an_iteration_is_edited_with_its_execution_only(engine: Engine) -> None:
    loop = "id: call, type: core.flow.Loop, values: [1], tasks: [{id: no, type: core.execution.Fail}]"
    execution = await start(engine, FLOW.replace("CALLER", loop).replace("{id: pause, type: core.flow.Pause}", SLEEP))
    await wait_for(engine, execution.id, 1, Status.FAILED)
    iteration = (await started(engine, execution.id))[0].id
    said = f"An iteration of a loop is .* with its execution, which is '{execution.id}'"
    with pytest.raises(Refused, match=said):
        await engine.control.restart(iteration)
    with pytest.raises(Refused, match=said):
        await engine.control.change_status(iteration, "no", Status.SUCCESS)
    with pytest.raises(Refused, match=said):
        await engine.control.set_status(iteration, Status.SUCCESS)
    with pytest.raises(Refused, match=said):
        await engine.control.set_labels(iteration, {"a": "b"})
    await end(engine, execution.id)
