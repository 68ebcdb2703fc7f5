"""Timers: what must happen later."""

from __future__ import annotations

import msgspec
import pytest

from engine.errors import Conflict
from engine.ids import ExecutionId
from engine.store.protocols import Store
from engine.store.rows import Timer, Write
from support.steps import OWNER, START, TIMER, execution, step


def wake(id: str, path: str, due: int, version: int, kind: str = TIMER) -> Write:
    timer = Timer(ExecutionId(id), path, kind, START + due)
    return Write(execution=execution(id, version), owner=OWNER, timers=(timer,))


async def test_due_ones_come_oldest_first(store: Store) -> None:
    for id, due in (("a", 30), ("b", 10), ("c", 20), ("d", 99)):
        await store.executions.commit(wake(id, "task", due, 1))
    assert [timer.execution for timer in await store.timers.due(OWNER, START + 30, 10)] == ["b", "c", "a"]
    assert await store.timers.due(OWNER, START + 10, 1) == [Timer(ExecutionId("b"), "task", TIMER, START + 10)]
    assert await store.timers.due("another", START + 99, 10) == []
    assert await store.timers.next_due(OWNER) == START + 10
    assert await store.timers.next_due("another") is None


async def test_they_stay_until_a_step_drops_them(store: Store) -> None:
    await store.executions.commit(wake("a", "task", 10, 1))
    await store.executions.commit(wake("a", "task", 20, 2, kind="retry"))
    for _ in range(2):
        assert len(await store.timers.due(OWNER, START + 20, 10)) == 2
    await store.executions.commit(Write(execution=execution("a", 3), owner=OWNER, dropped=(("task", TIMER),)))
    assert [timer.kind for timer in await store.timers.due(OWNER, START + 20, 10)] == ["retry"]


async def test_a_later_one_of_the_same_kind_replaces(store: Store) -> None:
    await store.executions.commit(wake("a", "task", 10, 1))
    await store.executions.commit(wake("a", "task", 50, 2))
    assert await store.timers.next_due(OWNER) == START + 50


async def test_removed_task_runs_take_their_timers_along(store: Store) -> None:
    await store.executions.commit(step("a"))
    await store.executions.commit(Write(execution=execution("a", 2), owner=OWNER, removed=("first",)))
    assert await store.timers.next_due(OWNER) is None


async def test_they_follow_the_execution_to_its_new_owner(store: Store) -> None:
    await store.executions.commit(wake("a", "task", 10, 1))
    assert await store.executions.claim(ExecutionId("a"), "heir", OWNER)
    assert await store.timers.next_due("heir") == START + 10
    assert await store.timers.next_due(OWNER) is None


async def test_a_step_that_loses_leaves_timers_alone(store: Store) -> None:
    await store.executions.commit(wake("a", "task", 10, 1))
    losing = msgspec.structs.replace(wake("a", "task", 99, 5), dropped=(("task", TIMER),))
    with pytest.raises(Conflict):
        await store.executions.commit(losing)
    assert await store.timers.next_due(OWNER) == START + 10
