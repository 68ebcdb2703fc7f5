"""Retries on blocks: handed down to their tasks; a ForEachItem runs failed batches again; a Loop all of its flow."""

from __future__ import annotations

from pathlib import Path

import anyio

from engine.ids import ExecutionId
from engine.runtime.engine import Engine
from engine.state.execution import Execution, ExecutionKind
from engine.state.status import Status
from engine.store.rows import ExecutionFilter
from support.running import SECONDS, end, run, runs_of, start, states

RETRY = "retry: {type: constant, interval: PT0.05S, maxAttempts: 3}"
CHILD = """
id: child
namespace: test
inputs: [{id: batch, type: FILE}]
tasks:
  - {id: done, type: core.debug.Return, format: "{{ inputs.batch }}"}
  - {id: work, type: core.execution.Fail, condition: "{{ (read(inputs.batch) | trim) == 'bad' }}"}
"""
BATCHES = """
id: batches
namespace: test
inputs: [{id: file, type: FILE}]
tasks:
  - id: all
    type: core.flow.ForEachItem
    items: "{{ inputs.file }}"
    namespace: test
    flowId: child
    inputs: {batch: "{{ taskrun.items }}"}
    RETRY
    errors: [{id: told, type: core.log.Log, message: told}]
"""
LOOP = """
id: loops
namespace: test
tasks:
  - id: loop
    type: core.flow.Loop
    values: [1, 2]
    RETRY
    tasks: [{id: no, type: core.execution.Fail}]
"""
ANEW = """
id: anew
namespace: test
retry: {type: constant, interval: PT0.05S, maxAttempts: 2, behavior: CREATE_NEW_EXECUTION}
tasks:
  - {id: first, type: core.debug.Return, format: x}
  - id: loop
    type: core.flow.Loop
    values: [1, 2]
    tasks: [{id: no, type: core.execution.Fail}]
"""


async def started(engine: Engine, id: ExecutionId) -> list[Execution]:
    kinds = (ExecutionKind.NORMAL, ExecutionKind.LOOP)
    return list(await engine.store.executions.list(ExecutionFilter(kinds=kinds, caller=id, limit=100)))


async def test_batches_that_failed_run_again_and_the_others_do_not(engine: Engine, tmp_path: Path) -> None:
    await engine.control.save_flow(CHILD)
    lines = tmp_path / "lines.txt"
    lines.write_text("good\nbad\nfine\n")
    execution = await start(engine, BATCHES.replace("RETRY", RETRY), {"file": str(lines)})
    record = await end(engine, execution.id)
    assert record.execution.state is Status.FAILED
    assert [attempt.state for attempt in record.runs["all/all_items"].attempts] == [Status.FAILED] * 3
    assert record.runs["all/told"].state is Status.SUCCESS
    children = await started(engine, execution.id)
    assert sorted(it.state for it in children) == [Status.FAILED, Status.SUCCESS, Status.SUCCESS]
    attempts = {}
    for child in children:
        runs = (await engine.store.executions.load(child.id)).record.runs
        attempts[child.state] = [len(runs[path].attempts) for path in ("done", "work")]
    assert attempts == {Status.FAILED: [1, 3], Status.SUCCESS: [1, 1]}


async def test_the_retry_of_a_loop_is_that_of_its_tasks(engine: Engine) -> None:
    record = await run(engine, LOOP.replace("RETRY", RETRY))
    assert states(record) == {"loop": "FAILED"}
    children = await started(engine, record.execution.id)
    assert [it.state for it in children] == [Status.FAILED], "the first failure ends the loop"
    task = (await engine.store.executions.load(children[0].id)).record.runs["no"]
    assert len(task.attempts) == 3


async def test_a_new_execution_takes_the_place_of_all_and_not_of_an_iteration(engine: Engine) -> None:
    record = await run(engine, ANEW)
    assert record.execution.state is Status.RETRIED
    assert states(record) == {"first": "SUCCESS", "loop": "RETRIED"}
    with anyio.fail_after(SECONDS):
        while len(found := await engine.store.executions.list(ExecutionFilter())) < 2:
            await anyio.sleep(0.01)
    second = next(it for it in found if it.id != record.execution.id)
    again = await end(engine, second.id)
    assert states(again) == {"first": "SUCCESS", "loop": "FAILED"}
    assert again.execution.attempt == 2
    assert [it.kind for it in await started(engine, second.id)] == [ExecutionKind.LOOP]
    assert len(runs_of(again, "first")) == 1
