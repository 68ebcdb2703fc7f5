"""Task runs that attempts report: what becomes of them when their attempt ends, is lost, stopped or done again."""

from __future__ import annotations

import pytest

from engine.errors import Refused
from engine.executor.another import replay
from engine.executor.edit import change_status, restart
from engine.executor.plan import Backoff, Kind, Node, Retry
from engine.ids import ExecutionId
from engine.state.event import KillAsked, Lost, Patch, Report, Reported, TaskEnded
from engine.state.execution import Change, Label
from engine.state.status import Status
from executor.world import Outcome, World, node, plan_of

S = Status


def folder(**fields: object) -> Node:
    branches = {"tasks": (node("one"), node("two")), **fields.pop("branches", {})}  # type: ignore[dict-item]
    return node("folder", kind=Kind.FOLDER, branches=branches, **fields)


def begun(*tasks: Node) -> World:
    """A folder whose attempt has ended one task and begun another."""
    world = World(plan_of(*(tasks or (folder(), node("after"))))).start()
    world.report("folder", 1, "one", S.RUNNING, S.SUCCESS)
    world.report("folder", 1, "two", S.RUNNING)
    return world


def test_what_is_reported_lies_below_and_moves_nothing() -> None:
    world = begun()
    assert world.parts == {"folder/one": S.SUCCESS, "folder/two": S.RUNNING}
    assert world.history("folder") == [S.CREATED, S.RUNNING]
    assert list(world.tasks) == [("folder", 1)]
    assert [run.order for run in world.record.runs.values()] == [0, 1, 2]
    world.report("folder", 1, "two", S.RUNNING, S.WARNING)
    world.report("folder", 1, "two", S.RUNNING)
    assert world.parts["folder/two"] is S.WARNING
    world.end("folder", outputs={"outputFiles": {}})
    assert world.task_run("folder").outputs == {"outputFiles": {}}
    assert world.run().state is S.SUCCESS


def test_a_late_report_is_not_heard() -> None:
    world = begun()
    world.end("folder")
    world.report("folder", 1, "three", S.RUNNING)
    assert "folder/three" not in world.record.runs
    world.run().report("folder", 1, "three", S.RUNNING)
    assert "folder/three" not in world.record.runs


@pytest.mark.parametrize(("end", "left"), [(S.SUCCESS, S.SUCCESS), (S.FAILED, S.KILLED), (S.KILLED, S.KILLED)])
def test_what_is_left_open_ends_with_its_attempt(end: Status, left: Status) -> None:
    world = begun()
    world.end("folder", end)
    assert world.parts == {"folder/one": S.SUCCESS, "folder/two": left}
    assert world.task_run("folder/two").attempts[-1].state is left


def test_a_lost_folder_begins_anew() -> None:
    world = begun()
    world.forget()
    assert list(world.tasks) == [("folder", 1)]
    world.send(Lost(at=world.now, path="folder", attempt=1))
    assert world.parts == {}
    assert world.is_stored
    world.report("folder", 2, "one", S.RUNNING)
    assert world.task_run("folder/one").id == "folder/2/one"
    world.tasks = {("folder", 2): None}
    assert world.run().state is S.SUCCESS


def test_a_lost_folder_that_must_not_run_twice_fails_with_all_it_has() -> None:
    world = begun(folder(fail_when_lost=True))
    world.send(Lost(at=world.now, path="folder", attempt=1))
    assert world.parts == {"folder/one": S.SUCCESS, "folder/two": S.KILLED}
    assert world.state is S.FAILED


def test_a_kill_waits_for_the_attempt_and_closes_what_it_reported() -> None:
    world = begun()
    world.send(KillAsked(at=world.now))
    assert world.state is S.KILLING
    world.forget()
    assert list(world.tasks) == [("folder", 1)]
    world.end("folder", S.KILLED)
    assert world.parts == {"folder/one": S.SUCCESS, "folder/two": S.KILLED}
    assert world.state is S.KILLED


def test_errors_and_finally_follow_the_attempt() -> None:
    branches = {"errors": (node("repair"),), "finally": (node("clear"),)}
    world = World(plan_of(folder(branches=branches)), {"folder": S.FAILED}).start().run()
    assert world.states == {"folder": S.FAILED, "folder/repair": S.SUCCESS, "folder/clear": S.SUCCESS}
    world = World(plan_of(folder(branches=branches, allow_failure=True)), {"folder": S.FAILED}).start().run()
    assert (world.states["folder"], world.state) == (S.WARNING, S.WARNING)
    world = World(plan_of(folder(branches=branches))).start().run()
    assert world.states == {"folder": S.SUCCESS, "folder/clear": S.SUCCESS}


def test_a_kill_in_the_errors_branch_closes_the_folder() -> None:
    world = World(plan_of(folder(branches={"errors": (node("repair"),)}))).start()
    world.end("folder", S.FAILED)
    world.send(KillAsked(at=world.now))
    world.end("folder/repair", S.KILLED)
    assert world.states == {"folder": S.KILLED, "folder/repair": S.KILLED}


def test_a_restart_runs_the_whole_folder_again_in_another_attempt() -> None:
    plan = plan_of(node("before"), folder(branches={"errors": (node("repair"),)}))
    world = World(plan, {"folder": [S.FAILED, S.SUCCESS]}).start().run()
    assert world.parts
    world.edit(restart(plan, world.record, world.now))
    assert world.parts == {}
    assert "folder/repair" not in world.record.runs
    assert list(world.tasks) == [("folder", 2)]
    world.run()
    assert world.is_stored
    assert [attempt.state for attempt in world.task_run("folder").attempts] == [S.FAILED, S.SUCCESS]
    assert world.history("folder")[-4:] == [S.FAILED, S.RESTARTED, S.RUNNING, S.SUCCESS]


def test_a_failed_task_of_a_folder_that_may_fail_is_a_reason_to_restart_it() -> None:
    plan = plan_of(folder(allow_failure=True))
    world = begun(folder(allow_failure=True))
    world.report("folder", 1, "two", S.RUNNING, S.FAILED)
    world.end("folder", S.FAILED)
    assert world.state is S.WARNING
    world.edit(restart(plan, world.record, world.now))
    assert list(world.tasks) == [("folder", 2)]


def test_a_replay_from_a_task_of_a_folder_is_one_from_the_folder() -> None:
    world = begun()
    world.end("folder")
    world.run()
    edited = replay(world.plan, world.record, ExecutionId("new"), "two", world.now)
    assert {run.path: run.state for run in edited.runs.values()} == {"folder": S.RESTARTED}
    edited = replay(world.plan, world.record, ExecutionId("new"), "after", world.now)
    assert edited.runs.keys() == {"folder", "folder/one", "folder/two", "after"}
    assert edited.runs["folder/one"].reported


def test_a_replay_of_what_still_ran_begins_the_folder_anew() -> None:
    plan = plan_of(node("par", kind=Kind.PARALLEL, branches={"tasks": (folder(), node("other"))}))
    world = World(plan).start()
    world.report("par/folder", 1, "one", S.RUNNING)
    world.end("par/other")
    edited = replay(plan, world.record, ExecutionId("new"), "other", world.now)
    assert "par/folder/one" not in edited.runs
    assert World(plan, record=world.record).edit(edited).run().state is S.SUCCESS


def test_the_state_of_a_part_cannot_be_changed_alone() -> None:
    world = begun()
    world.end("folder", S.FAILED)
    with pytest.raises(Refused, match="'one' ran as a part of 'folder'"):
        change_status(world.plan, world.record, "one", S.SUCCESS, world.now)
    world.edit(change_status(world.plan, world.record, "folder", S.SUCCESS, world.now))
    assert world.parts
    assert world.run().state is S.SUCCESS


def test_a_retried_task_forgets_the_parts_of_the_attempt_before() -> None:
    retry = Retry(Backoff.CONSTANT, interval=1, max_attempts=2)
    world = World(plan_of(node("dynamic", retry=retry))).start()
    world.report("dynamic", 1, "part", S.RUNNING)
    world.end("dynamic", S.FAILED)
    assert world.parts == {"dynamic/part": S.KILLED}
    world.ring("dynamic")
    assert world.parts == {}
    world.report("dynamic", 2, "part", S.RUNNING, S.SUCCESS)
    world.run()
    assert (world.parts, world.state) == ({"dynamic/part": S.SUCCESS}, S.SUCCESS)
    edited = replay(world.plan, world.record, ExecutionId("new"), "part", world.now)
    assert edited.runs.keys() == {"dynamic"}


def test_a_new_execution_is_had_for_the_whole_folder() -> None:
    retry = Retry(Backoff.CONSTANT, interval=5, max_attempts=2, new_execution=True)
    world = World(plan_of(folder(retry=retry)), {"folder": S.FAILED}).start().run()
    assert (world.state, world.new_executions) == (S.RETRIED, [2])


def test_what_a_part_asks_for_happens_at_once() -> None:
    world = begun()
    event = Reported(at=world.now, path="folder", attempt=1, patch=Patch(labels=(Label("k", "v"),), end=S.SUCCESS))
    world.send(event)
    assert world.record.execution.labels == (Label("k", "v"),)
    world.send(TaskEnded(at=world.now, path="folder", attempt=1, state=S.KILLED))
    assert world.state is S.SUCCESS
    assert "after" not in world.states


def test_many_parts_come_in_one_event() -> None:
    world = World(plan_of(node("dynamic")), lambda _path, _attempt: Outcome()).start()
    history = (Change(S.CREATED, world.now), Change(S.SUCCESS, world.now))
    run = world.task_run("dynamic")
    parts = tuple(Report(run.id, f"part{number}", run.node, history) for number in range(600))
    world.send(Reported(at=world.now, path="dynamic", attempt=1, runs=parts))
    assert world.task_run("dynamic").reports == 600
    assert world.run().record.execution.runs_made == 601


def test_a_task_of_a_folder_may_report_parts_of_itself() -> None:
    world = begun()
    world.report("folder/two", 1, "part", S.RUNNING)
    world.report("folder/two", 1, "other", S.RUNNING, S.SUCCESS)
    assert world.task_run("folder").reports == world.task_run("folder/two").reports == 2
    world.report("folder", 1, "two", S.RUNNING, S.FAILED)
    assert world.parts["folder/two/part"] is S.KILLED
    world.send(Lost(at=world.now, path="folder", attempt=1))
    assert world.parts == {}
    assert world.is_stored


def test_parts_of_a_task_of_a_folder_end_with_the_folder() -> None:
    world = begun()
    world.report("folder/two", 1, "part", S.RUNNING)
    world.report("folder", 1, "of its own", S.RUNNING)
    world.end("folder", S.KILLED)
    assert set(world.parts.values()) == {S.SUCCESS, S.KILLED}
