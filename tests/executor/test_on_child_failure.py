"""A block that ends what still runs in it when one of its children fails."""

from __future__ import annotations

import pytest

from engine.executor.outstanding import outstanding
from engine.executor.plan import Backoff, Kind, Node, Retry
from engine.state.command import DropTimer, Say, StartChild, StartMissing, StopBelow, StopTask
from engine.state.event import ChildEnded, Evaluated, KillAsked, Lost, PauseAsked, TaskEnded
from engine.state.status import Status
from executor.world import World, node, plan_of

RETRY = Retry(Backoff.CONSTANT, interval=1000, max_attempts=3)
BOTH = pytest.mark.parametrize("state", [Status.FAILED, Status.CANCELLED])


def block(*tasks: Node, state: Status | None = Status.FAILED, **fields: object) -> Node:
    branches = {"tasks": tasks, "errors": (node("e"),), "finally": (node("f"),)}
    return node("p", kind=Kind.PARALLEL, branches=branches, stops=state, **fields)


def terminated(world: World) -> list[str]:
    return [command.path for command in world.sent if isinstance(command, Say) and command.level == "WARN"]


@BOTH
def test_what_runs_is_stopped_and_counts_then_errors_follow(state: Status) -> None:
    world = World(plan_of(block(node("a"), node("b"), node("c"), state=state, concurrent=2), node("last"))).start()
    world.end("p/a", Status.FAILED)
    assert StopTask("p/b", 1, state) in world.sent
    assert world.said == ["Task terminated because sibling task 'a' failed."]
    assert terminated(world) == ["p/b"]
    assert world.states == {"p": Status.RUNNING, "p/a": Status.FAILED, "p/b": Status.CREATED}
    world.end("p/b", state)
    assert world.states["p/b"] is state
    assert world.states["p/e"] is Status.CREATED
    world.run()
    assert world.states["p"] is Status.FAILED
    assert world.states["p/f"] is Status.SUCCESS
    assert "p/c" not in world.states
    assert "last" not in world.states
    assert world.state is Status.FAILED


def test_without_it_they_go_on() -> None:
    world = World(plan_of(block(node("a"), node("b"), state=None))).start()
    world.end("p/a", Status.FAILED)
    assert not any(isinstance(command, StopTask) for command in world.sent)
    world.end("p/b")
    assert world.states["p/b"] is Status.SUCCESS


@BOTH
def test_what_waits_ends_at_once(state: Status) -> None:
    pause = node("pause", kind=Kind.PAUSE, ask="x")
    inner = node("inner", kind=Kind.SEQUENTIAL, branches={"tasks": (pause,), "errors": (node("inner_e"),)})
    tasks = (node("a"), node("again", retry=RETRY), node("asks", run_if="x"), inner)
    answers = {"pause": {"duration": 1000, "then": "RESUME"}}
    world = World(plan_of(block(*tasks, state=state)), answers=answers).start()
    world.send(Evaluated(at=world.now, path="p/inner/pause", ask="pause", value=answers["pause"]))
    world.end("p/again", Status.FAILED)
    assert world.state is Status.PAUSED
    world.end("p/a", Status.FAILED)
    assert world.state is Status.RUNNING
    assert world.record.execution.paused == 0
    ended = {path for path, of in world.states.items() if of is state and path != "p/a"}
    assert ended == {"p/again", "p/asks", "p/inner", "p/inner/pause"}
    assert DropTimer("p/again", "retry") in world.sent
    assert DropTimer("p/inner/pause", "pause") in world.sent
    assert world.states["p/e"] is Status.CREATED
    assert "p/inner/inner_e" not in world.states


def test_blocks_around_what_runs_end_with_it_and_without_their_errors() -> None:
    inner = node(
        "inner", kind=Kind.FOREACH, concurrent=1, branches={"tasks": (node("b"),), "errors": (node("inner_e"),)}
    )
    world = World(plan_of(block(node("a"), inner)), answers={"inner": ["x", "y"]}).start()
    world.send(Evaluated(at=world.now, path="p/inner", ask="values", value=["x", "y"]))
    world.end("p/a", Status.FAILED)
    assert terminated(world) == ["p/inner#0/b", "p/inner"]
    world.end("p/inner#0/b", Status.KILLED)
    assert world.states["p/inner#0/b"] is Status.FAILED
    assert world.states["p/inner"] is Status.FAILED
    assert "p/inner#1/b" not in world.states
    assert "p/inner/inner_e" not in world.states
    assert world.states["p/e"] is Status.CREATED


def test_what_ends_by_itself_before_it_is_stopped_keeps_its_end_and_is_not_tried_again() -> None:
    world = World(plan_of(block(node("a"), node("good"), node("bad", retry=RETRY), state=Status.CANCELLED))).start()
    world.end("p/a", Status.FAILED)
    world.end("p/good")
    world.end("p/bad", Status.FAILED)
    assert world.states["p/good"] is Status.SUCCESS
    assert world.states["p/bad"] is Status.FAILED
    assert world.states["p/e"] is Status.CREATED


def test_a_failure_that_is_allowed_ends_nothing() -> None:
    world = World(plan_of(block(node("a", allow_failure=True), node("b")))).start()
    world.end("p/a", Status.FAILED)
    assert world.said == []


def test_a_failure_that_is_tried_again_ends_nothing_yet() -> None:
    world = World(plan_of(block(node("a", retry=RETRY), node("b")))).start()
    world.end("p/a", Status.FAILED)
    assert world.said == []
    assert world.states["p/a"] is Status.RETRYING


def test_a_lost_attempt_that_was_being_stopped_is_not_rerun() -> None:
    world = World(plan_of(block(node("a"), node("b"), state=Status.CANCELLED))).start()
    world.end("p/a", Status.FAILED)
    world.send(Lost(at=world.now, path="p/b", attempt=1))
    assert world.states["p/b"] is Status.CANCELLED
    assert world.states["p/e"] is Status.CREATED


def test_blocks_in_blocks_end_as_the_outer_one_has_it() -> None:
    inner = node("inner", kind=Kind.PARALLEL, branches={"tasks": (node("b"), node("c"))}, stops=Status.CANCELLED)
    world = World(plan_of(block(node("a"), inner))).start()
    world.end("p/inner/b", Status.FAILED)
    assert outstanding(world.plan, world.record)[-1] == StopBelow("p/inner", Status.CANCELLED)
    world.end("p/a", Status.FAILED)
    assert outstanding(world.plan, world.record)[-1] == StopBelow("p", Status.FAILED)
    world.end("p/inner/c", Status.KILLED)
    assert world.states["p/inner/c"] is Status.FAILED
    assert world.states["p/inner"] is Status.FAILED
    assert world.states["p/e"] is Status.CREATED


def test_the_failure_of_a_block_ends_what_runs_beside_it() -> None:
    inner = node("inner", kind=Kind.SEQUENTIAL, branches={"tasks": (node("a"),), "errors": (node("inner_e"),)})
    world = World(plan_of(block(inner, node("b")))).start()
    world.end("p/inner/a", Status.FAILED)
    assert world.said == []
    world.end("p/inner/inner_e")
    assert terminated(world) == ["p/b"]
    assert world.said == ["Task terminated because sibling task 'inner' failed."]


def test_a_kill_ends_all_of_it_killed() -> None:
    world = World(plan_of(block(node("a"), node("b")))).start()
    world.end("p/a", Status.FAILED)
    world.send(KillAsked(at=world.now))
    world.end("p/b", Status.KILLED)
    assert world.states["p/b"] is Status.KILLED
    assert world.state is Status.KILLED


def test_it_is_done_also_in_an_execution_that_somebody_holds() -> None:
    world = World(plan_of(block(node("a"), node("b")))).start()
    world.send(PauseAsked(at=world.now))
    world.end("p/a", Status.FAILED)
    assert StopTask("p/b", 1, Status.FAILED) in world.sent
    world.end("p/b", Status.FAILED)
    assert "p/e" not in world.states
    world.resume()
    assert world.states["p/e"] is Status.CREATED


def test_executions_that_it_started_are_stopped_and_no_more_begin() -> None:
    loop = node("loop", kind=Kind.LOOP, concurrent=2)
    world = World(plan_of(block(node("a"), loop))).start()
    world.send(Evaluated(at=world.now, path="p/loop", ask="items", value={"total": 5}))
    assert [command.index for command in world.sent if isinstance(command, StartChild)] == [0, 1]
    world.end("p/a", Status.FAILED)
    assert StartMissing("p/loop") in world.sent
    world.send(ChildEnded(at=world.now, path="p/loop", index=0, state=Status.KILLED))
    assert world.states["p/loop"] is Status.RUNNING
    world.send(ChildEnded(at=world.now, path="p/loop", index=1, state=Status.KILLED))
    assert world.states["p/loop"] is Status.FAILED
    assert sum(isinstance(command, StartChild) for command in world.sent) == 2


def test_a_process_that_forgot_everything_goes_on() -> None:
    world = World(plan_of(block(node("a"), node("b"), node("c")))).start()
    world.end("p/a", Status.FAILED)
    world.forget()
    world.run()
    assert world.states["p/b"] is Status.FAILED
    assert world.states["p/f"] is Status.SUCCESS
    assert world.state is Status.FAILED


def test_a_loop_without_tasks_beside_it_is_no_trouble() -> None:
    each = node("each", kind=Kind.EACH_PARALLEL, branches={"tasks": (), "finally": (node("long"),)})
    world = World(plan_of(block(node("a"), each))).start()
    world.send(Evaluated(at=world.now, path="p/each", ask="values", value=["x"]))
    world.end("p/a", Status.FAILED)
    assert terminated(world) == ["p/each/long", "p/each"]


def test_an_end_that_is_told_twice_counts_once() -> None:
    world = World(plan_of(block(node("a"), node("b"), node("c")))).start()
    world.end("p/a", Status.FAILED)
    for _ in range(3):
        world.send(TaskEnded(at=world.now, started=0, path="p/b", attempt=1, state=Status.FAILED))
    assert "p/e" not in world.states
    world.end("p/c", Status.FAILED)
    assert world.states["p/e"] is Status.CREATED
