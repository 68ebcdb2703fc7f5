"""Flows that limit how many of their executions run at once, through the real engine."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from engine.errors import Conflict, Refused
from engine.ids import ExecutionId
from engine.runtime.driving.timers import LOOK_SECONDS
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.execution import Execution
from engine.state.status import Status
from support.running import SECONDS, end, messages


def flow(limit: int | None, behavior: str = "QUEUE", task: str = "pause") -> str:
    """A flow whose executions go on when they are resumed, or end at once."""
    tasks = {
        "pause": {"id": "task", "type": "core.flow.Pause"},
        "log": {"id": "task", "type": "core.log.Log", "message": "hello"},
        "fail": {"id": "task", "type": "core.execution.Fail"},
    }
    written = {"id": "limited", "namespace": "shop", "tasks": [tasks[task]]}
    if limit is not None:
        written["concurrency"] = {"limit": limit, "behavior": behavior}
    return json.dumps(written)


async def create(engine: Engine) -> ExecutionId:
    return (await engine.control.create("shop", "limited")).id


async def head(engine: Engine, id: ExecutionId) -> Execution:
    return (await engine.store.executions.head(id))[0]


async def until(engine: Engine, id: ExecutionId, state: Status) -> Execution:
    with anyio.fail_after(SECONDS):
        while (execution := await head(engine, id)).state is not state:
            await anyio.sleep(0.005)
    return execution


def history(execution: Execution) -> list[str]:
    return [change.state.value for change in execution.history]


async def sound(engine: Engine) -> None:
    """No slot disagrees with its execution."""
    await engine.slots.check()
    assert engine.slots.repaired == 0


async def test_beyond_the_limit_they_wait_and_run_in_their_order(engine: Engine) -> None:
    await engine.control.save_flow(flow(2))
    ids = [await create(engine) for _ in range(5)]
    states = [(await head(engine, id)).state.value for id in ids]
    assert states == ["PAUSED", "PAUSED", "QUEUED", "QUEUED", "QUEUED"]
    use = await engine.store.slots.of("shop", "limited")
    assert (use.limit, use.running, use.waiting) == (2, tuple(ids[:2]), tuple(ids[2:]))
    for done, next in ((0, 2), (2, 3), (1, 4)):
        await engine.control.resume(ids[done])
        await until(engine, ids[next], Status.PAUSED)
    assert await messages(engine, ids[3]) == ["Flow is queued due to concurrency limit exceeded, 2 running(s)"]
    for id in ids[3:]:
        await engine.control.resume(id)
        assert history((await end(engine, id)).execution)[:3] == ["CREATED", "QUEUED", "RUNNING"]
    assert (await engine.store.slots.of("shop", "limited"))[1:] == ((), ())
    await sound(engine)


async def test_what_ends_at_once_leaves_its_slot_at_once(engine: Engine) -> None:
    await engine.control.save_flow(flow(1, task="log"))

    async def one() -> None:
        assert (await end(engine, await create(engine))).execution.state is Status.SUCCESS

    async with anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(one)
    assert (await engine.store.slots.of("shop", "limited"))[1:] == ((), ())
    await sound(engine)


@pytest.mark.parametrize(("behavior", "state"), [("CANCEL", "CANCELLED"), ("FAIL", "FAILED")])
async def test_beyond_the_limit_they_end_without_running(engine: Engine, behavior: str, state: str) -> None:
    await engine.control.save_flow(flow(1, behavior))
    first, second = await create(engine), await create(engine)
    record = await end(engine, second)
    assert history(record.execution) == ["CREATED", state]
    assert record.runs == {}
    assert await messages(engine, second) == [f"Flow is {state} due to concurrency limit exceeded"]
    assert (await engine.store.slots.of("shop", "limited")).running == (first,)
    await engine.control.kill(first)
    await end(engine, first)
    await until(engine, await create(engine), Status.PAUSED)
    await sound(engine)


async def test_a_kill_frees_the_slot_and_takes_out_of_the_queue(engine: Engine) -> None:
    await engine.control.save_flow(flow(1))
    first, second, third = [await create(engine) for _ in range(3)]
    await engine.control.kill(second)
    assert (await head(engine, third)).state is Status.QUEUED
    await engine.control.kill(first)
    await until(engine, third, Status.PAUSED)
    assert history(await head(engine, second)) == ["CREATED", "QUEUED", "KILLING", "KILLED"]
    await sound(engine)


async def test_deleting_frees_the_slot(engine: Engine) -> None:
    await engine.control.save_flow(flow(1))
    first, second, third = [await create(engine) for _ in range(3)]
    await engine.store.executions.delete(second)
    await engine.store.executions.delete(first)
    await until(engine, third, Status.PAUSED)
    await sound(engine)


@pytest.mark.parametrize(("limit", "running"), [(3, 3), (None, 4)])
async def test_a_raised_or_removed_limit_lets_more_run(engine: Engine, limit: int | None, running: int) -> None:
    await engine.control.save_flow(flow(1))
    ids = [await create(engine) for _ in range(4)]
    await engine.control.save_flow(flow(limit))
    for id in ids[:running]:
        await until(engine, id, Status.PAUSED)
    assert [(await head(engine, id)).state for id in ids[running:]] == [Status.QUEUED] * (4 - running)
    await sound(engine)


async def test_the_latest_limit_counts_for_every_revision(engine: Engine) -> None:
    await engine.control.save_flow(flow(3))
    ids = [await create(engine) for _ in range(2)]
    await engine.control.save_flow(flow(1))
    old = await engine.control.create("shop", "limited", revision=1)
    assert (await head(engine, old.id)).state is Status.QUEUED
    await engine.control.kill(ids[0])
    assert (await head(engine, old.id)).state is Status.QUEUED
    await engine.control.kill(ids[1])
    await until(engine, old.id, Status.PAUSED)
    await sound(engine)


async def test_a_new_limit_counts_what_runs_already(engine: Engine) -> None:
    await engine.control.save_flow(flow(None))
    first = await create(engine)
    await engine.control.save_flow(flow(1))
    second = await create(engine)
    assert (await head(engine, second)).state is Status.QUEUED
    await engine.control.resume(first)
    await until(engine, second, Status.PAUSED)
    await sound(engine)


async def test_unqueue_and_force_run_go_beyond_the_limit(engine: Engine) -> None:
    await engine.control.save_flow(flow(1))
    first, second, third, fourth = [await create(engine) for _ in range(4)]
    await engine.control.unqueue(second)
    await engine.control.force_run(third)
    for id in (second, third):
        assert (await head(engine, id)).state is Status.PAUSED
    await engine.control.unqueue(fourth, Status.CANCELLED)
    assert history(await head(engine, fourth)) == ["CREATED", "QUEUED", "CANCELLED"]
    fifth = await create(engine)
    for id in (first, second):
        await engine.control.kill(id)
        assert (await head(engine, fifth)).state is Status.QUEUED
    await engine.control.force_run(third)
    assert (await end(engine, third)).execution.state is Status.SUCCESS
    await until(engine, fifth, Status.PAUSED)
    await sound(engine)


async def test_only_what_is_queued_can_be_unqueued(engine: Engine) -> None:
    await engine.control.save_flow(flow(1, task="log"))
    id = await create(engine)
    await end(engine, id)
    with pytest.raises(Refused, match="not queued, its state is SUCCESS"):
        await engine.control.unqueue(id)
    with pytest.raises(Refused, match="RUNNING, CANCELLED, FAILED"):
        await engine.control.unqueue(id, Status.SUCCESS)
    with pytest.raises(Conflict, match="has ended already"):
        await engine.control.force_run(id)


async def test_a_restart_asks_again(engine: Engine) -> None:
    await engine.control.save_flow(flow(1, task="fail"))
    failed = await create(engine)
    await end(engine, failed)
    await engine.control.save_flow(flow(1))
    holder = await create(engine)
    await engine.control.restart(failed)
    queued = await head(engine, failed)
    assert history(queued)[-2:] == ["RESTARTED", "QUEUED"]
    await engine.control.kill(holder)
    record = await end(engine, failed)
    assert history(record.execution)[-3:] == ["QUEUED", "RUNNING", "FAILED"]
    assert len(record.runs["task"].attempts) == 2
    await sound(engine)


async def test_a_restart_that_can_not_wait_is_refused(engine: Engine) -> None:
    await engine.control.save_flow(flow(1, task="fail"))
    failed = await create(engine)
    await end(engine, failed)
    await engine.control.save_flow(flow(1, "CANCEL"))
    await create(engine)
    before = await head(engine, failed)
    with pytest.raises(Refused, match="runs 1 executions already"):
        await engine.control.restart(failed)
    assert history(await head(engine, failed)) == history(before)
    await sound(engine)


async def test_killing_a_restarted_execution_in_the_queue_is_final(engine: Engine) -> None:
    await engine.control.save_flow(flow(1, task="fail"))
    failed = await create(engine)
    await end(engine, failed)
    await engine.control.save_flow(flow(1))
    holder = await create(engine)
    await engine.control.restart(failed)
    await engine.control.kill(failed)
    await engine.control.kill(holder)
    record = await end(engine, failed)
    assert record.execution.state is Status.KILLED
    assert all(run.state.terminal for run in record.runs.values())
    await sound(engine)


async def test_a_slot_that_another_process_frees_is_heard_of(engine: Engine, tmp_path: Path) -> None:
    await engine.control.save_flow(flow(1))
    first = await create(engine)
    async with open_engine(tmp_path / "data", Settings()) as other:
        second = await create(other)
        assert (await head(engine, second)).state is Status.QUEUED
        began = anyio.current_time()
        await engine.control.kill(first)
        await until(engine, second, Status.PAUSED)
        # By its message, not by the look at timers that comes now and then.
        assert anyio.current_time() - began < LOOK_SECONDS / 2
        await sound(other)


async def test_a_slot_granted_to_a_dead_process_is_taken_up(engine: Engine, tmp_path: Path) -> None:
    await engine.control.save_flow(flow(1))
    first = await create(engine)
    async with open_engine(tmp_path / "data", Settings()) as other:
        second = await create(other)
    await engine.control.kill(first)
    assert (await head(engine, second)).state is Status.QUEUED
    await engine.nodes.recover()
    await until(engine, second, Status.PAUSED)
    await sound(engine)
