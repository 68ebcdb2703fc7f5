"""Why an execution waits: each cause, from the record alone, and the words for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from engine.definition.declared import Input
from engine.executor.plan import Backoff, Kind, Plan, Retry
from engine.executor.reasons import Below, Cause, Queue, Reason, Seen, reason
from engine.executor.work import replace
from engine.ids import ExecutionId
from engine.runtime.actions.reason_words import Scene, clause, next_step
from engine.state.event import ChildPaused, Evaluated, KillAsked, Patch, PauseAsked, Started, TaskStarted
from engine.state.execution import Execution, Item, Phase
from engine.state.record import Record
from engine.state.status import Status
from engine.store.rows import NodeRow
from executor.world import World, blank, node, plan_of

PROCESS = NodeRow(id="node", pid=71, started=0)


class Told(NamedTuple):
    reason: Reason
    clause: str
    next_step: str | None


def told(plan: Plan, record: Record, now: int, heads: tuple[Execution, ...] = (), **seen: Any) -> Told:
    known = Seen(now, **seen)
    found = reason(plan, record, known)
    scene = Scene(plan, record, known, found, PROCESS, {head.id: head for head in heads})
    return Told(found, clause(scene), next_step(scene))


def of(world: World, later: int = 0, heads: tuple[Execution, ...] = (), **seen: Any) -> Told:
    return told(world.plan, world.record, world.now + later, heads, **seen)


def begin(world: World, *paths: str, outputs: Mapping[str, Any] | None = None) -> World:
    """Let attempts begin."""
    for path in paths:
        run = world.task_run(path)
        given = dict(outputs) if outputs else None
        world.send(TaskStarted(at=world.now, path=path, attempt=run.attempt, outputs=given))
    return world


def other(id: str, state: Status = Status.RUNNING, **fields: Any) -> Execution:
    execution = blank(id).execution
    return replace(execution, flow="child", history=(replace(execution.history[0], state=state),), **fields)


def parallel(*tasks: Any) -> Plan:
    return plan_of(node("p", kind=Kind.PARALLEL, branches={"tasks": tasks}))


def pause(id: str = "pause", kind: Kind = Kind.PAUSE, **fields: Any) -> Any:
    return node(id, kind=kind, ask={}, branches={"tasks": ()}, **fields)


def waiting(answer: Mapping[str, Any], task: Any) -> World:
    return World(plan_of(task), {}, {"pause": answer}).start().run(steps=1)


def test_created_for_a_later_date() -> None:
    record = blank()
    record.execution = replace(record.execution, scheduled=record.execution.created + 90_000)
    world = World(plan_of(node("a")), record=record).start()
    found = of(world)
    assert (found.reason.cause, found.reason.until) == (Cause.SCHEDULED, record.execution.scheduled)
    assert found.clause == "it was created for a later date and begins at 2023-11-14 22:14:50 (in 1 m 30 s)"
    assert found.next_step == "tidegate execution force-run execution"
    assert of(world, alive=False).reason.cause is Cause.PROCESS_GONE
    assert "begins at" in of(world, alive=False).clause


def test_about_to_begin() -> None:
    found = told(plan_of(node("a")), blank(), blank().execution.created + 20)
    assert found.reason.cause is Cause.STARTING
    assert found.clause == "it has been about to go on for 20 ms, in process 71"


def test_queued_behind_others() -> None:
    world = World(plan_of(node("a")))
    world.send(Started(at=world.now, admission="queued"))
    running = tuple(ExecutionId(id) for id in "vwxyz")
    queue = Queue(5, running, (ExecutionId("before"), ExecutionId("execution")))
    found = of(world, heads=(other("v", Status.PAUSED),), queue=queue)
    assert (found.reason.cause, found.reason.first) == (Cause.QUEUED, "v")
    assert found.clause == (
        "it is number 2 in the queue of n.f, of which 5 executions run at once, "
        "now v of n.child (PAUSED), w, x and 2 more"
    )
    assert found.next_step == "tidegate execution unqueue execution"
    assert of(world, queue=queue, alive=False).reason.cause is Cause.QUEUED, "whoever frees the slot goes on with it"
    assert of(world, queue=Queue(1, (ExecutionId("execution"),), ())).reason.cause is Cause.STARTING
    assert of(world, queue=Queue(1, (), ())).reason.cause is Cause.FAULT


def test_tasks_run() -> None:
    world = begin(World(parallel(*(node(id) for id in "abcde"))).start(), "p/a", "p/b")
    assert of(world, 3000).clause == (
        "the tasks 'a' and 'b' have been running for 3.00 s, in process 71 (3 other tasks are not done either)"
    )
    found = of(begin(world, "p/c", "p/d", "p/e"))
    assert [run.node for run in found.reason.runs] == list("abcde")
    assert found.clause.startswith("the tasks 'a', 'b', 'c' and 2 more have been running")
    assert found.next_step == "tidegate execution logs execution --task a"


def test_a_task_that_is_next_or_runs_for_a_value() -> None:
    loop = node("loop", kind=Kind.FOREACH, ask="x", branches={"tasks": (node("t"),)}, concurrent=1)
    world = World(plan_of(loop), {}, {"loop": ["north"]}).start().run(steps=1)
    assert of(world).clause == "the task 't' for the value 'north' has waited to begin for 0 ms, in process 71"
    assert "'t' for the value 'north' has been running" in of(begin(world, "loop#0/t")).clause


def test_of_a_folder_the_task_that_it_is_at() -> None:
    world = World(plan_of(node("folder", kind=Kind.FOLDER, branches={"tasks": (node("a"), node("b"))}))).start()
    begin(world, "folder")
    assert "'folder' has been" in of(world).clause
    world.report("folder", 1, "a", Status.RUNNING)
    assert [run.node for run in of(world).reason.runs] == ["a"]


def test_a_retry() -> None:
    retry = Retry(Backoff.CONSTANT, interval=60_000, max_attempts=3)
    world = World(plan_of(node("a", retry=retry))).start()
    world.end("a", Status.FAILED, error="no\n  answer")
    found = of(world)
    assert (found.reason.cause, found.reason.until) == (Cause.RETRY, world.now + 60_000)
    assert found.clause.startswith("the task 'a' is tried again at 2023-11-14 22:14:20 (in 1 m 00 s), attempt 2 of 3")
    assert found.clause.endswith(", after: no answer")
    gone = of(world, alive=False)
    assert gone.reason.cause is Cause.PROCESS_GONE
    assert gone.clause.startswith("the process that had it in hand (71) is gone; when another one has taken it up, the")


def test_paused_until_somebody_resumes_it() -> None:
    inputs = (Input(id="reason", type="STRING"), Input(id="count", type="INT", defaults=2))
    world = waiting({"duration": None, "then": "RESUME"}, pause(inputs=inputs))
    found = of(world, 7_200_000)
    assert (found.reason.cause, found.reason.until) == (Cause.PAUSED, None)
    assert found.clause == (
        "the task 'pause' has been paused for 2 h 00 m until somebody resumes it with reason, count (may be left out)"
    )
    assert found.next_step == "tidegate execution resume execution -i reason=…"
    assert of(world, alive=False).reason.cause is Cause.PAUSED, "whoever resumes it goes on with it"


@pytest.mark.parametrize(
    ("then", "said"),
    [("RESUME", "it goes on"), ("WARN", "with a warning"), ("CANCEL", "is cancelled"), ("FAIL", "it fails")],
)
def test_paused_for_a_time(then: str, said: str) -> None:
    world = waiting({"duration": 5000, "then": then}, pause())
    found = of(world)
    assert found.reason.until == world.now + 5000
    assert "if nobody does by 2023-11-14 22:13:25 (in 5.00 s)" in found.clause
    assert found.clause.endswith(said)
    gone = of(world, alive=False)
    assert gone.reason.cause is Cause.PAUSED, "somebody may still resume it"
    assert gone.clause.endswith("as soon as another process takes it up, for its own is gone")
    assert of(world, 5000, alive=False).reason.cause is Cause.PROCESS_GONE


def test_the_words_for_a_decision() -> None:
    world = waiting({"duration": 5000, "then": "RESUME"}, pause())
    terms = {"comment": "ALWAYS", "then": {"APPROVED": "CONTINUE", "DENIED": "FAIL", "EXPIRED": "KILL"}}
    world.record.answers["pause"] = replace(world.record.answers["pause"], value=terms)
    run = world.task_run("pause")
    asked = Reason(Cause.APPROVAL, (run,), since=run.history[-1].at, until=run.due)
    scene = Scene(world.plan, world.record, Seen(world.now), asked)
    said = clause(scene)
    assert said.startswith(
        "the task 'pause' has been waiting for 0 ms for somebody to approve or deny it; if nobody does"
    )
    assert said.endswith("the execution is killed")
    assert next_step(scene) == "tidegate execution approve execution -c …"


def test_of_several_that_are_paused_one_is_named() -> None:
    world = World(
        parallel(pause("one"), pause("two")), {}, {id: {"duration": None, "then": "RESUME"} for id in ("one", "two")}
    )
    world.start().run(steps=2)
    found = of(world)
    assert found.reason.others == 1
    assert found.next_step == f"tidegate execution resume execution --task-run {world.task_run('p/one').id}"


def test_asked_to_pause() -> None:
    world = begin(World(plan_of(node("a"), node("b"))).start(), "a")
    world.send(PauseAsked(at=world.now))
    found = of(world, 1000)
    assert found.reason.cause is Cause.HELD
    assert found.clause == (
        "somebody asked it to pause 1.00 s ago, and nothing more begins until it is resumed; the task 'a' still runs"
    )
    assert found.next_step == "tidegate execution resume execution"


def test_the_execution_of_a_subflow() -> None:
    world = begin(World(plan_of(node("call"))).start(), "call", outputs={"executionId": "child"})
    child = other("child")
    found = of(world, 1000, (child,), below={"call": Below(1, child)})
    assert (found.reason.cause, found.reason.first) == (Cause.EXECUTIONS, "child")
    assert found.clause == "the task 'call' has been waiting for 1.00 s for the execution child of n.child (RUNNING)"
    assert found.next_step == "tidegate execution why child"
    assert of(world, below={"call": Below(1, child)}, alive=False).reason.cause is Cause.EXECUTIONS
    assert of(world).reason.cause is Cause.STARTING, "it has ended, which is to be taken in"
    world.send(ChildPaused(at=world.now, path="call", paused=True))
    assert of(world, below={"call": Below(1, child)}).reason.cause is Cause.EXECUTIONS


def test_the_iterations_of_a_loop() -> None:
    loop = node("each", kind=Kind.LOOP, ask="x", branches={"tasks": (node("t"),)}, concurrent=2)
    world = World(plan_of(loop), {}, {"each": {"total": 20}}).start().run(steps=1)
    run = world.task_run("each")
    assert run.block is not None
    world.record.runs["each"] = replace(run, block=replace(run.block, next=14))
    child = other("child", item=Item("north", 12))
    found = of(world, 0, (child,), below={"each": Below(2, child)})
    assert found.clause == "the task 'each' waits for 8 of its 20 iterations, first for 'north' (child, RUNNING)"


def test_between_two_rounds() -> None:
    loop = node("poll", kind=Kind.LOOP_UNTIL, ask={}, branches={"tasks": (node("look"),)})
    limits = {"iterations": 10, "duration": None, "interval": 9000, "fail": False}
    world = World(plan_of(loop), {}, lambda _path, ask: limits if ask == "limits" else "false").start()
    while "poll" not in {path for path, _ in world.timers}:
        world.step()
    found = of(world)
    assert (found.reason.cause, found.reason.until) == (Cause.BETWEEN_PASSES, world.now + 9000)
    said = "the task 'poll' after round 1 of at most 10 waits for the next round, at 2023-11-14 22:13:29 (in 9.00 s)"
    assert found.clause == said
    assert found.next_step == "tidegate execution resume execution"
    assert of(world, alive=False).reason.cause is Cause.PROCESS_GONE


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (node("a", run_if="x"), "the task 'a' works out the condition under which it runs"),
        (node("a", kind=Kind.IF, branches={"then": ()}), "the task 'a' works out its condition"),
        (node("a", kind=Kind.FOREACH, branches={"tasks": ()}), "the task 'a' works out its values"),
    ],
)
def test_an_expression(task: Any, said: str) -> None:
    found = of(World(plan_of(task)).start())
    assert found.reason.cause is Cause.EXPRESSION
    assert found.clause.startswith(said)


def test_the_outputs_of_the_flow() -> None:
    world = World(plan_of(node("a"))).start()
    world.record.execution = replace(world.record.execution, block=Phase("outputs"))
    assert of(world).clause.startswith("the outputs of the flow are being worked out")


def test_stopping() -> None:
    world = begin(World(parallel(node("a"), node("b"))).start(), "p/a", "p/b")
    world.send(KillAsked(at=world.now))
    found = of(world, 50)
    assert found.reason.cause is Cause.STOPPING
    assert found.clause == "somebody stopped it 50 ms ago, and the tasks 'a' and 'b' have not ended yet, in process 71"


def test_a_task_asked_for_the_end() -> None:
    world = begin(World(parallel(node("exit"), node("b"))).start(), "p/exit", "p/b")
    world.end("p/exit", patch=Patch(end=Status.FAILED))
    assert of(world).clause == "it is to end in FAILED, and the task 'b' has not ended yet, in process 71"


def test_its_process_is_gone() -> None:
    world = begin(World(plan_of(node("a"))).start(), "a")
    found = of(world, alive=False)
    assert found.reason.cause is Cause.PROCESS_GONE
    assert found.clause == (
        "the process that had it in hand (71) is gone, and the task 'a' goes on when another one takes it up"
    )
    assert found.next_step == "tidegate execution recover"


def test_more_to_open_or_nothing_at_all() -> None:
    world = World(plan_of(node("a"))).start()
    world.record.runs.clear()
    found = of(world)
    assert found.reason.cause is Cause.FAULT
    assert "fault of Tidegate" in found.clause
    world.record.execution = replace(world.record.execution, pending=("a",))
    assert of(world).reason.cause is Cause.STARTING


def test_after_its_end_and_ended() -> None:
    world = World(plan_of(node("a"), afterExecution=(node("report"),))).start()
    world.end("a")
    begin(world, "report")
    assert of(world).clause.startswith(
        "it has ended in SUCCESS and runs its last tasks (afterExecution): the task 'report' has been running"
    )
    world.end("report")
    found = of(world)
    assert (found.reason.cause, found.clause) == (Cause.ENDED, "it has ended in SUCCESS and waits for nothing")
    assert found.next_step is None


def test_another_execution_will_try_again() -> None:
    retry = Retry(Backoff.CONSTANT, interval=60_000, new_execution=True)
    world = World(plan_of(node("a", retry=retry))).start()
    world.end("a", Status.FAILED)
    assert world.state is Status.RETRIED
    found = of(world)
    assert found.reason.cause is Cause.RETRIED
    assert "another execution tries the same again at" in found.clause
    assert of(world, 60_001).reason.cause is Cause.ENDED


def test_of_several_causes_the_one_that_lasts_longest() -> None:
    soon = Retry(Backoff.CONSTANT, interval=1000)
    late = Retry(Backoff.CONSTANT, interval=9000)
    world = World(parallel(node("soon", retry=soon), node("late", retry=late), node("runs"), pause()))
    world.start()
    for task in ("soon", "late"):
        world.end(f"p/{task}", Status.FAILED)
    begin(world, "p/runs")
    assert of(world).reason.cause is Cause.RUNNING, "nobody knows its end; the question is soon answered"
    world.end("p/runs")
    world.send(_answer(world))
    found = of(world)
    assert (found.reason.runs[0].node, found.reason.others) == ("pause", 2)
    world.resume("p/pause")
    found = of(world)
    assert (found.reason.runs[0].node, found.reason.others) == ("late", 1)
    assert found.clause.endswith("(1 other task is not done either)")


def _answer(world: World) -> Evaluated:
    return Evaluated(at=world.now, path="p/pause", ask="pause", value={"duration": None, "then": "RESUME"})
