"""Tasks that run once the execution has ended."""

from __future__ import annotations

import msgspec
import pytest

from engine.errors import Refused
from engine.executor import another, edit
from engine.executor.plan import FlowOutput, Plan
from engine.executor.rebuild import rebuild
from engine.ids import ExecutionId
from engine.state.event import KillAsked, Patch
from engine.state.status import Status
from executor.world import World, node, plan_of

S = Status


def plan(*after: str, **branches: object) -> Plan:
    return plan_of(node("main"), afterExecution=[node(id) for id in after], **branches)  # type: ignore[arg-type]


def test_they_run_after_the_end_one_after_another() -> None:
    world = World(plan("a", "b")).start()
    world.end("main")
    assert world.state is S.SUCCESS
    assert not world.record.execution.finished
    assert world.states == {"main": S.SUCCESS, "a": S.CREATED}
    world.end("a")
    assert world.states["b"] is S.CREATED
    world.end("b")
    assert world.record.execution.finished


@pytest.mark.parametrize("state", [S.FAILED, S.WARNING])
def test_they_run_whatever_the_end_and_change_nothing_of_it(state: Status) -> None:
    world = World(plan("a", "b"), {"main": state, "a": S.FAILED}).start().run()
    assert world.state is state
    assert world.history()[-1] is state
    assert world.states == {"main": state, "a": S.FAILED}
    assert world.record.execution.finished


def test_they_run_after_a_kill() -> None:
    world = World(plan("a")).start()
    world.send(KillAsked(at=world.now))
    world.end("main", S.KILLED)
    assert world.state is S.KILLED
    world.end("a")
    assert world.states == {"main": S.KILLED, "a": S.SUCCESS}
    assert world.record.execution.finished


def test_a_kill_stops_them_and_leaves_the_state_of_the_execution() -> None:
    world = World(plan("a", "b")).start()
    world.end("main")
    world.send(KillAsked(at=world.now))
    world.end("a", S.KILLED)
    assert world.states == {"main": S.SUCCESS, "a": S.KILLED}
    assert world.history()[-1] is S.SUCCESS
    assert world.record.execution.finished


def test_an_exit_among_them_ends_only_them() -> None:
    world = World(plan("a", "b")).start()
    world.end("main")
    world.end("a", patch=Patch(end=S.FAILED))
    assert world.state is S.SUCCESS
    assert "b" not in world.states
    assert world.record.execution.finished


def test_they_come_after_finally_and_the_outputs() -> None:
    flow = msgspec.structs.replace(plan("a", finally_=[node("f")]), outputs=(FlowOutput("o", "STRING", "x"),))
    world = World(flow, answers={"": {"o": "x"}}).start().run()
    assert world.record.execution.outputs == {"o": "x"}
    assert sorted(world.record.runs, key=lambda path: world.record.runs[path].order) == ["main", "f", "a"]


def test_what_is_left_is_known_from_the_record_alone() -> None:
    world = World(plan("a", "b")).start()
    world.end("main")
    assert rebuild(world.plan, world.record).blocks == {"": world.record.execution.block}
    world.forget()
    assert world.tasks == {("a", 1): None}
    world.run()
    assert world.record.execution.finished


def test_a_restart_runs_them_again_after_the_new_end() -> None:
    world = World(plan("a"), {"main": [S.FAILED, S.SUCCESS]}).start().run()
    first = world.task_run("a").id
    world.edit(edit.restart(world.plan, world.record, world.now)).run()
    assert world.states == {"main": S.SUCCESS, "a": S.SUCCESS}
    assert world.task_run("a").id != first
    assert world.record.execution.finished


def test_edits_wait_for_them_and_never_begin_at_them() -> None:
    world = World(plan("a"), {"main": S.FAILED}).start()
    world.end("main", S.FAILED)
    with pytest.raises(Refused, match="afterExecution"):
        edit.restart(world.plan, world.record, world.now)
    world.end("a")
    with pytest.raises(Refused, match="runs after the execution"):
        another.replay(world.plan, world.record, ExecutionId("other"), "a", world.now)
    with pytest.raises(Refused, match="runs after the execution"):
        edit.change_status(world.plan, world.record, "a", S.FAILED, world.now)
