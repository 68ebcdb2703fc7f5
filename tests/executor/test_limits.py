"""Executions that begin at once, wait, are turned away, or take longer than they may."""

from __future__ import annotations

import pytest

from engine.executor.edit import restart
from engine.executor.plan import Plan, Sla
from engine.executor.work import replace
from engine.state.command import Say, StopBelow, TakeSlot
from engine.state.event import Continue, Due, Edited, KillAsked, PauseAsked, Resumed, Started
from engine.state.status import Status
from executor.world import World, node, plan_of


def watched(*slas: Sla) -> Plan:
    return replace(plan_of(node("a"), node("b")), slas=slas)


def queued() -> World:
    world = World(plan_of(node("a"), node("b")))
    world.send(Started(at=world.now, admission="queued", reason="it waits"))
    return world


def test_an_admitted_execution_takes_a_slot() -> None:
    world = World(plan_of(node("a"))).start()
    assert world.sent[0] == TakeSlot()
    assert world.run().state is Status.SUCCESS
    assert world.sent.count(TakeSlot()) == 1


def test_a_queued_execution_opens_nothing_until_it_has_a_slot() -> None:
    world = queued()
    assert world.sent == [Say("INFO", "it waits")]
    for event in (Continue(at=world.now), PauseAsked(at=world.now), Resumed(at=world.now)):
        world.send(event)
    assert world.state is Status.QUEUED
    assert not world.states
    world.send(Due(at=world.now, path="", kind="admitted"))
    assert world.history() == [Status.CREATED, Status.QUEUED, Status.RUNNING]
    assert world.run().state is Status.SUCCESS


def test_a_slot_for_one_that_runs_or_has_ended_changes_nothing() -> None:
    world = World(plan_of(node("a"))).start()
    before = world.record.execution
    world.send(Due(at=world.now, path="", kind="admitted"))
    assert world.record.execution == before
    world = queued()
    world.send(KillAsked(at=world.now))
    world.send(Due(at=world.now, path="", kind="admitted"))
    assert world.history() == [Status.CREATED, Status.QUEUED, Status.KILLING, Status.KILLED]


@pytest.mark.parametrize(("state", "error"), [(Status.CANCELLED, None), (Status.FAILED, "too many")])
def test_one_that_is_turned_away_ends_without_a_task_run(state: Status, error: str | None) -> None:
    world = World(plan_of(node("a")))
    world.send(Started(at=world.now, admission="refused", state=state, reason="too many"))
    assert world.history() == [Status.CREATED, state]
    assert world.record.execution.error == error
    assert not world.states


def test_a_restarted_execution_waits_with_all_that_it_would_run() -> None:
    world = World(plan_of(node("a"), node("b")), {"a": [Status.FAILED, Status.SUCCESS]}).start().run()
    world.record = restart(world.plan, world.record, world.now)
    world.send(Edited(at=world.now, admission="queued", reason="it waits"))
    world.forget()
    assert world.history()[-2:] == [Status.RESTARTED, Status.QUEUED]
    assert (world.tasks, world.asks, world.agains) == ({}, {}, 0)
    world.send(Started(at=world.now, admission="forced"))
    assert TakeSlot(forced=True) in world.sent
    assert world.run().state is Status.SUCCESS
    assert world.is_stored


def test_a_restarted_execution_can_be_ended_in_its_queue() -> None:
    world = World(plan_of(node("a"), node("b")), {"a": Status.FAILED}).start().run()
    world.record = restart(world.plan, world.record, world.now)
    world.send(Edited(at=world.now, admission="queued"))
    world.send(Started(at=world.now, admission="refused", state=Status.CANCELLED))
    assert world.state is Status.CANCELLED
    assert all(state.terminal for state in world.states.values())


def test_the_time_of_an_execution_is_over() -> None:
    world = World(watched(Sla("quick", Status.FAILED, duration=500))).start()
    assert list(world.timers) == [("", "sla:0")]
    world.ring("", "sla:0")
    assert StopBelow("", Status.FAILED, cascade=False) in world.sent
    world.forget()
    world.end("a", Status.FAILED)
    assert world.states == {"a": Status.FAILED}
    assert world.state is Status.FAILED
    assert world.record.execution.violated == "quick"


def test_an_end_in_time_forgets_the_deadline() -> None:
    world = World(watched(Sla("quick", Status.FAILED, duration=500))).start()
    while not world.state.terminal:
        world.end(next(iter(world.tasks))[0])
    assert not world.timers
    assert world.record.execution.violated is None


def test_only_the_first_violation_ends_the_execution() -> None:
    slas = (Sla("one", Status.CANCELLED, assertion="x"), Sla("two", Status.FAILED, assertion="y"))
    world = World(watched(*slas), answers={"": [False, False]}).start()
    world.step()
    assert world.record.execution.violated == "one"
    assert world.run().state is Status.CANCELLED


def test_what_has_no_assertion_asks_nothing() -> None:
    world = World(watched(Sla("quick", Status.FAILED, duration=10**9))).start()
    assert not world.asks
