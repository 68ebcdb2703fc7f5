"""States of triggers: they come with flows, change with executions, and survive edits."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from engine.errors import Conflict, NotFound
from engine.ids import ExecutionId
from engine.state.execution import Caller, Execution, TriggeredBy
from engine.state.status import Status
from engine.state.trigger import Backfill, TriggerState
from engine.store.protocols import Store
from engine.store.rows import DeclaredTrigger, Write
from support.steps import OWNER, execution

DAILY = DeclaredTrigger("daily", "core.trigger.Schedule", "one", (Status.FAILED, Status.KILLED))
HOOK = DeclaredTrigger("hook", "core.trigger.Webhook", "two", off=True)


async def declare(store: Store, *triggers: DeclaredTrigger, at: int = 1, flow: str = "flow") -> None:
    await store.flows.save("shop", flow, f"{at} {triggers}", at, triggers=triggers)


async def state(store: Store, id: str = "daily") -> TriggerState:
    return await store.triggers.get("shop", "flow", id)


def later(state: TriggerState, **fields: object) -> TriggerState:
    return replace(state, version=state.version + 1, **fields)


def started(id: str, by: str = "daily", version: int = 1, status: Status = Status.RUNNING) -> Execution:
    return replace(execution(id, version, state=status), trigger=TriggeredBy(by, "core.trigger.Schedule"))


async def fire(store: Store, id: str, **fields: object) -> None:
    new = later(await state(store), execution=ExecutionId(id), **fields)
    await store.executions.commit(Write(started(id), OWNER, trigger=new))


async def end(store: Store, made: Execution) -> None:
    await store.executions.commit(Write(made, OWNER))


async def keys(store: Store) -> list[tuple[str, str, str]]:
    return [found.key for found in await store.triggers.list()]


async def test_they_come_with_their_flow(store: Store) -> None:
    await declare(store, DAILY, HOOK)
    found = await state(store)
    assert (found.type, found.fingerprint, found.stop_after, found.updated) == (DAILY.type, "one", DAILY.stop_after, 1)
    assert (found.next, found.date, found.active) == (None, None, True)
    assert (await state(store, "hook")).active is False
    assert await keys(store) == [("shop", "flow", "daily"), ("shop", "flow", "hook")]
    assert await store.triggers.list("shop", "other") == []
    with pytest.raises(NotFound):
        await state(store, "nothing")


async def test_tr_08_they_survive_edits_of_the_flow(store: Store) -> None:
    await declare(store, DAILY, HOOK)
    kept = later(await state(store), date=100, next=200, disabled=True, backfill=Backfill(1, 9, 3, labels={"a": "b"}))
    await store.triggers.save(kept)
    await declare(store, HOOK, DAILY, at=2)
    assert replace(await state(store), serial=0) == replace(kept, serial=0)


async def test_cr_11_what_is_written_otherwise_counts_its_dates_from_then_on(store: Store) -> None:
    await declare(store, DAILY)
    await store.triggers.save(later(await state(store), date=100, next=200, failures=3, error="no", disabled=True))
    await declare(store, DAILY._replace(fingerprint="other", stop_after=()), at=2)
    found = await state(store)
    assert (found.date, found.next, found.disabled, found.failures, found.error) == (100, None, True, 0, None)
    assert (found.fingerprint, found.stop_after, found.version) == ("other", (), 3)


async def test_they_go_with_the_trigger_or_the_flow_and_come_back_as_they_were(store: Store) -> None:
    await declare(store, DAILY, HOOK)
    await declare(store, HOOK, at=2)
    assert await keys(store) == [("shop", "flow", "hook")]
    await store.flows.delete("shop", "flow", 3)
    assert await keys(store) == []
    with pytest.raises(NotFound):
        await state(store)
    await declare(store, DAILY, at=4)
    assert await keys(store) == [("shop", "flow", "daily")]
    assert await store.triggers.purge(3) == 0
    assert await store.triggers.purge(4) == 1


async def test_tr_08_deleted_and_made_again_nothing_is_forgotten(store: Store) -> None:
    await declare(store, DAILY)
    await store.triggers.save(later(await state(store), date=100, next=200, disabled=True))
    await store.flows.delete("shop", "flow", 2)
    await declare(store, DAILY, at=3)
    found = await state(store)
    assert (found.date, found.next, found.disabled) == (100, None, True)


async def test_a_state_is_only_stored_over_the_one_before(store: Store) -> None:
    await declare(store, DAILY)
    first = await state(store)
    await store.triggers.save(later(first, next=5))
    with pytest.raises(Conflict):
        await store.triggers.save(later(first, next=6))
    await store.flows.delete("shop", "flow", 2)
    with pytest.raises(Conflict):
        await store.triggers.save(later(later(first), next=7))


async def test_tr_01_the_state_and_the_execution_are_written_together_or_not_at_all(store: Store) -> None:
    await declare(store, DAILY)
    stale = later(await state(store), next=9)
    await fire(store, "a", date=5, next=6)
    assert ((await state(store)).date, (await state(store)).execution) == (5, "a")
    with pytest.raises(Conflict):
        await store.executions.commit(Write(started("b"), OWNER, trigger=stale))
    with pytest.raises(NotFound):
        await store.executions.head(ExecutionId("b"))
    with pytest.raises(Conflict):
        await store.executions.commit(Write(started("a"), OWNER, trigger=later(await state(store), next=9)))
    assert (await state(store)).next == 6


async def test_the_end_of_its_execution_lets_it_go_on(store: Store) -> None:
    await declare(store, DAILY)
    await fire(store, "a")
    await end(store, started("a", version=2, status=Status.PAUSED))
    assert (await state(store)).execution == "a"
    await end(store, started("a", version=3, status=Status.SUCCESS))
    assert ((await state(store)).execution, (await state(store)).disabled) == (None, False)


@pytest.mark.parametrize(
    ("made", "disabled"),
    [
        (started("a", version=2, status=Status.FAILED), True),
        (replace(started("a", version=2, status=Status.FAILED), original=ExecutionId("a")), True),
        (started("a", version=2, status=Status.WARNING), False),
        (replace(started("a", version=2, status=Status.FAILED), original=ExecutionId("x")), False),
        (replace(started("a", version=2, status=Status.FAILED), caller=Caller(ExecutionId("x"), "t", 1)), False),
    ],
)
async def test_some_ends_of_its_executions_switch_it_off(store: Store, made: Execution, disabled: bool) -> None:
    await declare(store, DAILY)
    await store.executions.commit(Write(started("a"), OWNER))
    await end(store, made)
    assert (await state(store)).disabled is disabled


async def test_an_execution_that_ends_at_once_is_waited_for_no_longer(store: Store) -> None:
    await declare(store, DAILY)
    new = later(await state(store), execution=ExecutionId("a"))
    await store.executions.commit(Write(started("a", status=Status.FAILED), OWNER, trigger=new))
    assert ((await state(store)).execution, (await state(store)).disabled) == (None, True)


async def test_who_knows_of_some_changes_is_told_of_those_after(store: Store) -> None:
    async def after(serial: int) -> Sequence[tuple[str, bool]]:
        return [(found.id, found.gone is not None) for found in await store.triggers.changed(serial)]

    await declare(store, DAILY, HOOK)
    assert sorted(await after(0)) == [("daily", False), ("hook", False)]
    seen = (await store.triggers.changed(0))[-1].serial
    assert await after(seen) == []
    await fire(store, "a")
    assert await after(seen) == [("daily", False)]
    await declare(store, HOOK, at=2)
    assert await after(seen) == [("daily", True)]
