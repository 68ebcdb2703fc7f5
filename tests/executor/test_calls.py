"""What the reducer knows of executions that start each other, and of those that begin later."""

from __future__ import annotations

import msgspec

from engine.ids import ExecutionId
from engine.state.command import Ended, TellCaller, WakeAt
from engine.state.event import ChildPaused, Due, KillAsked, TaskStarted
from engine.state.execution import Caller
from engine.state.status import Status
from executor.world import START, World, blank, node, plan_of


def test_an_attempt_that_hands_on_its_work_has_its_outputs_so_far_and_goes_on() -> None:
    world = World(plan_of(node("call"))).start()
    world.send(TaskStarted(at=START, path="call", attempt=1))
    world.send(TaskStarted(at=START, path="call", attempt=1, outputs={"executionId": "x"}))
    assert world.task_run("call").outputs == {"executionId": "x"}
    assert world.states == {"call": Status.RUNNING}
    before = world.record.execution, world.record.runs
    world.send(TaskStarted(at=START, path="call", attempt=1, outputs={"executionId": "x"}))
    assert (world.record.execution, world.record.runs) == before
    world.end("call", Status.SUCCESS, outputs={"executionId": "x", "state": "SUCCESS"})
    assert world.state is Status.SUCCESS
    assert [change.state for change in world.task_run("call").history][1:] == [Status.RUNNING, Status.SUCCESS]


def test_a_pause_may_be_heard_of_before_the_start() -> None:
    world = World(plan_of(node("call"))).start()
    world.send(ChildPaused(at=START + 5, path="call", paused=True))
    world.send(TaskStarted(at=START, path="call", attempt=1, outputs={"executionId": "x"}))
    assert (world.state, world.states) == (Status.PAUSED, {"call": Status.PAUSED})
    assert world.task_run("call").outputs == {"executionId": "x"}
    assert [change.state for change in world.task_run("call").history][1:] == [Status.RUNNING, Status.PAUSED]


def test_an_execution_tells_whoever_waits_for_it_until_it_has_told() -> None:
    record = blank()
    caller = Caller(ExecutionId("parent"), "call", 1)
    record.execution = msgspec.structs.replace(record.execution, caller=caller)
    world = World(plan_of(node("a")), record=record).start().run(steps=1)
    assert [type(command) for command in world.sent[-2:]] == [Ended, WakeAt]
    world.ring("", "tell")
    assert isinstance(world.sent[-1], TellCaller)
    world.send(Due(at=world.now, path="", kind="tell"))
    assert isinstance(world.sent[-1], TellCaller)


def test_an_execution_for_later_begins_at_its_date_or_is_killed_before() -> None:
    record = blank()
    record.execution = msgspec.structs.replace(record.execution, scheduled=START + 1000)
    world = World(plan_of(node("a")), record=record).start()
    assert world.state is Status.CREATED
    world.ring("", "start")
    assert world.run().state is Status.SUCCESS
    record = blank()
    record.execution = msgspec.structs.replace(record.execution, scheduled=START + 1000)
    world = World(plan_of(node("a")), record=record).start()
    world.send(KillAsked(at=START))
    world.send(Due(at=START + 1000, path="", kind="start"))
    assert world.state is Status.KILLED
