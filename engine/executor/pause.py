"""Waiting for somebody: a Pause until it is resumed or its time is over, an execution that was asked to pause."""

from __future__ import annotations

from typing import Any

from engine.clock import iso
from engine.errors import Refused
from engine.executor.finish import MAIN, ON_PAUSE, WAITING, drop_timer, fail_block, next_phase
from engine.executor.kill import request
from engine.executor.names import (
    APPROVAL,
    CANCELLED,
    LOOP_UNTIL,
    PAUSE,
    PAUSED,
    RESTARTED,
    RUNNING,
    WARNING,
)
from engine.executor.paused import enter, leave
from engine.executor.plan import Node, Plan
from engine.executor.work import Work, entered, replace
from engine.state.command import WakeAt
from engine.state.event import Resumed
from engine.state.execution import Answer, Phase, TaskRun
from engine.state.record import Record
from engine.state.status import Status

TIMER = "pause"


def begin_pause(work: Work, run: TaskRun, value: dict[str, Any]) -> None:
    """A Pause knows how long it lasts: `duration` in milliseconds, if it ends by itself, and what happens `then`."""
    work.answers[run.path] = Answer(value=value)
    wait_for_somebody(work, run, value["duration"])


def wait_for_somebody(work: Work, run: TaskRun, duration: int | None) -> None:
    """Let a task run be PAUSED: for so many milliseconds, or until somebody comes."""
    due = None if duration is None else work.at + duration
    meanwhile = work.plan.nodes[run.node].branches.get(ON_PAUSE, ())
    block = Phase(WAITING, branch=ON_PAUSE, total=len(meanwhile))
    work.blocks.pop(run.path, None)
    work.changed[run.path] = replace(run, block=block, history=entered(run.history, PAUSED, work.at), due=due)
    if due is not None:
        work.commands.append(WakeAt(run.path, TIMER, due))
    if meanwhile:
        work.todo.append(run.path)
    enter(work, work.get("paused") + 1)


def ask_pause(work: Work) -> None:
    """Open nothing more until `resume`; what runs goes on to its end."""
    if work.state.terminal or work.stopping is not None or work.block("") is None or work.get("held"):
        return
    work.put(held=True)
    enter(work, work.get("paused"))


def resume(work: Work, event: Resumed) -> bool:
    """Go on where somebody said so. True: everything that was left to look at may be looked at again."""
    if work.finished or work.stopping is not None:
        return False
    if not event.path:
        if not work.get("held"):
            return False
        work.put(held=False)
        leave(work, work.get("paused"), RESTARTED)
        return True
    run = work.run(event.path)
    if run is not None and is_paused(work.plan, run) and event.since in (0, run.history[-1].at):
        drop_timer(work, run)
        _go_on(work, run, resumed_outputs(work.at, RUNNING, event.inputs, event.by))
    return False


def is_paused(plan: Plan, run: TaskRun) -> bool:
    """Whether a task run is that of a Pause that waits to be resumed."""
    return run.state is PAUSED and run.error is None and plan.nodes[run.node].kind is PAUSE


def is_asking(plan: Plan, run: TaskRun) -> bool:
    """Whether a task run is that of an Approval that waits for a decision."""
    return run.state is PAUSED and plan.nodes[run.node].kind is APPROVAL


def to_resume(plan: Plan, record: Record, named: TaskRun | None = None) -> TaskRun | None:
    """The task run to be resumed: the one that was named, else that of the Pause which was there first.

    None where the execution was only asked to pause. Raises Refused where nothing can be resumed.
    """
    execution = record.execution
    if named is not None and not _goes_on(plan, named):
        raise Refused(f"The task run '{named.path}' is not paused, its state is {named.state}")
    waiting = [run for run in record.runs.values() if _goes_on(plan, run)]
    if execution.finished or not (waiting or execution.held):
        asking = sorted(run.path for run in record.runs.values() if is_asking(plan, run))
        if asking and not execution.finished:
            raise Refused(f"The execution waits for a decision, approve or deny: {', '.join(asking)}")
        raise Refused(f"The execution is not paused, its state is {execution.state}")
    # What waits for somebody comes before what waits for its next pass.
    first = min(waiting, key=lambda run: (not is_paused(plan, run), run.order), default=None)
    return named or first


def waits_for_paused(plan: Plan, record: Record, named: TaskRun | None = None) -> list[TaskRun]:
    """The task runs that are PAUSED because an execution that they wait for is; none where others can be resumed.

    named: whether it is that one
    """
    if named is None and (record.execution.held or any(_goes_on(plan, run) for run in record.runs.values())):
        return []
    meant = record.runs.values() if named is None else (named,)
    waiting = (PAUSE, APPROVAL, LOOP_UNTIL)
    found = [run for run in meant if run.state is PAUSED and plan.nodes[run.node].kind not in waiting]
    return sorted(found, key=lambda run: run.order)


def _goes_on(plan: Plan, run: TaskRun) -> bool:
    """Whether a task run goes on when it is resumed: a Pause, or a LoopUntil between two passes."""
    return is_paused(plan, run) or (run.state is PAUSED and plan.nodes[run.node].kind is LOOP_UNTIL)


def time_is_over(work: Work, run: TaskRun) -> None:
    """A Pause was not resumed in time: what is to happen then."""
    then = (work.answers.get(run.path) or work.record.answers[run.path]).value["then"]
    if then == "RESUME":
        _go_on(work, run, resumed_outputs(work.at, RUNNING))
    elif then == "WARN":
        _go_on(work, run, resumed_outputs(work.at, WARNING))
    elif then == "CANCEL":
        request(work, CANCELLED)
    else:
        fail_waiting(work, run, f"'{run.node}' was not resumed in time")


def resumed_outputs(at: int, to: Status, inputs: dict[str, Any] | None = None, by: str | None = None) -> dict[str, Any]:
    """The outputs of a Pause: what was given, and who resumed it when, with which effect."""
    return {"onResume": inputs or {}, "resumed": {"by": by, "on": iso(at), "to": to.value}}


def warned(outputs: dict[str, Any] | None) -> bool:
    """Whether a Pause with these outputs went on because its time was over, as a WARNING."""
    return bool(outputs and outputs.get("resumed", {}).get("to") == WARNING)


def after_pause(work: Work, path: str, node: Node, block: Phase) -> None:
    """Nothing runs below a Pause: when it is no longer paused its tasks follow, then its other branches."""
    if block.phase != WAITING:
        next_phase(work, path, node, block)
        return
    run = work.run(path)
    assert run is not None
    if run.error is not None:
        fail_block(work, path, run.error)
    elif run.state is not PAUSED:
        worst = WARNING if warned(run.outputs) else block.worst
        work.blocks[path] = Phase(MAIN, branch="tasks", total=len(node.branches.get("tasks", ())), worst=worst)
        work.todo.append(path)


def _go_on(work: Work, run: TaskRun, outputs: dict[str, Any]) -> None:
    run = replace(run, history=entered(run.history, RUNNING, work.at), outputs=outputs, due=None)
    stop_waiting(work, run, RESTARTED)


def fail_waiting(work: Work, run: TaskRun, error: str) -> None:
    """A task run that is PAUSED fails, after what runs below it and its errors and finally branches."""
    node = work.plan.nodes[run.node]
    assert run.block is not None
    # What runs below it runs in a block that is RUNNING; without that it fails as it stands.
    below = run.block.live or run.block.next < run.block.total
    goes_on = below or node.branches.get("errors") or node.branches.get("finally")
    history = entered(run.history, RUNNING, work.at) if goes_on else run.history
    stop_waiting(work, replace(run, history=history, error=error, due=None), RUNNING)


def stop_waiting(work: Work, run: TaskRun, by: Status) -> None:
    """A task run is no longer PAUSED; the execution, if nothing else in it is, goes on by that state."""
    # What it runs while it waits is run also where it could not begin before, as the execution was held.
    work.changed[run.path] = run
    work.todo.append(run.path)
    leave(work, work.get("paused") - 1, by)
