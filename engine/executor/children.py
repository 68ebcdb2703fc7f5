"""Blocks whose children are executions: the iterations of a Loop, the batches of a ForEachItem.

The task run of such a block counts: how many it started, how many of them live and are paused, how badly they ended.
The executions themselves are found by their ids, which follow from the task run and their index.
"""

from __future__ import annotations

from typing import Any

from engine.executor.counters import shown_counters
from engine.executor.finish import ASKING, MAIN, STOPS, calls_many, close_run, ending, fold_stopping, worse
from engine.executor.names import CREATED, FAILED, ITEMS, KILLED, LOOP, PAUSED, RUNNING, SUCCESS, WARNING
from engine.executor.paused import enter_pause, leave_pause
from engine.executor.plan import Node
from engine.executor.work import Work, begun, entered, replace
from engine.state.command import Evaluate, StartChild
from engine.state.event import ChildEnded, ChildPaused
from engine.state.execution import Answer, Attempt, Change, Phase, TaskRun
from engine.state.status import Status

ITEMS_ASK = "items"
COLLECT = "collect"
COLLECTED = "collected"

# What a ForEachItem makes of the ends of its executions, the first that occurs.
ENDS_OF_ITEMS = (FAILED, KILLED, WARNING)


def attempts_of(node: Node, run: TaskRun, at: int) -> tuple[Attempt, ...]:
    """The attempts of a block that begins: a ForEachItem counts them as a runnable task does."""
    if node.kind is not ITEMS:
        return run.attempts
    return (*run.attempts, Attempt(run.attempt + 1, (Change(CREATED, at), Change(RUNNING, at))))


def items_answered(work: Work, run: TaskRun, node: Node, value: dict[str, Any]) -> None:
    """It is known what to start executions for: `total` says how many."""
    work.answers[run.path] = Answer(value=value)
    work.changed[run.path] = replace(run, outputs=value.get("outputs"))
    _put(work, run.path, node, Phase(MAIN, branch="tasks", total=value["total"]))
    work.todo.append(run.path)


def collected(work: Work, run: TaskRun, value: dict[str, Any]) -> None:
    """What the iterations gave."""
    assert run.block is not None
    work.changed[run.path] = replace(run, outputs={**(run.outputs or {}), **value})
    work.blocks[run.path] = replace(run.block, phase=MAIN, branch=COLLECTED)
    work.todo.append(run.path)


def open_children(work: Work, path: str, node: Node, block: Phase) -> bool:
    """Start executions while there is room. True: nothing is left to start or to wait for."""
    limit = _limit(work, node, block)
    # The batches of a ForEachItem don't depend on each other.
    stopped = block.failed and (node.kind is LOOP or not block.branch)
    before = block
    while block.next < block.total and block.live < limit and not stopped and work.budget > 0:
        work.commands.append(StartChild(path, block.next))
        work.budget -= 1
        block = replace(block, next=block.next + 1, live=block.live + 1)
    if block is not before:
        _put(work, path, node, block)
        if work.budget <= 0 and block.next < block.total and block.live < limit:
            work.todo.append(path)
    if block.live or (block.next < block.total and not stopped):
        return False
    if block.branch == "tasks" and block.total and (node.outputs or (node.kind is ITEMS and node.waits)):
        work.blocks[path] = replace(block, phase=ASKING, branch=COLLECT)
        work.commands.append(Evaluate(path, COLLECT))
        return False
    if node.kind is ITEMS and block.branch:
        work.blocks[path] = replace(block, worst=_worst_item(node, work.run(path)))
    return True


def _limit(work: Work, node: Node, block: Phase) -> int:
    """How many executions may live at once. Each iteration that runs is held in memory, so there is always a limit."""
    if node.concurrent or node.kind is not LOOP:
        return node.concurrent or block.total
    return work.plan.at_once + block.paused


def child_ended(work: Work, event: ChildEnded) -> None:
    """Count the end of an execution that a task run started."""
    run = work.run(event.path)
    if run is None or run.block is None or not run.block.live:
        return
    node = work.plan.nodes[run.node]
    if not calls_many(node, run):
        return
    block = replace(run.block, live=run.block.live - 1)
    if event.child is None:
        block = replace(block, unheard=block.unheard + 1)
    if event.error is not None:
        # What can't be started shows that of the task run itself.
        block = replace(block, branch="", failed=True, worst=worse(block.worst, FAILED))
        run = work.changed[run.path] = replace(run, error=event.error)
    elif node.transmit:
        block = replace(block, worst=worse(block.worst, event.state), failed=block.failed or event.state in STOPS)
    if block.paused > block.live:
        # It ended before anybody heard that it goes on.
        block = replace(block, paused=block.live)
        if not block.live:
            show_paused(work, run, False)
    _put(work, run.path, node, block, event.state)
    stopping = work.stopping or block.stopping
    if stopping is None:
        work.todo.append(run.path)
    elif not block.live:
        ended = work.run(run.path)
        assert ended is not None
        close_run(work, ended, stopping)
        fold_stopping(work, run.path, stopping)


def child_paused(work: Work, event: ChildPaused) -> None:
    """An execution that a task run waits for was paused, or goes on: so is the task run while any of them is."""
    run = work.run(event.path)
    if run is None or run.state.terminal or work.stopping is not None or ending(work, run.path) is not None:
        return
    paused = 1 if event.paused else 0
    if run.block is not None:
        paused = max(0, run.block.paused + (1 if event.paused else -1))
        block = replace(run.block, paused=paused)
        run = work.changed[run.path] = replace(run, block=block)
        node = work.plan.nodes[run.node]
        if node.kind is LOOP and not node.concurrent and block.next < block.total:
            # One that is paused leaves room for another.
            work.todo.append(run.path)
    elif run.attempts:
        # It may be heard before the start of the attempt is.
        run = begun(work, run, work.at)
    show_paused(work, run, paused > 0)


def show_paused(work: Work, run: TaskRun, paused: bool) -> None:
    """Let a task run be PAUSED or RUNNING, and the execution with it."""
    if (run.state is PAUSED) is paused:
        return
    work.changed[run.path] = replace(run, history=entered(run.history, PAUSED if paused else RUNNING, work.at))
    if paused:
        enter_pause(work)
    else:
        leave_pause(work)


def _put(work: Work, path: str, node: Node, block: Phase, ended: Status | None = None) -> None:
    """Keep counters, and show them as outputs."""
    run = work.run(path)
    assert run is not None
    outputs = shown_counters(node, block, run.outputs, {ended: 1} if ended is not None else {}, more=True)
    work.changed[path] = replace(run, outputs=outputs, block=block)
    work.blocks.pop(path, None)


def _worst_item(node: Node, run: TaskRun | None) -> Status:
    """How a ForEachItem ends: FAILED comes before KILLED here."""
    assert run is not None
    counts = (run.outputs or {}).get("iterations", {})
    return next((state for state in ENDS_OF_ITEMS if node.transmit and counts.get(state.value)), SUCCESS)
