"""One operation on many executions: named ones all or none, selected ones as they fit."""

from __future__ import annotations

import pytest

from engine.errors import NotAll, Refused
from engine.ids import ExecutionId
from engine.runtime.engine import Engine
from engine.state.execution import Label
from engine.state.status import Status
from engine.store.rows import ExecutionFilter
from support.running import end, run, start, until

PAUSES = """
id: pauses
namespace: test
labels: {team: sales}
tasks:
  - {id: pause, type: core.flow.Pause}
"""
QUEUES = """
id: queues
namespace: test.below
concurrency: {limit: 1}
tasks:
  - {id: pause, type: core.flow.Pause}
"""
FAILS = """
id: fails
namespace: test
tasks:
  - {id: fail, type: core.execution.Fail}
"""
ALL = ExecutionFilter(below="test")


async def paused(engine: Engine, count: int) -> list[ExecutionId]:
    ids = [(await start(engine, PAUSES)).id for _ in range(count)]
    for id in ids:
        await until(engine, id, "pause", Status.PAUSED)
    return ids


async def counted(engine: Engine) -> dict[str, int]:
    found = await engine.store.executions.list(ExecutionFilter(limit=1000))
    return {state.value: sum(1 for one in found if one.state is state) for state in {one.state for one in found}}


async def test_named_ones_are_done_all_or_none(engine: Engine) -> None:
    ids = await paused(engine, 2)
    failed = (await run(engine, FAILS)).execution.id
    with pytest.raises(NotAll) as caught:
        await engine.bulk.resume([*ids, failed, ExecutionId("nothing")])
    assert caught.value.problems == {
        "nothing": "execution not found",
        failed: "execution not in state PAUSED, but FAILED",
    }
    assert await counted(engine) == {"PAUSED": 2, "FAILED": 1}
    outcome = await engine.bulk.resume([*ids, ids[0]])
    assert (sorted(outcome.done), outcome.refused) == (sorted(ids), {})
    for id in ids:
        await end(engine, id)
    assert await counted(engine) == {"SUCCESS": 2, "FAILED": 1}


async def test_a_filter_takes_those_that_fit(engine: Engine) -> None:
    ids = await paused(engine, 2)
    failed = (await run(engine, FAILS)).execution.id
    assert set((await engine.bulk.kill(ALL)).done) == set(ids)
    assert await counted(engine) == {"KILLED": 2, "FAILED": 1}
    outcome = await engine.bulk.kill(ExecutionFilter(flow="fails", states=(Status.FAILED,)))
    assert outcome.refused == {failed: "execution already finished, its state is FAILED"}
    with pytest.raises(Refused, match="every execution there is"):
        await engine.bulk.kill(ExecutionFilter())


async def test_labels_select(engine: Engine) -> None:
    ids = await paused(engine, 1)
    await run(engine, FAILS)
    sales = ExecutionFilter(labels=(Label("team", "sales"),))
    assert [one.id for one in await engine.store.executions.list(sales)] == ids
    assert await engine.store.executions.count(ExecutionFilter(labels=(Label("team", "it"),))) == 0
    assert (await engine.bulk.kill(sales)).done == tuple(ids)


async def test_killing_all_lets_none_of_the_queue_run_first(engine: Engine) -> None:
    ids = [(await start(engine, QUEUES)).id for _ in range(5)]
    await until(engine, ids[0], "pause", Status.PAUSED)
    assert len((await engine.bulk.kill(ALL)).done) == 5
    for id in ids[1:]:
        record = (await engine.store.executions.load(id)).record
        assert [change.state for change in record.execution.history] == [
            Status.CREATED,
            Status.QUEUED,
            Status.KILLING,
            Status.KILLED,
        ]
    use = await engine.store.slots.of("test.below", "queues")
    assert (use.running, use.waiting) == ((), ())


async def test_a_queue_is_let_run(engine: Engine) -> None:
    ids = [(await start(engine, QUEUES)).id for _ in range(3)]
    outcome = await engine.bulk.unqueue(ExecutionFilter(flow="queues"))
    assert set(outcome.done) == set(ids[1:])
    assert set((await engine.bulk.force_run(ids)).done) == set(ids)
    for id in ids:
        assert (await end(engine, id)).execution.state is Status.SUCCESS


async def test_what_failed_is_restarted_replayed_labelled_and_deleted(engine: Engine) -> None:
    ids = [(await run(engine, FAILS)).execution.id for _ in range(2)]
    assert set((await engine.bulk.restart(ExecutionFilter(flow="fails"))).done) == set(ids)
    for id in ids:
        assert (await end(engine, id)).execution.attempt == 2
    assert len((await engine.bulk.replay(ids)).done) == 2
    for one in await engine.store.executions.list(ExecutionFilter()):
        await end(engine, one.id)
    assert len((await engine.bulk.set_status(ExecutionFilter(flow="fails"), Status.WARNING)).done) == 4
    assert len((await engine.bulk.set_labels(ids, {"seen": "yes"})).done) == 2
    with pytest.raises(NotAll, match="System labels can only be set by Kestra itself"):
        await engine.bulk.set_labels(ids, {"system.app": "yes"})
    seen = ExecutionFilter(labels=(Label("seen", "yes"),))
    assert set((await engine.bulk.delete(seen)).done) == set(ids)
    assert await counted(engine) == {"WARNING": 2}
