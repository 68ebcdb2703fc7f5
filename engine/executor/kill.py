"""Bringing everything to an end at once: a kill, or a task that asked for the end of its execution."""

from __future__ import annotations

from collections import Counter

from engine.executor.finish import calls_many, close_run, conclude, drop_timer, take_back, uncounted
from engine.executor.names import CANCELLED, KILLED, KILLING, PAUSED, PAUSING, RUNNING
from engine.executor.work import Work, awaited, entered, replace
from engine.state.command import StopBelow
from engine.state.execution import TaskRun, parent_path
from engine.state.status import Status


def kill(work: Work, *, cascade: bool = True) -> None:
    """Stop everything; what runs is cancelled first, and the execution ends KILLED when all of it has ended.

    cascade: executions that it started are stopped too, also where an earlier kill spared them
    """
    if work.finished or work.get("killing"):
        if cascade and work.get("sparing"):
            work.put(sparing=False)
        return
    work.put(killing=True)
    if not work.state.terminal:
        work.move(KILLING)
    stop(work, KILLED, cascade=cascade)


def request(work: Work, state: Status, *, attempts: Status = KILLED, cascade: bool = True) -> None:
    """A task or an SLA asks its execution to end in `state` now; what runs beside it is cancelled."""
    if state is KILLED:
        kill(work, cascade=cascade)
    elif work.stopping is None:
        work.put(requested=state)
        stop(work, state, attempts=attempts, cascade=cascade)


def stop(work: Work, state: Status, *, attempts: Status = KILLED, cascade: bool = True) -> None:
    """Close every open task run that no live attempt holds up, and cancel those attempts, which end in `attempts`.

    cascade: executions that they started are stopped too
    """
    work.stopping = state
    work.todo.clear()
    work.put(pending=(), paused=0, held=False, sparing=not cascade)
    if work.state in (PAUSED, PAUSING):
        work.move(RUNNING)
    open_runs = [run for run in work.runs() if not run.state.terminal]
    unstarted = take_back(work, "")
    below: Counter[str] = Counter()
    # Children come before their blocks, so that a block knows what is left below it.
    for run in sorted(open_runs, key=lambda run: run.path.count("/"), reverse=True):
        if unstarted[run.path]:
            run = uncounted(work, run, unstarted[run.path])
        calls = run.block is not None and calls_many(work.plan.nodes[run.node], run)
        if calls and run.block is not None:
            below[run.path] += run.block.live
        if _holds_up(run, below):
            below[parent_path(run.path)] += 1
            if run.block is not None:
                history = entered(run.history, KILLING if state is KILLED else RUNNING, work.at)
                counters = replace(run.block, live=below[run.path], paused=0)
                drop_timer(work, run)
                work.blocks[run.path] = counters
                work.changed[run.path] = replace(run, history=history, due=None)
        else:
            drop_timer(work, run)
            close_run(work, run, _closed(run, state), due=None)
    block = work.block("")
    if block is not None and below[""] > 0:
        work.blocks[""] = replace(block, live=below[""])
        work.commands.append(StopBelow("", attempts, cascade))
    else:
        conclude(work, state)


def _holds_up(run: TaskRun, below: Counter[str]) -> bool:
    return awaited(run) if run.block is None else below[run.path] > 0


def _closed(run: TaskRun, state: Status) -> Status:
    """How a task run without a live attempt ends: as its last attempt did, or without having run at all."""
    if state is KILLED or run.block is not None:
        return state
    return run.attempts[-1].state if run.attempts else CANCELLED
