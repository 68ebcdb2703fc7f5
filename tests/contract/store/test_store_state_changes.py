"""What triggers are told of executions: with the step that comes to a state, once, until they have decided."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from engine.errors import Conflict
from engine.ids import ExecutionId
from engine.state.execution import Change, Execution, ExecutionKind
from engine.state.heard import Heard
from engine.state.status import Status
from engine.state.trigger import Met, TriggerState, Window
from engine.store.protocols import Store
from engine.store.rows import DeclaredTrigger, StateChange, Write
from support.steps import OWNER, START, Open, execution

ENDS = frozenset({Status.SUCCESS, Status.FAILED})
ORDERS = Heard("shop", "orders", states=ENDS)


async def listen(store: Store, *hears: Heard, id: str = "after", flow: str = "report", off: bool = False) -> None:
    trigger = DeclaredTrigger(id, "core.trigger.Flow", f"{hears} {off}", off=off, hears=hears)
    await store.flows.save("reports", flow, f"{flow} {id} {hears} {off}", 1, triggers=[trigger])


def came_to(id: str, *states: Status, version: int = 1, flow: str = "orders") -> Execution:
    history = tuple(Change(state, START + place) for place, state in enumerate((Status.CREATED, *states)))
    return replace(execution(id, version, flow=flow), history=history)


async def commit(store: Store, *made: Execution) -> None:
    for one in made:
        await store.executions.commit(Write(one, OWNER))


async def told(store: Store, id: str = "after", flow: str = "report") -> list[tuple[str, int, str]]:
    changes = await changes_of(store, id, flow)
    return [(change.execution, change.sequence, change.state.value) for change in changes]


async def changes_of(store: Store, id: str = "after", flow: str = "report") -> Sequence[StateChange]:
    return await store.state_changes.of("reports", flow, id, 100)


async def state(store: Store) -> TriggerState:
    return await store.triggers.get("reports", "report", "after")


async def test_it_is_told_of_each_state_once(store: Store) -> None:
    await listen(store, ORDERS._replace(states=frozenset({Status.RUNNING, Status.SUCCESS})))
    await commit(store, came_to("a", Status.RUNNING))
    await commit(store, came_to("a", Status.RUNNING, version=2))
    assert await told(store) == [("a", 1, "RUNNING")]
    await commit(store, came_to("a", Status.RUNNING, Status.PAUSED, Status.RUNNING, Status.SUCCESS, version=3))
    assert await told(store) == [("a", 1, "RUNNING"), ("a", 3, "RUNNING"), ("a", 4, "SUCCESS")]
    assert [change.at for change in await changes_of(store)] == [START + 1, START + 3, START + 4]


async def test_a_step_that_comes_too_late_tells_nothing(store: Store) -> None:
    await listen(store, ORDERS)
    await commit(store, came_to("a", Status.RUNNING))
    with pytest.raises(Conflict):
        await commit(store, came_to("a", Status.RUNNING, Status.SUCCESS, version=3))
    assert await told(store) == []


@pytest.mark.parametrize(
    ("heard", "is_told"),
    [
        (Heard(), True),
        (Heard("shop"), True),
        (Heard("sho"), False),
        (Heard("sho", prefix=True), True),
        (Heard("SHO", prefix=True), False),
        (Heard("sho%", prefix=True), False),
        (Heard(flow="orders"), True),
        (Heard("shop", "orders"), True),
        (Heard("shop", "order"), False),
        (Heard("sh", "orders", prefix=True), True),
        (Heard(states=frozenset({Status.FAILED})), False),
    ],
)
async def test_it_is_told_of_what_it_listens_to(store: Store, heard: Heard, is_told: bool) -> None:
    await listen(store, heard._replace(states=heard.states or ENDS))
    await commit(store, came_to("a", Status.RUNNING, Status.SUCCESS))
    assert bool(await told(store)) is is_told


async def test_who_hears_it_twice_is_told_once_and_each_for_itself(store: Store) -> None:
    await listen(store, ORDERS, Heard("shop", states=ENDS))
    await listen(store, ORDERS, id="other", flow="other")
    await commit(store, came_to("a", Status.SUCCESS))
    assert await told(store) == await told(store, "other", "other") == [("a", 1, "SUCCESS")]
    keys = {one.key for one in await store.state_changes.told(0)}
    assert keys == {("reports", "other", "other"), ("reports", "report", "after")}


async def test_nobody_hears_of_his_own_flow_nor_of_tests_and_iterations(store: Store) -> None:
    await listen(store, Heard(states=ENDS))
    own = replace(came_to("own", Status.SUCCESS, flow="report"), namespace="reports")
    test = replace(came_to("test", Status.SUCCESS), kind=ExecutionKind.TEST)
    loop = replace(came_to("loop", Status.SUCCESS), kind=ExecutionKind.LOOP)
    await commit(store, own, test, loop, came_to("a", Status.SUCCESS))
    assert await told(store) == [("a", 1, "SUCCESS")]


async def test_who_is_off_hears_nothing_and_keeps_what_it_was_told(store: Store) -> None:
    await listen(store, ORDERS)
    await commit(store, came_to("a", Status.SUCCESS))
    before = await state(store)
    await store.triggers.save(replace(before, disabled=True, version=before.version + 1))
    await commit(store, came_to("b", Status.SUCCESS))
    await store.triggers.save(replace(before, version=before.version + 2))
    await commit(store, came_to("c", Status.SUCCESS))
    await listen(store, ORDERS, off=True)
    await commit(store, came_to("d", Status.SUCCESS))
    assert [id for id, _, _ in await told(store)] == ["a", "c"]
    await store.flows.delete("reports", "report", 2)
    await commit(store, came_to("e", Status.SUCCESS))
    assert [id for id, _, _ in await told(store)] == ["a", "c"]
    await store.triggers.purge(3)
    assert await told(store) == []


async def test_what_it_decided_on_goes_with_its_state(store: Store) -> None:
    await listen(store, ORDERS)
    await commit(store, came_to("a", Status.SUCCESS), came_to("b", Status.FAILED))
    first, second = await changes_of(store)
    window = Window("both", START, START + 10, {"orders": Met(first.execution, first.at)})
    before = await state(store)
    decided = replace(before, heard=first.serial, windows=(window,), version=before.version + 1)
    await store.triggers.save(decided)
    assert await changes_of(store) == [second]
    assert (await state(store)).windows == (window,)
    with pytest.raises(Conflict):
        await store.triggers.save(replace(decided, heard=second.serial))
    assert await changes_of(store) == [second]
    await listen(store, ORDERS, Heard("elsewhere"))
    after = await state(store)
    assert (after.heard, after.windows) == (first.serial, (window,))


async def test_who_expects_something_is_looked_at_when_it_is_new(store: Store) -> None:
    for expects, next in ((True, 1), (False, None)):
        trigger = DeclaredTrigger("after", "core.trigger.Flow", str(expects), expects=expects)
        await store.flows.save("reports", "report", str(expects), 1, triggers=[trigger])
        assert (await state(store)).next == next


async def test_it_is_forgotten_with_the_execution_that_it_starts_or_not_at_all(store: Store) -> None:
    await listen(store, ORDERS)
    await commit(store, came_to("a", Status.SUCCESS))
    (change,) = await changes_of(store)
    before = await state(store)
    decided = replace(before, heard=change.serial, version=before.version + 1)
    started = execution("started", flow="report")
    await store.executions.commit(Write(started, OWNER, trigger=decided))
    assert await changes_of(store) == []
    with pytest.raises(Conflict):
        await store.executions.commit(Write(execution("again", flow="report"), OWNER, trigger=decided))
    assert await store.executions.heads([ExecutionId("again")]) == []


async def test_news_are_found_by_every_process(open_again: Open) -> None:
    async with open_again() as one, open_again() as other:
        await listen(one, ORDERS)
        await commit(other, came_to("a", Status.SUCCESS))
        (found,) = await one.state_changes.told(0)
        assert found.key == ("reports", "report", "after")
        assert await one.state_changes.told(found.serial) == []
        before = await state(one)
        await one.triggers.save(replace(before, heard=found.serial, version=before.version + 1))
        await commit(other, came_to("b", Status.SUCCESS))
        (later,) = await one.state_changes.told(found.serial)
        assert later.serial > found.serial
