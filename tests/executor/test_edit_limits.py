"""Edits of blocks that limit how much is open in them at once, or end what runs beside a failure."""

from __future__ import annotations

import pytest

from engine.errors import Refused
from engine.executor.another import replay
from engine.executor.edit import change_status, restart
from engine.executor.plan import Kind, Plan
from engine.ids import ExecutionId
from engine.state.command import StopStarted, StopTask
from engine.state.event import Evaluated, TaskEnded
from engine.state.status import Status
from executor.world import Outcome, Outcomes, World, node, plan_of

S = Status
NOTHING = {"duration": None, "then": "RESUME"}


def loop(*tasks: str, limit: int = 1) -> Plan:
    children = tuple(node(id) for id in tasks)
    return plan_of(node("each", kind=Kind.FOREACH, ask="x", concurrent=limit, branches={"tasks": children}))


def fails_once(path: str) -> Outcomes:
    """The task at a path fails the first time that it is tried, and nothing else does."""
    left = [path]

    def outcome(tried: str, _attempt: int) -> Outcome:
        if tried not in left:
            return Outcome()
        left.remove(tried)
        return Outcome(S.FAILED)

    return outcome


def running(world: World) -> list[str]:
    return sorted(path for path, state in world.states.items() if not state.terminal and path != "each")


def test_values_that_failed_one_by_one_run_again_one_by_one() -> None:
    answers = {"each": ["v", "w", "x", "y"]}
    world = World(loop("a", "b"), fails_once("each#3/a"), answers).start().run()
    world.edit(change_status(world.plan, world.record, "each#1/a", S.FAILED, world.now)).run()
    world.edit(restart(world.plan, world.record, world.now))
    assert running(world) == ["each#1/a"]
    world.end("each#1/a")
    assert running(world) == ["each#3/a"]
    assert world.run().state is S.SUCCESS
    assert len(world.task_run("each#1/b").attempts) == 1
    assert world.states["each#3/b"] is S.SUCCESS


def test_values_that_lack_a_task_in_a_new_revision_get_it_one_by_one() -> None:
    answers = {"each": ["v", "w", "x"]}
    old = World(loop("a"), {}, answers).start().run()
    new = loop("a", "b")
    record = replay(new, old.record, ExecutionId("again"), "each#2/a", old.now, before=old.plan)
    world = World(new, answers=answers, record=old.record).edit(record)
    assert running(world) == ["each#2/a"]
    seen = []
    while world.step():
        assert len(running(world)) <= 1
        seen += [path for path in running(world) if path not in seen]
    assert seen == ["each#2/b", "each#0/b", "each#1/b"]
    assert world.state is S.SUCCESS


def test_a_replay_from_one_value_keeps_to_the_limit_beside_those_that_were_running() -> None:
    answers = {"each": ["u", "v", "w", "x"]}
    world = World(loop("a", limit=2), {}, answers).start()
    world.run(steps=3)
    assert running(world) == ["each#2/a", "each#3/a"]
    world.edit(replay(world.plan, world.record, ExecutionId("again"), "each#0/a", world.now))
    assert running(world) == ["each#0/a", "each#2/a"]
    assert world.run().states == {"each": S.SUCCESS, **{f"each#{number}/a": S.SUCCESS for number in range(4)}}


def test_tasks_after_each_other_run_again_after_each_other() -> None:
    tasks = (node("a"), node("b"))
    world = World(plan_of(*tasks), fails_once("b")).start().run()
    world.edit(change_status(world.plan, world.record, "a", S.FAILED, world.now)).run()
    world.edit(restart(world.plan, world.record, world.now))
    assert world.states == {"a": S.RESTARTED}
    assert world.run().states == {"a": S.SUCCESS, "b": S.SUCCESS}


def beside(state: Status = S.FAILED) -> World:
    pause = node("pause", kind=Kind.PAUSE, ask="x")
    inner = node("inner", kind=Kind.PARALLEL, stops=state, branches={"tasks": (node("a"), node("b"), node("c"))})
    world = World(plan_of(node("p", kind=Kind.PARALLEL, branches={"tasks": (pause, inner)}))).start()
    world.send(Evaluated(at=world.now, path="p/pause", ask="pause", value=NOTHING))
    return world


def test_values_beyond_one_that_was_left_are_ended_too() -> None:
    each = node("each", kind=Kind.FOREACH, concurrent=2, branches={"tasks": (node("x"), node("y"))})
    block = node("p", kind=Kind.PARALLEL, stops=S.CANCELLED, branches={"tasks": (node("a"), each)})
    world = World(plan_of(block), answers={"each": ["v", "w", "z"]}).start()
    world.send(Evaluated(at=world.now, path="p/each", ask="values", value=["v", "w", "z"]))
    for path in ("p/each#1/x", "p/each#1/y", "p/each#0/x"):
        world.end(path)
    world.edit(replay(world.plan, world.record, ExecutionId("again"), "p/each#1/x", world.now))
    left = world.task_run("p/each").block
    assert left is not None
    assert left.next == 0
    world.end("p/a", S.FAILED)
    assert {command.path for command in world.sent if isinstance(command, StopTask)} == {"p/each#1/x", "p/each#2/x"}


def test_while_a_failure_ends_what_runs_beside_it_nothing_is_edited() -> None:
    world = beside()
    world.end("p/inner/a", S.FAILED)
    said = "A task of 'inner' failed, and what runs beside it is being stopped"
    with pytest.raises(Refused, match=said):
        restart(world.plan, world.record, world.now)
    with pytest.raises(Refused, match=said):
        change_status(world.plan, world.record, "a", S.SUCCESS, world.now)


def test_a_replay_ends_at_once_what_was_being_ended() -> None:
    world = beside(S.CANCELLED)
    world.end("p/inner/a", S.FAILED)
    world.edit(replay(world.plan, world.record, ExecutionId("again"), "pause", world.now))
    assert {path: state for path, state in world.states.items() if path.startswith("p/inner/")} == {
        "p/inner/a": S.FAILED,
        "p/inner/b": S.CANCELLED,
        "p/inner/c": S.CANCELLED,
    }
    assert world.states["p/inner"] is S.FAILED


def test_a_status_that_is_a_failure_ends_what_runs_beside_it() -> None:
    world = beside(S.CANCELLED)
    world.end("p/inner/a")
    world.edit(change_status(world.plan, world.record, "a", S.FAILED, world.now))
    assert {world.states["p/inner/b"], world.states["p/inner/c"]} == {S.CANCELLED}
    assert StopTask("p/inner/b", 1) in world.sent
    assert world.states["p/inner"] is S.FAILED


def test_what_still_runs_is_not_taken_for_what_comes_to_stand_there() -> None:
    pause = node("pause", kind=Kind.PAUSE, ask="x")
    block = node("s", kind=Kind.SEQUENTIAL, branches={"tasks": (node("a"),), "errors": (node("e"),)})
    world = World(plan_of(node("p", kind=Kind.PARALLEL, branches={"tasks": (pause, block)}))).start()
    world.send(Evaluated(at=world.now, path="p/pause", ask="pause", value=NOTHING))
    world.end("p/s/a", S.FAILED)
    assert world.states["p/s/e"] is S.CREATED
    world.edit(restart(world.plan, world.record, world.now))
    assert StopTask("p/s/e", 1) in world.sent
    world.end("p/s/a", S.FAILED)
    assert world.task_run("p/s/e").attempt == 2
    world.send(TaskEnded(at=world.now, started=0, path="p/s/e", attempt=1, state=S.KILLED))
    assert world.states["p/s/e"] is S.CREATED


def test_executions_of_a_task_run_that_gets_an_end_are_stopped_also_after_a_crash() -> None:
    pause = node("pause", kind=Kind.PAUSE, ask="x")
    tasks = (pause, node("loop", kind=Kind.LOOP, ask="x", concurrent=2))
    world = World(plan_of(node("p", kind=Kind.PARALLEL, branches={"tasks": tasks}))).start()
    world.send(Evaluated(at=world.now, path="p/pause", ask="pause", value=NOTHING))
    world.send(Evaluated(at=world.now, path="p/loop", ask="items", value={"total": 5}))
    world.edit(change_status(world.plan, world.record, "loop", S.SUCCESS, world.now))
    stop = StopStarted("p/loop", before=2)
    assert world.sent.count(stop) == 1
    world.forget()
    assert world.sent.count(stop) == 2
