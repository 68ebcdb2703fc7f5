"""Pause, and executions that are asked to pause."""

from __future__ import annotations

from typing import Any

import pytest

from engine.executor.another import replay
from engine.executor.edit import change_status, restart
from engine.executor.plan import Kind, Node
from engine.executor.rebuild import rebuild
from engine.ids import ExecutionId
from engine.state.event import Due, KillAsked, Patch, PauseAsked, Resumed
from engine.state.status import Status
from executor.world import World, node, plan_of

S = Status
MANUAL = {"duration": None, "then": "RESUME"}
TIMED = {"duration": 1000, "then": "FAIL"}


def pause(*tasks: Node, id: str = "pause", **fields: Any) -> Node:
    branches = {"tasks": tasks, **fields.pop("branches", {})}
    return node(id, kind=Kind.PAUSE, ask={}, branches=branches, **fields)


def paused_world(*tasks: Node, answer: dict[str, Any] = MANUAL, **outcomes: Status) -> World:
    """A world that waits at the Pause, the first of its tasks."""
    world = World(plan_of(*tasks), outcomes, {"pause": answer}).start().run(steps=1)
    assert world.state is S.PAUSED
    return world


def test_a_pause_waits_until_it_is_resumed() -> None:
    world = paused_world(pause(node("inside")), node("after"))
    assert not world.tasks
    world.send(Resumed(at=world.now + 5, path="pause", inputs={"x": 1}, by="anna"))
    assert world.history() == [S.CREATED, S.RUNNING, S.PAUSED, S.RESTARTED, S.RUNNING]
    outputs = world.task_run("pause").outputs
    assert outputs is not None
    assert outputs["onResume"] == {"x": 1}
    assert (outputs["resumed"]["by"], outputs["resumed"]["to"]) == ("anna", "RUNNING")
    assert world.run().state is S.SUCCESS
    assert world.history("pause") == [S.CREATED, S.RUNNING, S.PAUSED, S.RUNNING, S.SUCCESS]
    assert list(world.states) == ["pause", "pause/inside", "after"]


@pytest.mark.parametrize(
    ("then", "history", "state", "after"),
    [
        ("RESUME", [S.RUNNING, S.SUCCESS], S.SUCCESS, True),
        ("WARN", [S.RUNNING, S.WARNING], S.WARNING, True),
        ("FAIL", [S.FAILED], S.FAILED, False),
        ("CANCEL", [S.CANCELLED], S.CANCELLED, False),
    ],
)
def test_when_its_time_is_over(then: str, history: list[Status], state: Status, after: bool) -> None:
    world = paused_world(pause(), node("after"), answer={"duration": 1000, "then": then})
    world.run()
    assert world.history("pause") == [S.CREATED, S.RUNNING, S.PAUSED, *history]
    assert world.state is state
    assert ("after" in world.states) is after


def test_a_pause_that_was_resumed_by_hand_forgets_its_time() -> None:
    world = paused_world(pause(node("inside")), answer={"duration": 1000, "then": "FAIL"})
    world.resume("pause")
    assert not world.timers
    world.send(Due(at=world.now + 5000, path="pause", kind="pause"))
    assert world.run().state is S.SUCCESS


def test_a_resume_that_comes_twice_or_for_an_earlier_pause_is_nothing() -> None:
    world = paused_world(pause())
    before = world.record.execution
    world.send(Resumed(at=world.now, path="pause", since=1))
    assert world.record.execution is before


def test_errors_and_finally_run_when_it_was_not_resumed_in_time() -> None:
    branches = {"errors": (node("e"),), "finally": (node("f"),)}
    world = paused_world(pause(branches=branches, allow_failure=True), answer={"duration": 1, "then": "FAIL"}).run()
    assert list(world.states) == ["pause", "pause/e", "pause/f"]
    assert world.state is S.WARNING


def test_the_execution_stays_paused_until_every_branch_is_resumed() -> None:
    both = node("both", kind=Kind.PARALLEL, branches={"tasks": (pause(id="one"), pause(id="two"), node("t"))})
    world = World(plan_of(both), answers={"one": MANUAL, "two": MANUAL}).start().run(steps=2)
    assert world.record.execution.paused == 2
    world.resume("both/one")
    world.run(steps=1)
    assert world.states["both/t"] is S.SUCCESS
    assert world.state is S.PAUSED
    world.resume("both/two")
    assert world.run().history()[-1] is S.SUCCESS


def test_a_kill_ends_a_pause_at_once_and_for_good() -> None:
    world = paused_world(pause(), node("after"), answer={"duration": 1000, "then": "RESUME"})
    world.send(KillAsked(at=world.now))
    assert world.state is S.KILLED
    assert world.states == {"pause": S.KILLED}
    assert not world.timers


def test_a_restart_of_what_is_paused_goes_on_and_does_not_pause_again() -> None:
    world = paused_world(pause(node("inside")), node("after"))
    world.edit(restart(world.plan, world.record, world.now)).run()
    assert world.state is S.SUCCESS
    assert world.history("pause") == [S.CREATED, S.RUNNING, S.PAUSED, S.RUNNING, S.SUCCESS]


@pytest.mark.parametrize("then", ["FAIL", "CANCEL", "KILL"])
def test_a_restart_of_a_pause_that_was_never_resumed_pauses_again(then: str) -> None:
    world = paused_world(pause(node("inside")), answer={"duration": 1000, "then": then})
    world.send(KillAsked(at=world.now)) if then == "KILL" else world.ring("pause", "pause")
    assert world.state.terminal
    world.edit(restart(world.plan, world.record, world.now)).run(steps=1)
    assert world.state is S.PAUSED
    world.resume("pause")
    assert world.run().state is S.SUCCESS


def test_another_state_for_a_paused_task_run_goes_on_from_there() -> None:
    world = paused_world(pause(node("inside")), node("after"))
    world.edit(change_status(world.plan, world.record, "pause", S.WARNING, world.now)).run()
    assert world.state is S.WARNING
    assert list(world.states) == ["pause", "after"]


def test_an_execution_that_is_asked_to_pause_opens_nothing_more() -> None:
    world = World(plan_of(node("a"), node("b"))).start()
    world.send(PauseAsked(at=world.now))
    assert world.state is S.PAUSED
    world.end("a", S.SUCCESS)
    assert world.states == {"a": S.SUCCESS}
    world.forget()
    assert not world.tasks
    world.resume()
    assert world.run().state is S.SUCCESS
    assert world.history() == [S.CREATED, S.RUNNING, S.PAUSED, S.RESTARTED, S.RUNNING, S.SUCCESS]


def telling(**fields: Any) -> World:
    """A world that waits at a Pause with a task to run meanwhile."""
    branches = {"onPause": (node("tell"),), **fields.pop("branches", {})}
    return paused_world(pause(node("inside"), branches=branches), **fields)


def test_a_task_runs_while_it_waits() -> None:
    world = telling()
    assert world.states == {"pause": S.PAUSED, "pause/tell": S.CREATED}
    world.end("pause/tell")
    assert world.state is S.PAUSED
    world.resume("pause")
    assert world.run().state is S.SUCCESS
    assert list(world.states) == ["pause", "pause/tell", "pause/inside"]


def test_what_runs_while_it_waits_ends_before_what_comes_after() -> None:
    world = telling()
    world.resume("pause")
    assert world.history() == [S.CREATED, S.RUNNING, S.PAUSED, S.RESTARTED, S.RUNNING]
    assert list(world.states) == ["pause", "pause/tell"]
    world.forget()
    world.end("pause/tell", S.FAILED)
    world.run()
    assert (world.state, world.states["pause/inside"]) == (S.SUCCESS, S.SUCCESS), "its failure is no part of the Pause"


@pytest.mark.parametrize("errors", [{}, {"errors": (node("e"),)}])
def test_time_that_is_over_while_the_task_runs(errors: dict[str, Any]) -> None:
    world = telling(answer={"duration": 1000, "then": "FAIL"}, branches=errors)
    world.ring("pause", "pause")
    assert world.state is S.RUNNING
    world.end("pause/tell")
    assert world.run().state is S.FAILED
    assert list(world.states) == ["pause", "pause/tell", *(["pause/e"] if errors else [])]


@pytest.mark.parametrize("by", ["resume", "time", "restart"])
def test_what_could_not_begin_while_it_waited_runs_after(by: str) -> None:
    answer = {"duration": 1000, "then": "RESUME"}
    world = World(plan_of(pause(branches={"onPause": (node("tell"),)})), answers={"pause": answer}).start()
    world.send(PauseAsked(at=world.now))
    world.run(steps=1)
    assert world.states == {"pause": S.PAUSED}
    if by == "resume":
        world.resume("pause")
    elif by == "time":
        world.ring("pause", "pause")
    else:
        world.edit(restart(world.plan, world.record, world.now))
    if by != "restart":
        assert world.states == {"pause": S.RUNNING}
        rebuilt = rebuild(world.plan, world.record)
        assert rebuilt.blocks["pause"] == world.task_run("pause").block
        world.forget()
        world.resume()
    assert world.run().state is S.SUCCESS
    assert world.states == {"pause": S.SUCCESS, "pause/tell": S.SUCCESS}


def test_what_could_not_begin_runs_before_a_wait_fails() -> None:
    answer = {"duration": 1000, "then": "FAIL"}
    world = World(plan_of(pause(branches={"onPause": (node("tell"),)})), answers={"pause": answer}).start()
    world.send(PauseAsked(at=world.now))
    world.run(steps=1)
    world.ring("pause", "pause")
    world.resume()
    assert world.run().state is S.FAILED
    assert world.states == {"pause": S.FAILED, "pause/tell": S.SUCCESS}


@pytest.mark.parametrize("by", ["kill", "exit"])
def test_a_stop_ends_what_runs_while_it_waits(by: str) -> None:
    leave = node("leave")
    branches = {"tasks": (pause(branches={"onPause": (node("tell"),)}), leave)}
    world = World(plan_of(node("both", kind=Kind.PARALLEL, branches=branches)), answers={"pause": TIMED}).start()
    world.run(steps=1)
    if by == "kill":
        world.send(KillAsked(at=world.now))
    else:
        world.end("both/leave", patch=Patch(end=S.CANCELLED))
    assert not world.timers
    assert not world.state.terminal
    world.run()
    assert world.state is (S.KILLED if by == "kill" else S.CANCELLED)
    assert world.states["both/pause/tell"] is S.KILLED


def test_edits_beside_and_around_a_wait() -> None:
    world = telling()
    world.edit(change_status(world.plan, world.record, "tell", S.FAILED, world.now))
    assert world.states == {"pause": S.PAUSED, "pause/tell": S.FAILED}
    assert world.state is S.PAUSED
    world.edit(restart(world.plan, world.record, world.now)).run()
    assert world.state is S.SUCCESS
    assert world.states["pause/tell"] is S.FAILED
    again = replay(world.plan, world.record, ExecutionId("again"), "tell", world.now)
    world.edit(again).run(steps=1)
    assert world.states == {"pause": S.PAUSED, "pause/tell": S.CREATED}, "a replay from it is one of its Pause"
