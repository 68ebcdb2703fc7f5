"""Executions that others started: found by those; iterations of loops are hidden from lists and deleted with them."""

from __future__ import annotations

import msgspec
import pytest

from engine.errors import NotFound
from engine.ids import ExecutionId
from engine.state.execution import Caller, ExecutionKind
from engine.state.status import Status
from engine.store.protocols import Store
from engine.store.rows import ExecutionFilter
from support.steps import execution, step

PARENT = ExecutionId("parent")
LOOP = ExecutionKind.LOOP


async def put(
    store: Store, id: str, kind: ExecutionKind = LOOP, of: str = PARENT, path: str = "loop", index: int = 0
) -> None:
    caller = Caller(ExecutionId(of), path, 1, index=index)
    made = msgspec.structs.replace(execution(id), kind=kind, caller=caller)
    await store.executions.commit(msgspec.structs.replace(step(id), execution=made))


async def found(store: Store, **conditions: object) -> list[str]:
    where = ExecutionFilter(**conditions)  # type: ignore[arg-type]
    listed = sorted(found.id for found in await store.executions.list(where))
    assert await store.executions.count(where) == len(listed)
    return listed


async def test_lists_show_normal_executions_unless_asked(store: Store) -> None:
    await store.executions.commit(step(PARENT))
    await put(store, "iteration")
    await put(store, "test", ExecutionKind.TEST)
    assert await found(store) == [PARENT]
    assert await found(store, kinds=(LOOP,)) == ["iteration"]
    assert await found(store, kinds=(ExecutionKind.NORMAL, ExecutionKind.TEST)) == [PARENT, "test"]
    assert await found(store, kinds=()) == ["iteration", PARENT, "test"]


async def test_children_are_found_by_who_started_them_and_where(store: Store) -> None:
    await store.executions.commit(step(PARENT))
    await put(store, "one", index=0)
    await put(store, "two", index=1)
    await put(store, "three", ExecutionKind.NORMAL, path="call")
    await put(store, "four", of="other")
    assert await found(store, kinds=(), caller=PARENT) == ["one", "three", "two"]
    assert await found(store, kinds=(), caller=PARENT, caller_path="loop") == ["one", "two"]
    assert await found(store, kinds=(), caller=PARENT, states=(Status.FAILED,)) == []


async def test_iterations_are_deleted_with_their_execution_and_subflows_are_not(store: Store) -> None:
    await store.executions.commit(step(PARENT))
    await put(store, "iteration")
    await put(store, "inner", of="iteration")
    await put(store, "called", ExecutionKind.NORMAL, path="call")
    await put(store, "elsewhere", of="other")
    await store.executions.delete(PARENT)
    assert await found(store, kinds=()) == ["called", "elsewhere"]
    for gone in (PARENT, ExecutionId("iteration"), ExecutionId("inner")):
        with pytest.raises(NotFound):
            await store.executions.load(gone)
    assert [timer.execution for timer in await store.timers.due("node", 2**60, 10)] == ["called", "elsewhere"]
