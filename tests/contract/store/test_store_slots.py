"""Slots of flows with a limit, by the steps that take, want and free them."""

from __future__ import annotations

import anyio
import msgspec
import pytest

from engine.errors import AtLimit
from engine.ids import ExecutionId
from engine.state.status import Status
from engine.store.protocols import Store
from engine.store.rows import Concurrency, Granted, LimitUse, Slot, Write
from support.steps import OWNER, execution

MANY = 300


async def limit(store: Store, count: int | None, behavior: str = "QUEUE") -> None:
    concurrency = None if count is None else Concurrency(count, behavior)
    await store.flows.save("shop", "flow", f"limit: {count}", 1, concurrency)


def step(id: str, version: int, state: Status, slot: Slot = Slot.KEEP, tenant: str = "main") -> Write:
    made = msgspec.structs.replace(execution(id, version, state=state), tenant=tenant)
    return Write(execution=made, owner=OWNER, slot=slot)


def start(id: str, version: int = 1) -> Write:
    return step(id, version, Status.RUNNING, Slot.TAKE)


def queue(id: str, version: int = 1) -> Write:
    return step(id, version, Status.QUEUED, Slot.WAIT)


async def used(store: Store) -> tuple[tuple[str, ...], tuple[str, ...]]:
    use = await store.slots.of("shop", "flow")
    return use.running, use.waiting


async def test_a_step_that_finds_no_slot_is_left_out_and_the_others_are_written(store: Store) -> None:
    await limit(store, 7)
    refused: list[tuple[int, str]] = []

    async def one(number: int) -> None:
        try:
            await store.executions.commit(start(f"e{number}"))
        except AtLimit as error:
            refused.append((error.running, error.behavior))

    async with anyio.create_task_group() as tasks:
        for number in range(MANY):
            tasks.start_soon(one, number)
    running, waiting = await used(store)
    assert (len(running), len(waiting)) == (7, 0)
    assert refused == [(7, "QUEUE")] * (MANY - 7)
    assert await store.slots.repair() == 0


async def test_what_ends_grants_its_slot_to_whoever_waits_longest(store: Store) -> None:
    await limit(store, 1)
    heard: list[Granted] = []
    store.slots.listen(heard.extend)
    await store.executions.commit(start("a"))
    await store.executions.commit(queue("b"))
    await store.executions.commit(queue("c"))
    assert await used(store) == (("a",), ("b", "c"))
    with pytest.raises(AtLimit):
        await store.executions.commit(start("c", 2))
    await store.executions.commit(step("a", 2, Status.SUCCESS))
    assert heard == [Granted(ExecutionId("b"), OWNER)]
    assert [(timer.execution, timer.kind) for timer in await store.timers.due(OWNER, 0, 9)] == [("b", "admitted")]
    await store.executions.commit(start("b", 2))
    assert await used(store) == (("b",), ("c",))


async def test_waiting_for_what_is_free_gets_it_at_once(store: Store) -> None:
    await limit(store, 1)
    heard: list[Granted] = []
    store.slots.listen(heard.extend)
    await store.executions.commit(queue("a"))
    assert heard == [Granted(ExecutionId("a"), OWNER)]
    assert await used(store) == (("a",), ())


async def test_a_forced_slot_goes_beyond_the_limit_and_counts(store: Store) -> None:
    await limit(store, 1)
    await store.executions.commit(start("a"))
    await store.executions.commit(queue("b"))
    await store.executions.commit(step("b", 2, Status.RUNNING, Slot.FORCE))
    await store.executions.commit(queue("c"))
    await store.executions.commit(step("a", 2, Status.SUCCESS))
    assert await used(store) == (("b",), ("c",))


async def test_a_limit_counts_what_runs_already_and_its_removal_frees_all(store: Store) -> None:
    await limit(store, None)
    await store.executions.commit(start("a"))
    assert await used(store) == ((), ())
    await limit(store, 1)
    assert await used(store) == (("a",), ())
    await store.executions.commit(queue("b"))
    await limit(store, None)
    assert await used(store) == (("a", "b"), ())


async def test_tenants_are_counted_apart(store: Store) -> None:
    await limit(store, 1)
    await store.executions.commit(start("a"))
    await store.executions.commit(step("b", 1, Status.RUNNING, Slot.TAKE, tenant="other"))
    assert await used(store) == (("a",), ())


async def test_what_can_not_be_is_found_and_put_right(store: Store) -> None:
    await limit(store, 1)
    # Steps that say nothing of slots, as no engine writes them.
    await store.executions.commit(step("runs", 1, Status.RUNNING))
    await store.executions.commit(step("waits", 1, Status.QUEUED))
    assert await store.slots.repair() == 2
    assert await used(store) == (("runs",), ("waits",))
    assert await store.slots.repair() == 0


async def test_the_flows_with_a_limit_are_listed_with_its_use(store: Store) -> None:
    await limit(store, 1)
    await store.flows.save("shop", "free", "no limit", 1, None)
    await store.flows.save("shop", "was", "limit: 1", 1, Concurrency(1, "FAIL"))
    await store.flows.save("shop", "was", "no limit", 2, None)
    await store.executions.commit(start("e1"))
    with pytest.raises(AtLimit):
        await store.executions.commit(start("e2"))
    await store.executions.commit(queue("e2"))
    assert await store.slots.all() == [LimitUse("shop", "flow", 1, "QUEUE", 1, 1)]
