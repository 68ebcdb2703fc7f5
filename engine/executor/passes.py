"""Doing the same again until something holds: the passes of a LoopUntil.

Between two passes the block is PAUSED with a timer. The task runs of a pass are taken out before the next one, which
makes others in their place: with ids of their own, and attempts that nobody takes for earlier ones (`Execution.fence`).
"""

from __future__ import annotations

from typing import Any

from engine.executor.finish import ASKING, MAIN, WAITING, fail_block, next_phase
from engine.executor.names import LOOP_UNTIL, PAUSED, RUNNING
from engine.executor.pause import TIMER
from engine.executor.paused import enter_pause, leave_pause
from engine.executor.plan import Node
from engine.executor.work import Work, entered, replace
from engine.state.command import DropTimer, Evaluate, Say, WakeAt
from engine.state.execution import Answer, Phase, TaskRun

LIMITS = "limits"
UNTIL = "until"

COUNT = "iterationCount"

TOO_MANY = "Max iterations reached"
TOO_LONG = "Max duration reached"

# A history longer than this no longer notes that the block is PAUSED: there may be any number of passes.
NOTED_AT_MOST = 200


def first_pass(work: Work, run: TaskRun, node: Node, limits: dict[str, Any]) -> None:
    """The block knows its limits: `iterations`, `duration`, `interval` (milliseconds); `fail`: if one is reached."""
    work.answers[run.path] = Answer(value=limits)
    _begin(work, run, node, 1)


def after_pass(work: Work, path: str, node: Node, block: Phase) -> None:
    """Nothing runs below the block: if a pass ended well, ask whether it was the last."""
    if block.phase == MAIN and not block.failed:
        work.blocks[path] = Phase(ASKING, branch=UNTIL, next=block.next, worst=block.worst)
        work.commands.append(Evaluate(path, UNTIL))
    elif block.phase != WAITING:
        next_phase(work, path, node, block)


def until_answered(work: Work, run: TaskRun, node: Node, holds: bool) -> None:
    """End, or wait for the next pass unless a limit is reached."""
    assert run.block is not None
    reached = None if holds else _reached(work, run)
    if reached is not None:
        work.commands.append(Say("WARN", reached, run.path))
    if reached is not None and _limits(work, run)["fail"]:
        # The count is that of the pass that may not begin.
        more = reached is TOO_MANY
        work.changed[run.path] = replace(run, outputs={COUNT: count_of(run) + more})
        fail_block(work, run.path, reached)
    elif holds or reached is not None:
        total = run.block.next
        block = Phase(MAIN, branch="tasks", next=total, total=total, worst=run.block.worst)
        work.blocks[run.path] = block
        next_phase(work, run.path, node, block)
    else:
        _wait(work, run)


def next_pass(work: Work, run: TaskRun) -> None:
    """The wait is over, or somebody resumed the block: take out what the last pass did and begin another."""
    if run.block is None or run.block.phase != WAITING or run.due is None:
        return
    below = (f"{run.path}/", f"{run.path}#")
    removed = [other for path, other in work.held.items() if path.startswith(below)]
    work.remove(other.path for other in removed)
    work.fence = max(work.fence + 1, max((other.attempt for other in removed), default=0))
    work.put(fence=work.fence)
    if run.due > work.at:
        work.commands.append(DropTimer(run.path, TIMER))
    if run.state is PAUSED:
        leave_pause(work)
    _begin(work, run, work.plan.nodes[run.node], count_of(run) + 1)


def count_of(run: TaskRun) -> int:
    """Which pass a block is at, from 1; an edit may have taken the count away."""
    return int((run.outputs or {}).get(COUNT, 1))


def pass_of(work: Work, path: str, node: Node) -> int | None:
    """What the children of a block see as their `iteration`, from 0; None where there are no passes."""
    if node.kind is not LOOP_UNTIL:
        return None
    run = work.run(path)
    assert run is not None
    return count_of(run) - 1


def _begin(work: Work, run: TaskRun, node: Node, count: int) -> None:
    block = Phase(MAIN, branch="tasks", total=len(node.branches.get("tasks", ())))
    # In a loop over values the number is that of the value.
    iteration = run.iteration if run.value is not None else count - 1
    history = entered(run.history, RUNNING, work.at)
    outputs = {COUNT: count}
    work.changed[run.path] = replace(run, block=block, history=history, outputs=outputs, iteration=iteration, due=None)
    work.todo.append(run.path)


def _limits(work: Work, run: TaskRun) -> dict[str, Any]:
    value: dict[str, Any] = (work.answers.get(run.path) or work.record.answers[run.path]).value
    return value


def _reached(work: Work, run: TaskRun) -> str | None:
    limits = _limits(work, run)
    if limits["iterations"] is not None and count_of(run) >= limits["iterations"]:
        return TOO_MANY
    if limits["duration"] is not None and work.at > run.history[0].at + limits["duration"]:
        return TOO_LONG
    return None


def _wait(work: Work, run: TaskRun) -> None:
    assert run.block is not None
    due = work.at + _limits(work, run)["interval"]
    noted = len(run.history) < NOTED_AT_MOST
    history = entered(run.history, PAUSED, work.at) if noted else run.history
    block = replace(run.block, phase=WAITING, branch="tasks")
    work.changed[run.path] = replace(run, block=block, history=history, due=due)
    work.commands.append(WakeAt(run.path, TIMER, due))
    if noted:
        enter_pause(work)
