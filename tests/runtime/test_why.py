"""Why executions wait, asked of the store while a real engine runs them."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from engine.clock import SystemClock
from engine.errors import NotFound
from engine.executor.reasons import Cause
from engine.ids import ExecutionId
from engine.runtime.actions.why import DEEPEST, Why, why
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.status import Status
from support.running import SECONDS, end, start, until

PAUSES = """
id: pauses
namespace: test
tasks: [{id: approval, type: core.flow.Pause, onResume: [{id: reason, type: STRING}]}]
"""


def calls(id: str, below: str) -> str:
    called = f"type: core.flow.Subflow, namespace: test, flowId: {below}"
    return f"id: {id}\nnamespace: test\ntasks: [{{id: call, {called}}}]\n"


async def asked(engine: Engine, id: ExecutionId) -> Why:
    return await why(engine.store, engine.plans, engine.nodes, id, SystemClock().now())


async def waits(engine: Engine, id: ExecutionId, cause: Cause, deep: int = 0) -> Why:
    """Its reason once it is this one."""
    with anyio.fail_after(SECONDS):
        while (found := await asked(engine, id)).cause is not cause or len(found.chain) < deep:
            await anyio.sleep(0.01)
    return found


async def test_of_an_execution_that_is_unknown_ended_or_pauses(engine: Engine) -> None:
    with pytest.raises(NotFound):
        await asked(engine, ExecutionId("nothing"))
    execution = await start(engine, PAUSES)
    await until(engine, execution.id, "approval", Status.PAUSED)
    found = await asked(engine, execution.id)
    assert (found.state, found.cause, found.holder.kind) == (Status.PAUSED, Cause.PAUSED, "person")
    assert found.next_step == f"tidegate execution resume {execution.id} -i reason=…"
    await engine.control.resume(execution.id, {"reason": "x"})
    await end(engine, execution.id)
    assert (await asked(engine, execution.id)).sentence == "It has ended in SUCCESS and waits for nothing."


async def test_through_subflows_to_what_the_last_one_waits_for(engine: Engine) -> None:
    await engine.control.save_flow(PAUSES)
    await engine.control.save_flow(calls("inner", "pauses"))
    execution = await start(engine, calls("outer", "inner"))
    found = await waits(engine, execution.id, Cause.EXECUTIONS, deep=2)
    with anyio.fail_after(SECONDS):
        while found.chain[-1].cause is not Cause.PAUSED:
            found = await asked(engine, execution.id)
    inner, last = found.chain
    assert (inner.flow, last.flow) == ("test.inner", "test.pauses")
    assert found.holder.ids == (inner.id,)
    assert "'call' has been waiting" in found.sentence
    assert f"which through 1 more execution waits for {last.id}, where the task 'approval' has been p" in found.sentence
    assert found.next_step == f"tidegate execution resume {last.id} -i reason=…"
    assert "where the task 'approval'" in (await asked(engine, inner.id)).sentence


async def test_a_chain_is_not_followed_for_ever(engine: Engine) -> None:
    count = DEEPEST + 2
    await engine.control.save_flow(PAUSES.replace("id: pauses", f"id: f{count}"))
    for number in range(count):
        await engine.control.save_flow(calls(f"f{number}", f"f{number + 1}"))
    execution = await engine.control.create("test", "f0")
    assert len((await waits(engine, execution.id, Cause.EXECUTIONS, deep=DEEPEST)).chain) == DEEPEST


async def test_behind_another_one_in_a_queue(engine: Engine) -> None:
    first = await start(engine, PAUSES + "concurrency: {limit: 1, behavior: QUEUE}\n")
    await until(engine, first.id, "approval", Status.PAUSED)
    second = await engine.control.create("test", "pauses")
    third = await engine.control.create("test", "pauses")
    found = await waits(engine, third.id, Cause.QUEUED)
    assert found.sentence.startswith(
        "It is number 2 in the queue of test.pauses, of which one execution runs at once, "
        f"now {first.id} of test.pauses (PAUSED), where the task 'approval' has been paused for"
    )
    assert (found.holder.kind, found.holder.ids) == ("executions", (first.id,))
    assert found.next_step == f"tidegate execution unqueue {third.id}"
    assert "number 1" in (await asked(engine, second.id)).sentence


async def test_the_iterations_of_a_loop(engine: Engine) -> None:
    execution = await start(
        engine,
        """
id: loops
namespace: test
tasks:
  - id: each
    type: core.flow.Loop
    values: [a, b, c]
    concurrencyLimit: 1
    tasks: [{id: wait, type: core.flow.Pause}]
""",
    )
    found = await waits(engine, execution.id, Cause.EXECUTIONS, deep=1)
    with anyio.fail_after(SECONDS):
        while found.chain[-1].cause is not Cause.PAUSED:
            found = await asked(engine, execution.id)
    assert "The task 'each' waits for 3 of its 3 iterations, first for 'a'" in found.sentence
    assert found.next_step == f"tidegate execution resume {found.chain[0].id}"


async def test_a_process_that_is_gone(tmp_path: Path) -> None:
    async with open_engine(tmp_path / "data", Settings()) as first:
        sleeps = "id: sleeps\nnamespace: test\ntasks: [{id: nap, type: core.flow.Sleep, duration: PT1H}]\n"
        execution = await start(first, sleeps)
        found = await waits(first, execution.id, Cause.RUNNING)
        assert found.holder.ids == (first.node.id,)
        async with open_engine(tmp_path / "data", Settings()) as beside:
            assert (await asked(beside, execution.id)).cause is Cause.RUNNING
    async with open_engine(tmp_path / "data", Settings()) as second:
        found = await asked(second, execution.id)
        assert (found.cause, found.holder.ids) == (Cause.PROCESS_GONE, (first.node.id,))
        assert found.next_step == "tidegate execution recover"
        assert "the task 'nap' goes on when another one takes it up" in found.sentence
        await second.nodes.recover()
        assert (await waits(second, execution.id, Cause.RUNNING)).holder.ids == (second.node.id,)


async def test_a_flow_that_can_no_longer_be_read(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    execution = await start(engine, PAUSES)
    await until(engine, execution.id, "approval", Status.PAUSED)

    async def gone(_execution: object) -> None:
        raise NotFound("flow", "test.pauses")

    monkeypatch.setattr(engine.plans, "of", gone)
    found = await asked(engine, execution.id)
    assert (found.cause, found.holder.kind) == (Cause.FAULT, "nobody")
    assert found.sentence == "Its flow can't be read: flow 'test.pauses' does not exist."
