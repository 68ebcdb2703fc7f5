"""Edits of the past: restart, replay, change of a task run's state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given

from engine.errors import NotFound, Refused
from engine.executor import another
from engine.executor.another import replay
from engine.executor.edit import change_status, restart
from engine.executor.plan import Kind, Node
from engine.ids import ExecutionId
from engine.state.command import StopTask
from engine.state.event import KillAsked, Started
from engine.state.status import Status
from executor.strategies import Case, cases, many
from executor.world import Outcome, World, node, plan_of

NEW = ExecutionId("another")


def block(id: str, kind: Kind, *tasks: Node, concurrent: int = 0, errors: Sequence[Node] = ()) -> Node:
    branches = {"tasks": tasks, **({"errors": tuple(errors)} if errors else {})}
    return node(id, kind=kind, branches=branches, concurrent=concurrent, ask="x")


def local_errors() -> World:
    steps = block("seq", Kind.SEQUENTIAL, node("close"), node("fails"), errors=[node("handler")])
    return World(plan_of(node("before"), steps, node("after")), {"fails": Status.FAILED}).start().run()


def test_restart_keeps_attempts_and_forgets_errors() -> None:
    world = local_errors()
    assert world.states["seq/handler"] is Status.SUCCESS
    assert len(world.states) == 5
    id = world.task_run("seq/fails").id
    record = restart(world.plan, world.record, world.now)
    assert record.execution.state is Status.RESTARTED
    assert [change.state for change in record.execution.history] == [
        Status.CREATED,
        Status.RUNNING,
        Status.FAILED,
        Status.RESTARTED,
    ]
    assert record.execution.attempt == 2
    assert sorted(record.runs) == ["before", "seq", "seq/close", "seq/fails"]
    assert record.runs["seq"].state is Status.RUNNING
    assert record.runs["seq/fails"].state is Status.RESTARTED
    assert len(record.runs["seq/fails"].history) == 4
    assert record.runs["seq/fails"].id == id
    world.edit(record).run()
    assert world.state is Status.FAILED
    assert len(world.states) == 5
    assert len(world.task_run("seq/fails").attempts) == 2
    assert world.is_stored


def test_the_source_of_an_edit_stays_as_it_was() -> None:
    world = local_errors()
    before = dict(world.record.runs), world.record.execution
    restart(world.plan, world.record, world.now)
    replay(world.plan, world.record, NEW, "close", world.now)
    change_status(world.plan, world.record, "fails", Status.SUCCESS, world.now)
    assert (world.record.runs, world.record.execution) == before


def test_restart_goes_on_with_what_was_never_reached() -> None:
    plan = plan_of(node("a"), node("b"), node("c"), node("d"))
    world = World(plan, {"c": [Status.FAILED, Status.SUCCESS]}).start().run()
    assert len(world.states) == 3
    world.edit(restart(plan, world.record, world.now)).run()
    assert world.states == dict.fromkeys("abcd", Status.SUCCESS)
    assert world.state is Status.SUCCESS
    assert len(world.task_run("c").attempts) == 2


def test_restart_of_a_loop_runs_the_failed_lanes_and_finishes_the_others() -> None:
    loop = block("loop", Kind.FOREACH, node("a"), node("b"), concurrent=2)
    outcomes = {"loop#0/a": [Status.FAILED, Status.SUCCESS]}
    world = World(plan_of(loop, node("end")), outcomes, {"loop": ["1", "2", "3"]}).start().run(steps=1)
    world.end("loop#0/a", Status.FAILED)
    world.end("loop#1/a")
    assert world.history()[-1] is Status.FAILED
    world.edit(restart(world.plan, world.record, world.now))
    assert set(world.tasks) == {("loop#0/a", 2), ("loop#1/b", 1)}
    world.run()
    assert world.state is Status.SUCCESS
    assert len(world.states) == 8
    assert len(world.task_run("loop#1/a").attempts) == 1


def test_restart_asks_again_what_could_not_be_answered() -> None:
    answers = iter([ValueError("boom"), "true"])
    plan = plan_of(node("if", kind=Kind.IF, ask="x", branches={"then": (node("a"),), "errors": (node("e"),)}))
    world = World(plan, answers=lambda _path, _ask: next(answers)).start().run()
    assert world.states == {"if": Status.FAILED, "if/e": Status.SUCCESS}
    world.edit(restart(plan, world.record, world.now)).run()
    assert world.states == {"if": Status.SUCCESS, "if/a": Status.SUCCESS}
    assert world.task_run("if").error is None
    assert world.is_stored


def test_restart_asks_run_if_again_where_it_failed() -> None:
    answers = iter([ValueError("boom"), "true"])
    world = World(plan_of(node("a", run_if="x")), answers=lambda _path, _ask: next(answers)).start().run()
    assert world.states == {"a": Status.FAILED}
    assert world.edit(restart(world.plan, world.record, world.now)).run().state is Status.SUCCESS


def test_restart_takes_up_what_was_killed() -> None:
    steps = block("seq", Kind.SEQUENTIAL, node("a"), node("b"))
    world = World(plan_of(steps, node("c"))).start()
    world.end("seq/a")
    world.send(KillAsked(at=world.now))
    world.end("seq/b", Status.KILLED)
    world.edit(restart(world.plan, world.record, world.now)).run()
    assert world.states == dict.fromkeys(("seq", "seq/a", "seq/b", "c"), Status.SUCCESS)


def test_restart_opens_the_many_in_several_steps() -> None:
    loop = block("loop", Kind.FOREACH, node("a"), concurrent=0)
    values = [str(number) for number in range(1200)]

    def fail_once(_path: str, attempt: int) -> Outcome:
        return Outcome(Status.FAILED if attempt == 1 else Status.SUCCESS)

    world = World(plan_of(loop), fail_once, {"loop": values}).start().run()
    world.edit(restart(world.plan, world.record, world.now))
    assert len(world.tasks) <= 500
    assert world.run().state is Status.SUCCESS


@pytest.mark.parametrize("outcome", [Status.SUCCESS, None])
def test_restart_is_refused_with_nothing_to_restart(outcome: Status | None) -> None:
    world = World(plan_of(node("a"))).start()
    if outcome is None:
        with pytest.raises(Refused, match="must be terminated to be restarted, current state is 'RUNNING'"):
            restart(world.plan, world.record, world.now)
        return
    world.run()
    with pytest.raises(Refused, match="No task found to restart"):
        restart(world.plan, world.record, world.now)


def parallel_nested() -> World:
    deepest = block("1-3-2", Kind.SEQUENTIAL, node("1-3-2-1"), node("1-3-2-2"))
    inner = block("1-3", Kind.PARALLEL, node("1-3-1"), deepest, node("1-3-3"))
    return (
        World(plan_of(block("1", Kind.PARALLEL, node("1-1"), node("1-2"), inner, node("1-4")), node("2"))).start().run()
    )


def each_nested(concurrent: int = 1) -> World:
    inner = block("1-2", Kind.FOREACH, node("1-2-1"), node("1-2-2"), concurrent=concurrent)
    outer = block("1", Kind.FOREACH, node("1-1"), inner, node("1-3"), concurrent=concurrent)
    answers = {"1": ["s1", "s2", "s3"], "1-2": ["a", "b"]}
    return World(plan_of(outer, node("2")), answers=answers).start().run()


def each_parallel() -> World:
    steps = block("2-1", Kind.SEQUENTIAL, node("2-1-1"), node("2-1-2"))
    plan = plan_of(block("1", Kind.FOREACH, steps, concurrent=0), node("2"))
    return World(plan, answers={"1": ["v1", "v2", "v3"]}).start().run()


@pytest.mark.parametrize(
    ("make", "total", "chosen", "kept", "state"),
    [
        (parallel_nested, 11, "1/1-3/1-3-2", 8, Status.RUNNING),
        (each_nested, 23, "1#0/1-2#0/1-2-1", 4, Status.RESTARTED),
        (each_parallel, 11, "1#0/2-1", 8, Status.RUNNING),
        (each_parallel, 11, "2", 11, Status.RESTARTED),
    ],
)
def test_replay_keeps_what_came_before(make: Any, total: int, chosen: str, kept: int, state: Status) -> None:
    world = make()
    assert len(world.states) == total
    ids = {run.id for run in world.record.runs.values()}
    record = replay(world.plan, world.record, NEW, world.task_run(chosen).id, world.now)
    assert len(record.runs) == kept
    assert record.execution.state is Status.RESTARTED
    assert len(record.execution.history) == 4
    assert record.runs[chosen].state is state
    assert len(record.runs[chosen].history) == 4
    assert record.execution.id == NEW
    assert record.execution.parent == record.execution.original == "execution"
    assert not ids & {run.id for run in record.runs.values()}
    states = world.states
    world.edit(record).run()
    assert world.states == states
    assert world.state is Status.SUCCESS
    assert world.is_stored


def test_replay_from_the_start_is_a_fresh_execution() -> None:
    world = local_errors()
    record = replay(world.plan, world.record, NEW, None, world.now)
    assert record.runs == {}
    assert record.execution.state is Status.CREATED
    assert len(record.execution.history) == 1
    assert record.execution.inputs == world.record.execution.inputs
    fresh = World(world.plan, {"fails": Status.FAILED}, record=record)
    fresh.send(Started(at=world.now))
    assert fresh.run().states == world.states


def test_replay_of_a_dag_drops_what_depends_on_the_chosen_task_and_runs_again_what_was_running() -> None:
    tasks = (node("a"), node("b"), node("c"), node("d"))
    depends_on = {"c": ("a",), "d": ("c",)}
    dag = node("dag", kind=Kind.DAG, branches={"tasks": tasks}, depends_on=depends_on)
    world = World(plan_of(dag)).start()
    world.end("dag/a")
    world.end("dag/c")
    record = replay(world.plan, world.record, NEW, "a", world.now)
    assert sorted(record.runs) == ["dag", "dag/a", "dag/b"]
    world.edit(record)
    assert {path for path, _attempt in world.tasks} == {"dag/a", "dag/b"}
    assert world.run().state is Status.SUCCESS
    assert len(world.states) == 5


def test_replay_in_a_revision_that_moved_a_task_is_refused() -> None:
    world = local_errors()
    other = plan_of(node("before"), node("close"), node("fails"))
    with pytest.raises(Refused, match="Task 'seq' is no longer in revision 1 of the flow; replay from the start"):
        replay(other, world.record, NEW, "before", world.now)


def test_restart_as_another_execution_keeps_the_source_and_what_did_well() -> None:
    world = local_errors()
    before = dict(world.record.runs), world.record.execution
    record = another.restart(world.plan, world.record, NEW, world.now)
    assert (world.record.runs, world.record.execution) == before
    assert sorted(record.runs) == ["before", "seq", "seq/close", "seq/fails"]
    assert record.execution.parent == "execution"
    assert record.execution.attempt == 2
    assert not {run.id for run in record.runs.values()} & {run.id for run in world.record.runs.values()}
    world.edit(record).run()
    assert len(world.task_run("seq/fails").attempts) == 2
    assert world.is_stored


def test_what_a_new_revision_dropped_after_the_chosen_task_is_no_obstacle() -> None:
    world = local_errors()
    shorter = plan_of(node("before"), node("new"))
    record = replay(shorter, world.record, NEW, "before", world.now, before=world.plan)
    assert sorted(record.runs) == ["before"]
    with pytest.raises(Refused, match="Task 'seq' is no longer in"):
        replay(shorter, world.record, NEW, "close", world.now, before=world.plan)


def test_outputs_are_given_to_tasks_and_not_to_blocks() -> None:
    world = local_errors()
    given = {"before": {"value": 1}}
    record = replay(world.plan, world.record, NEW, "fails", world.now, outputs=given)
    assert record.runs["before"].outputs == {**(world.record.runs["before"].outputs or {}), "value": 1}
    world = World(plan_of(block("seq", Kind.SEQUENTIAL, node("a")), node("b"))).start().run()
    with pytest.raises(Refused, match="'seq' is a block"):
        replay(world.plan, world.record, NEW, "b", world.now, outputs={"seq": {"value": 1}})


def test_a_task_run_that_does_not_exist() -> None:
    world = local_errors()
    with pytest.raises(NotFound, match="this execution ran before"):
        replay(world.plan, world.record, NEW, "nothing", world.now)


def test_a_success_set_by_hand_lets_the_flow_go_on() -> None:
    world = local_errors()
    record = change_status(world.plan, world.record, "fails", Status.SUCCESS, world.now)
    assert record.execution.state is Status.RESTARTED
    assert record.runs["seq"].state is Status.RUNNING
    assert record.runs["seq/fails"].attempts[-1].state is Status.SUCCESS
    world.edit(record).run()
    assert world.states == dict.fromkeys(("before", "seq", "seq/close", "seq/fails", "after"), Status.SUCCESS)


def test_a_failure_set_by_hand_fails_the_blocks_around_it() -> None:
    world = each_parallel()
    record = change_status(world.plan, world.record, world.task_run("1#0/2-1/2-1-2").id, Status.FAILED, world.now)
    assert len(record.runs) == 11
    assert record.runs["1"].state is record.runs["1#0/2-1"].state is Status.RUNNING
    assert len(record.runs["1#0/2-1/2-1-2"].history) == 4
    world.edit(record).run()
    assert world.state is Status.FAILED
    assert world.states["1#0/2-1"] is world.states["1"] is Status.FAILED


def test_a_block_set_by_hand_keeps_its_children() -> None:
    world = each_parallel()
    record = change_status(world.plan, world.record, world.task_run("1#0/2-1").id, Status.FAILED, world.now)
    assert len(record.runs) == 11
    assert record.runs["1#0/2-1"].attempts == ()
    assert world.edit(record).run().state is Status.FAILED
    assert world.states["1#0/2-1/2-1-1"] is Status.SUCCESS


@pytest.mark.parametrize("state", [Status.RUNNING, Status.RETRIED])
def test_states_that_nobody_can_set(state: Status) -> None:
    world = local_errors()
    with pytest.raises(Refused, match=f"can't be set to {state}"):
        change_status(world.plan, world.record, "fails", state, world.now)


@given(cases())
@many
def test_every_edit_of_a_random_execution_leads_to_an_end(case: Case) -> None:
    def pick(count: int) -> int:
        return case.order.randrange(count)

    world = World(case.plan, case.luck.outcome, case.luck.answer).start()
    world.run(pick, steps=case.order.choice([5, 1000]))
    for _ in range(3):
        record = _some_edit(world, case)
        if record is None:
            return
        world.edit(record)
        assert world.is_stored
        world.run(pick)
        assert world.state.terminal
        assert world.is_stored
        assert all(state.terminal for state in world.states.values())


def _some_edit(world: World, case: Case) -> Any:
    names = list(world.record.runs)
    what = case.order.randrange(4)
    try:
        if what == 0 or not names:
            return restart(world.plan, world.record, world.now)
        id = ExecutionId(f"{world.record.execution.id}+")
        if what == 3:
            return another.restart(world.plan, world.record, id, world.now)
        name = case.order.choice(names)
        if what == 1:
            return replay(world.plan, world.record, id, name, world.now)
        state = case.order.choice([Status.SUCCESS, Status.FAILED, Status.WARNING, Status.KILLED])
        return change_status(world.plan, world.record, name, state, world.now)
    except Refused:
        return None


@pytest.mark.parametrize("chosen", ["a", "b"])
def test_replay_from_inside_a_loop_that_asks_whether_it_was_its_last_pass(chosen: str) -> None:
    loop = node("loop", kind=Kind.LOOP_UNTIL, ask="x", branches={"tasks": (node("a"), node("b"))})
    answers = {"loop": {"iterations": None, "duration": None, "interval": 1000, "fail": False}}
    world = World(plan_of(loop, node("after")), answers=lambda path, ask: "true" if ask == "until" else answers[path])
    world.start().run(steps=3)
    assert world.asks == {("loop", "until"): None}
    world.edit(replay(world.plan, world.record, NEW, chosen, world.now)).run()
    assert world.states == dict.fromkeys(("loop", "loop/a", "loop/b", "after"), Status.SUCCESS)
    assert world.state is Status.SUCCESS


def test_a_loop_that_reached_its_limit_begins_anew_where_its_state_was_changed() -> None:
    loop = node("loop", kind=Kind.LOOP_UNTIL, ask="x", branches={"tasks": (node("a"),)})
    limits = {"iterations": 1, "duration": None, "interval": 1000, "fail": True}
    until = iter(["false", "true"])
    world = World(plan_of(loop), answers=lambda _path, ask: next(until) if ask == "until" else limits).start().run()
    assert world.state is Status.FAILED
    world.edit(change_status(world.plan, world.record, "loop", Status.FAILED, world.now)).run()
    world.edit(restart(world.plan, world.record, world.now)).run()
    assert world.state is Status.SUCCESS
    assert world.task_run("loop").outputs == {"iterationCount": 1}


def test_a_block_whose_state_is_changed_while_something_in_it_waits_ends_with_all_in_it() -> None:
    inner = block("inner", Kind.PARALLEL, node("wait", kind=Kind.PAUSE, ask="x"), node("live"))
    answers = {"wait": {"duration": 1000, "then": "RESUME"}}
    world = World(plan_of(inner, node("after")), answers=answers).start().run(steps=1)
    assert world.state is Status.PAUSED
    world.edit(change_status(world.plan, world.record, "inner", Status.SUCCESS, world.now))
    assert StopTask("inner/live", 1) in world.sent
    assert world.record.execution.paused == 0
    assert world.state is Status.RUNNING
    assert world.run().state is Status.SUCCESS
    assert world.states == {
        "inner": Status.SUCCESS,
        "inner/wait": Status.KILLED,
        "inner/live": Status.KILLED,
        "after": Status.SUCCESS,
    }
    assert world.is_stored
