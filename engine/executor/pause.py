"""Waiting for somebody: a Pause until it is resumed or its time is over, an execution that was asked to pause.

An execution is PAUSED while one of its task runs is, or while it was asked to be; `Execution.paused` counts the runs.
"""

from __future__ import annotations

from typing import Any

from engine.clock import iso
from engine.executor.finish import MAIN, WAITING, fail_block
from engine.executor.kill import request
from engine.executor.names import CANCELLED, PAUSE, PAUSED, RESTARTED, RETRYING, RUNNING, WARNING
from engine.executor.plan import Node
from engine.executor.work import Work, entered, replace
from engine.state.command import DropTimer, WakeAt
from engine.state.event import Resumed
from engine.state.execution import Answer, Phase, TaskRun
from engine.state.status import Status

TIMER = "pause"

# A history longer than this no longer notes that the execution is PAUSED: a loop may pause for each value.
NOTED_AT_MOST = 1000


def begin_pause(work: Work, run: TaskRun, value: dict[str, Any]) -> None:
    """A Pause knows how long it lasts: `duration` in milliseconds, if it ends by itself, and what happens `then`."""
    work.answers[run.path] = Answer(value=value)
    duration = value["duration"]
    due = None if duration is None else work.at + duration
    block = Phase(WAITING, branch="tasks")
    work.changed[run.path] = replace(run, block=block, history=entered(run.history, PAUSED, work.at), due=due)
    if due is not None:
        work.commands.append(WakeAt(run.path, TIMER, due))
    _enter(work, work.get("paused") + 1)


def ask_pause(work: Work) -> None:
    """Open nothing more until `resume`; what runs goes on to its end."""
    if work.state.terminal or work.stopping is not None or work.block("") is None or work.get("held"):
        return
    work.put(held=True)
    _enter(work, work.get("paused"))


def resume(work: Work, event: Resumed) -> bool:
    """Go on where somebody said so. True: everything that was left to look at may be looked at again."""
    if work.state.terminal or work.stopping is not None:
        return False
    if not event.path:
        if not work.get("held"):
            return False
        work.put(held=False)
        _leave(work, work.get("paused"), RESTARTED)
        return True
    run = work.run(event.path)
    if run is not None and run.state is PAUSED and event.since in (0, run.history[-1].at):
        _drop_timer(work, run)
        _go_on(work, run, resumed_outputs(work.at, RUNNING, event.inputs, event.by))
    return False


def time_is_over(work: Work, run: TaskRun) -> None:
    """A Pause was not resumed in time: what is to happen then."""
    if run.state is not PAUSED or run.due is None or work.plan.nodes[run.node].kind is not PAUSE:
        return
    if run.due > work.at:
        work.commands.append(WakeAt(run.path, TIMER, run.due))
        return
    answer = work.answers.get(run.path) or work.record.answers[run.path]
    then = answer.value["then"]
    if then == "RESUME":
        _go_on(work, run, resumed_outputs(work.at, RUNNING))
    elif then == "WARN":
        _go_on(work, run, resumed_outputs(work.at, WARNING))
    elif then == "CANCEL":
        request(work, CANCELLED)
    else:
        _fail(work, run)


def resumed_outputs(at: int, to: Status, inputs: dict[str, Any] | None = None, by: str | None = None) -> dict[str, Any]:
    """The outputs of a Pause: what was given, and who resumed it when, with which effect."""
    return {"onResume": inputs or {}, "resumed": {"by": by, "on": iso(at), "to": to.value}}


def warned(outputs: dict[str, Any] | None) -> bool:
    """Whether a Pause with these outputs went on because its time was over, as a WARNING."""
    return bool(outputs and outputs.get("resumed", {}).get("to") == WARNING)


def _go_on(work: Work, run: TaskRun, outputs: dict[str, Any]) -> None:
    node: Node = work.plan.nodes[run.node]
    block = Phase(MAIN, branch="tasks", total=len(node.branches.get("tasks", ())))
    if warned(outputs):
        block = replace(block, worst=WARNING)
    history = entered(run.history, RUNNING, work.at)
    work.changed[run.path] = replace(run, history=history, block=block, outputs=outputs, due=None)
    work.todo.append(run.path)
    _leave(work, work.get("paused") - 1, RESTARTED)


def _fail(work: Work, run: TaskRun) -> None:
    node = work.plan.nodes[run.node]
    # What runs below it runs in a block that is RUNNING; without that it fails as it stands.
    goes_on = node.branches.get("errors") or node.branches.get("finally")
    history = entered(run.history, RUNNING, work.at) if goes_on else run.history
    work.changed[run.path] = replace(run, history=history, due=None)
    fail_block(work, run.path, f"'{node.id}' was not resumed in time")
    _leave(work, work.get("paused") - 1, RUNNING)


def _enter(work: Work, paused: int) -> None:
    work.put(paused=paused)
    note_paused(work)


def note_paused(work: Work) -> None:
    """Let the execution be PAUSED if something in it is."""
    if not (work.get("paused") or work.get("held")) or len(work.get("history")) >= NOTED_AT_MOST:
        return
    if work.state is RETRYING:
        work.move(RUNNING)
    if work.state is RUNNING:
        work.move(PAUSED)


def _leave(work: Work, paused: int, by: Status) -> None:
    work.put(paused=paused)
    if work.state is PAUSED and not paused and not work.get("held"):
        work.move(by)
        work.move(RUNNING)


def _drop_timer(work: Work, run: TaskRun) -> None:
    if run.due is not None:
        work.commands.append(DropTimer(run.path, TIMER))
