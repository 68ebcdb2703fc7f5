"""LoopUntil: passes, waits, limits, and what comes between."""

from __future__ import annotations

from typing import Any

import pytest

from engine.executor.another import replay
from engine.executor.edit import change_status, restart
from engine.executor.plan import Kind, Node
from engine.executor.rebuild import rebuild
from engine.ids import ExecutionId
from engine.state.event import KillAsked, PauseAsked, Resumed, TaskEnded
from engine.state.status import Status
from executor.world import Outcome, World, node, plan_of

S = Status
LIMITS = {"iterations": None, "duration": None, "interval": 1000, "fail": False}


def loop(*tasks: Node, **branches: Any) -> Node:
    return node("loop", kind=Kind.LOOP_UNTIL, ask={}, branches={"tasks": tasks, **branches})


class Until:
    """Answers of a condition, one after another, and the limits."""

    def __init__(self, *answers: Any, **limits: Any) -> None:
        self._answers = list(answers)
        self._limits = {**LIMITS, **limits}

    def __call__(self, path: str, ask: str) -> Any:
        return self._limits if ask == "limits" else self._answers.pop(0)


def count(world: World) -> int:
    return (world.task_run("loop").outputs or {})["iterationCount"]  # type: ignore[no-any-return]


def test_it_goes_on_until_the_condition_holds() -> None:
    world = World(plan_of(loop(node("a"), node("b")), node("after")), answers=Until("false", "", "true")).start()
    first: dict[str, str] = {}
    while world.step():
        if not first and "loop/b" in world.states:
            first = {path: run.id for path, run in world.record.runs.items()}
    assert world.state is S.SUCCESS
    assert count(world) == 3
    assert list(world.states) == ["loop", "loop/a", "loop/b", "after"]
    assert world.history() == [S.CREATED, *(S.RUNNING, S.PAUSED) * 2, S.RUNNING, S.SUCCESS]
    assert world.history("loop") == world.history()
    again = {path: world.task_run(path) for path in first}
    assert again["loop"].id == first["loop"]
    assert again["loop/a"].id != first["loop/a"]
    assert again["loop/a"].iteration == 2
    assert len(again["loop/a"].attempts) == 1
    assert world.is_stored


@pytest.mark.parametrize(("fail", "state"), [(True, S.FAILED), (False, S.SUCCESS)])
def test_it_is_repeated_as_often_as_it_may(fail: bool, state: Status) -> None:
    plan = plan_of(loop(node("a"), errors=(node("handler"),)))
    world = World(plan, answers=Until(*["false"] * 5, iterations=3, fail=fail)).start().run()
    assert world.state is state
    assert sum(isinstance(event, TaskEnded) and event.path == "loop/a" for event in world.seen) == 3
    assert count(world) == (4 if fail else 3), "what fails is the pass that may not begin"
    assert world.said == ["Max iterations reached"]
    assert ("loop/handler" in world.states) is fail


def test_it_goes_on_as_long_as_it_may() -> None:
    world = World(plan_of(loop(node("a"))), answers=Until(*["false"] * 9, duration=2500, fail=True)).start().run()
    assert world.state is S.FAILED
    assert count(world) == 4
    assert world.said == ["Max duration reached"]


def test_a_failure_ends_it() -> None:
    plan = plan_of(loop(node("a"), node("b"), errors=(node("handler"),)))
    world = World(plan, {"a": S.FAILED}, Until()).start().run()
    assert world.states == {"loop": S.FAILED, "loop/a": S.FAILED, "loop/handler": S.SUCCESS}


def test_only_the_last_pass_counts_for_its_state() -> None:
    states = [S.WARNING, S.SUCCESS]
    world = World(plan_of(loop(node("a"))), lambda *_: Outcome(states.pop(0)), Until("false", "true")).start().run()
    assert count(world) == 2
    assert world.state is S.SUCCESS


def test_a_condition_that_cannot_be_rendered_fails_it() -> None:
    world = World(plan_of(loop(node("a"))), answers=Until(ValueError("no such variable"))).start().run()
    assert world.state is S.FAILED
    assert world.task_run("loop").error == "no such variable"


def waiting(*answers: Any, **limits: Any) -> World:
    """A world whose loop waits for its second pass."""
    world = World(plan_of(loop(node("a")), node("after")), answers=Until("false", *answers, **limits)).start()
    while world.state is not S.PAUSED:
        world.step()
    return world


def test_whoever_resumes_it_does_not_wait_for_its_timer() -> None:
    world = waiting("true")
    world.send(Resumed(at=world.now + 1, path="loop"))
    assert not world.timers
    assert world.state is S.RUNNING
    assert world.run().state is S.SUCCESS
    assert count(world) == 2


def test_what_is_late_from_an_earlier_pass_changes_nothing() -> None:
    world = waiting("true")
    late = next(event for event in reversed(world.seen) if isinstance(event, TaskEnded))
    world.ring("loop", "pause")
    assert "loop/a" in world.states
    before = world.record.runs["loop/a"]
    world.send(late)
    assert world.record.runs["loop/a"] is before


def test_a_kill_while_it_waits_ends_it_at_once() -> None:
    world = waiting()
    world.send(KillAsked(at=world.now + 1))
    assert world.state is S.KILLED
    assert world.task_run("loop").state is S.KILLED
    assert not world.timers


def test_a_crash_while_it_waits_loses_nothing() -> None:
    world = waiting("true")
    world.forget()
    assert list(world.timers) == [("loop", "pause")]
    assert world.run().state is S.SUCCESS


def test_a_restart_while_it_waits_asks_again() -> None:
    world = waiting("true")
    world.edit(restart(world.plan, world.record, world.now)).run()
    assert world.state is S.SUCCESS
    assert count(world) == 1


def test_a_restart_goes_on_in_the_pass_that_failed() -> None:
    plan = plan_of(loop(node("a"), node("b")))
    world = World(plan, {"b": [S.FAILED, S.SUCCESS]}, Until("true")).start().run()
    assert world.state is S.FAILED
    world.edit(restart(plan, world.record, world.now)).run()
    assert world.state is S.SUCCESS
    assert len(world.task_run("loop/b").attempts) == 2
    assert len(world.task_run("loop/a").attempts) == 1


def test_a_restart_after_a_limit_begins_with_the_first_pass() -> None:
    plan = plan_of(loop(node("a")))
    world = World(plan, answers=Until("false", "true", iterations=0, fail=True)).start().run()
    assert world.state is S.FAILED
    world.edit(restart(plan, world.record, world.now)).run()
    assert world.state is S.SUCCESS
    assert count(world) == 1


def test_a_replay_from_inside_keeps_the_number_of_its_pass() -> None:
    world = waiting("true", "true").run()
    world.edit(replay(world.plan, world.record, ExecutionId("other"), "a", world.now)).run()
    assert world.state is S.SUCCESS
    assert count(world) == 2


def test_another_state_for_a_task_inside_while_it_waits() -> None:
    world = waiting()
    world.edit(change_status(world.plan, world.record, "loop/a", S.FAILED, world.now)).run()
    assert world.state is S.FAILED
    assert count(world) == 1


def test_histories_stay_short_however_many_passes_there_are() -> None:
    world = World(plan_of(loop(node("a"))), answers=Until(*["false"] * 1500, "true")).start().run()
    assert count(world) == 1501
    assert len(world.history()) <= 1002
    assert len(world.history("loop")) < 210
    assert world.state is S.SUCCESS


def test_counters_rebuilt_while_somebody_holds_the_execution_are_those_that_were_kept() -> None:
    block = loop(node("a"), **{"finally": (node("f"),)})
    world = World(plan_of(block), answers=Until("true")).start()
    while not world.tasks:
        world.step()
    world.end("loop/a")
    world.send(PauseAsked(at=world.now))
    world.step()
    kept = {"": world.record.execution.block, "loop": world.task_run("loop").block}
    assert rebuild(world.plan, world.record).blocks == kept
    edited = change_status(world.plan, world.record, "a", S.WARNING, world.now)
    assert World(world.plan, answers=Until("true"), record=world.record).edit(edited).run().states == {
        "loop": S.WARNING,
        "loop/a": S.WARNING,
        "loop/f": S.SUCCESS,
    }
