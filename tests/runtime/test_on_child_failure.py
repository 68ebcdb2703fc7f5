"""`onChildFailure` through the real engine: attempts, and the executions that tasks started, are stopped."""

from __future__ import annotations

import anyio
import pytest

from engine.ids import ExecutionId
from engine.runtime.engine import Engine
from engine.state.execution import Execution, ExecutionKind
from engine.state.status import Status
from engine.store.rows import ExecutionFilter
from support.running import SECONDS, end, messages, run, runs_of, start, until

SLEEPER = """
id: sleeper
namespace: test
tasks: [{id: sleep, type: core.flow.Sleep, duration: PT300S}]
"""
PARALLEL = """
id: beside
namespace: test
tasks:
  - id: all
    type: core.flow.Parallel
    onChildFailure: HOW
    tasks:
      - id: first
        type: core.flow.Sequential
        tasks:
          - {id: pause, type: core.flow.Pause}
          - {id: no, type: core.execution.Fail}
      - {id: sleep, type: core.flow.Sleep, duration: PT300S}
      - {id: call, type: core.flow.Subflow, namespace: test, flowId: sleeper}
      - id: loop
        type: core.flow.Loop
        values: [1, 2, 3]
        concurrencyLimit: 2
        tasks: [{id: long, type: core.flow.Sleep, duration: PT300S}]
    errors: [{id: told, type: core.log.Log, message: told}]
"""
DAG = """
id: dag
namespace: test
MORE
tasks:
  - id: dag
    type: core.flow.Dag
    tasks:
      - task: {id: no, type: core.execution.Fail}
      - task: {id: sleep, type: core.flow.Sleep, duration: PT0.2S}
"""


async def started(engine: Engine, id: ExecutionId) -> list[Execution]:
    kinds = (ExecutionKind.NORMAL, ExecutionKind.LOOP)
    return list(await engine.store.executions.list(ExecutionFilter(kinds=kinds, caller=id)))


@pytest.mark.parametrize(("how", "state"), [("fail", Status.FAILED), ("Cancelled", Status.CANCELLED)])
async def test_attempts_and_executions_are_stopped(engine: Engine, how: str, state: Status) -> None:
    await engine.control.save_flow(SLEEPER)
    execution = await start(engine, PARALLEL.replace("HOW", how))
    await until(engine, execution.id, "all/first/pause", Status.PAUSED)
    with anyio.fail_after(SECONDS):
        while sum(it.state is Status.RUNNING for it in await started(engine, execution.id)) < 3:
            await anyio.sleep(0.01)
    await engine.control.resume(execution.id)
    record = await end(engine, execution.id)
    assert record.execution.state is Status.FAILED
    ends = {run.node: run.state for run in record.runs.values()}
    failed = {"all": Status.FAILED, "first": Status.FAILED, "no": Status.FAILED}
    good = {"pause": Status.SUCCESS, "told": Status.SUCCESS}
    assert ends == {**failed, **good, "sleep": state, "call": state, "loop": state}
    children = await started(engine, execution.id)
    assert [it.state for it in children] == [Status.KILLED] * 3
    said = [line for line in await messages(engine, execution.id) if "sibling" in line]
    assert said == ["Task terminated because sibling task 'first' failed."] * 3


@pytest.mark.parametrize(("more", "state"), [("# dialect: 2", Status.FAILED), ("", Status.SUCCESS)])
async def test_the_dialect_decides_where_nothing_is_said(engine: Engine, more: str, state: Status) -> None:
    with anyio.fail_after(SECONDS):
        record = await run(engine, f"{more}\n{DAG.replace('MORE', '')}".lstrip())
    assert runs_of(record, "sleep")[0].state is state
