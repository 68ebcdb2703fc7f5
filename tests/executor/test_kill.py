"""A kill, and a task that ends its execution."""

from __future__ import annotations

import pytest

from engine.executor.plan import Backoff, FlowOutput, Kind, Retry, make_plan
from engine.state.command import DropTimer, Ended, StopBelow
from engine.state.event import Due, Evaluated, KillAsked, Lost, Patch, Started, TaskEnded
from engine.state.status import Status
from executor.world import START, Outcome, World, blank, node, plan_of

KILL = KillAsked(at=START + 500)
RETRY = Retry(Backoff.CONSTANT, interval=1000, max_attempts=3)


def nested() -> World:
    inner = node("inner", kind=Kind.PARALLEL, branches={"tasks": (node("a"), node("b", retry=RETRY))})
    outer = node("outer", kind=Kind.SEQUENTIAL, branches={"tasks": (inner, node("later"))})
    return World(plan_of(outer, node("last"), errors=[node("e")], finally_=[node("f")])).start()


def test_what_runs_is_stopped_first_and_everything_ends_killed() -> None:
    world = nested()
    world.send(KILL)
    assert world.history()[-1] is Status.KILLING
    assert world.states["outer/inner"] is Status.KILLING
    assert StopBelow("", Status.KILLED) in world.sent
    world.end("outer/inner/a", Status.KILLED)
    assert world.history()[-1] is Status.KILLING
    world.end("outer/inner/b", Status.KILLED)
    assert world.state is Status.KILLED
    assert set(world.states.values()) == {Status.KILLED}
    assert "e" not in world.states
    assert "f" not in world.states


def test_what_ended_by_itself_meanwhile_keeps_its_state_and_is_not_retried() -> None:
    world = nested()
    world.send(KILL)
    world.end("outer/inner/a", Status.SUCCESS)
    world.end("outer/inner/b", Status.FAILED)
    assert world.states["outer/inner/a"] is Status.SUCCESS
    assert world.states["outer/inner/b"] is Status.FAILED
    assert world.states["outer"] is Status.KILLED
    assert world.state is Status.KILLED


def test_without_live_attempts_one_step_ends_it() -> None:
    plan = plan_of(node("p", kind=Kind.PARALLEL, branches={"tasks": (node("a", retry=RETRY), node("b", run_if="x"))}))
    world = World(plan).start()
    world.end("p/a", Status.FAILED)
    world.send(KILL)
    assert world.state is Status.KILLED
    assert set(world.states.values()) == {Status.KILLED}
    assert DropTimer("p/a", "retry") in world.sent
    assert world.sent[-1] == Ended(Status.KILLED)


def test_what_was_killed_never_comes_back() -> None:
    plan = plan_of(node("p", kind=Kind.PARALLEL, branches={"tasks": (node("a", retry=RETRY), node("b", run_if="x"))}))
    world = World(plan).start()
    world.end("p/a", Status.FAILED)
    world.send(KILL)
    before = dict(world.record.runs)
    world.send(Due(at=world.now + 10_000, path="p/a", kind="retry"))
    world.send(Evaluated(at=world.now, path="p/b", ask="run_if", value="true"))
    world.send(TaskEnded(at=world.now, path="p/a", attempt=1, state=Status.SUCCESS))
    world.send(KILL)
    assert world.record.runs == before
    assert world.sent[-1] == Ended(Status.KILLED)


@pytest.mark.parametrize("admission", [None, "queued"])
def test_an_execution_that_has_not_begun_is_killed_at_once(admission: str | None) -> None:
    world = World(plan_of(node("a")), record=blank())
    if admission:
        world.send(Started(at=START, admission=admission))
    world.send(KILL)
    assert world.state is Status.KILLED
    assert world.states == {}


def test_a_lost_attempt_counts_as_stopped() -> None:
    world = World(plan_of(node("a"))).start()
    world.send(KILL)
    world.send(Lost(at=world.now, path="a", attempt=1))
    assert world.state is Status.KILLED
    assert world.states == {"a": Status.KILLED}


def test_a_kill_while_outputs_are_rendered_ends_it_without_them() -> None:
    plan = plan_of(node("a"))
    plan = make_plan(namespace="n", flow="f", revision=1, root=plan.root, outputs=(FlowOutput("o", "STRING", "x"),))
    world = World(plan).start()
    world.end("a")
    assert ("", "outputs") in world.asks
    world.send(KILL)
    assert world.state is Status.KILLED
    world.send(Evaluated(at=world.now, path="", ask="outputs", value={"o": "x"}))
    assert world.record.execution.outputs is None


def ending(state: Status) -> World:
    def outcome(path: str, _attempt: int) -> Outcome:
        return Outcome(patch=Patch(end=state)) if path == "p/exit" else Outcome()

    block = node("p", kind=Kind.PARALLEL, branches={"tasks": (node("exit"), node("beside"))})
    return World(plan_of(node("first"), block, node("last"), errors=[node("e")]), outcome).start().run()


def test_a_task_may_kill_its_execution() -> None:
    world = ending(Status.KILLED)
    assert world.state is Status.KILLED
    assert world.states == {
        "first": Status.SUCCESS,
        "p": Status.KILLED,
        "p/exit": Status.KILLED,
        "p/beside": Status.KILLED,
    }


@pytest.mark.parametrize("state", [Status.SUCCESS, Status.WARNING, Status.FAILED, Status.CANCELLED])
def test_a_task_may_end_its_execution_in_a_state(state: Status) -> None:
    world = ending(state)
    assert world.state is state
    assert world.states == {
        "first": Status.SUCCESS,
        "p": state,
        "p/exit": Status.SUCCESS,
        "p/beside": Status.KILLED,
    }
