"""Edits of the past: restart and change of a task run's state; those that make another execution are in `another`.

Each takes a record and returns another one whose counters fit and whose `edit` says what is to be written; the event
`Edited` writes it and goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.errors import NotFound, Refused
from engine.executor.after import branches
from engine.executor.draft import Children, Draft
from engine.executor.finish import FAILURES, STOPS
from engine.executor.plan import Plan
from engine.executor.work import entered, replace
from engine.state.execution import Change, Execution, Label, TaskRun, node_of, parent_path
from engine.state.record import Record
from engine.state.status import Status

RESTARTED_LABEL = "system.restarted"

# What a restart runs again; a Pause goes on.
RESTARTS = (*STOPS, Status.PAUSED)


def restart(plan: Plan, record: Record, now: int, children: Mapping[str, Children] | None = None) -> Record:
    """The same execution, about to run again what did not succeed. Raises Refused.

    children: by path, of task runs that started executions and run again those that failed
    What failed keeps its attempts; the blocks around it are open again and have lost their errors and finally branches.
    A Pause goes on, an Approval still waits for its decision.
    """
    check_restart(record.execution)
    _check_stopping(record)
    draft = Draft(plan, Record(labelled(record.execution, RESTARTED_LABEL), record.runs, record.answers), now, children)
    run_failed_again(draft)
    return draft.finish()


def check_restart(execution: Execution) -> None:
    """Raises Refused for an execution whose state doesn't allow to restart it."""
    if not execution.state.terminal and execution.state is not Status.PAUSED:
        raise Refused(f"Execution must be terminated to be restarted, current state is '{execution.state}' !")
    _check_after(execution)


def run_failed_again(draft: Draft) -> set[str]:
    """Let what did not succeed run again, and what is paused go on; returns the paths of both. Raises Refused."""
    runs = [run for run in draft.source.runs.values() if run.state is not Status.PAUSED or draft.pauses(run)]
    failed = [run for run in runs if run.state in RESTARTS]
    chosen = list({run.path: run for run in map(draft.of_attempt, failed) if not draft.places.aside(run.path)}.values())
    chosen = chosen or [run for run in runs if run.state is Status.PAUSED]
    if not chosen:
        raise Refused("No task found to restart execution from!")
    draft.chosen = {run.path for run in chosen}
    draft.reopen(draft.chosen, {run.path for run in chosen if draft.goes_on(run)})
    for run in chosen:
        if run.state is Status.PAUSED:
            draft.resume(run)
        else:
            draft.run_again(run)
    return draft.chosen


def labelled(execution: Execution, key: str, value: str = "true") -> Execution:
    """The execution with a label, in the place of one with the same key."""
    others = tuple(label for label in execution.labels if label.key != key)
    return replace(execution, labels=(*others, Label(key, value)))


def begin_again(plan: Plan, record: Record, now: int) -> Record:
    """The same execution, about to run again from its start."""
    draft = Draft(plan, Record(labelled(record.execution, RESTARTED_LABEL), record.runs, record.answers), now)
    draft.remove(list(draft.runs))
    return draft.finish()


def change_status(plan: Plan, record: Record, task_run: str, state: Status, now: int) -> Record:
    """The same execution with one task run (id, path or task id) in another state. Raises NotFound, Refused."""
    execution = record.execution
    if not execution.state.terminal and execution.state is not Status.PAUSED:
        raise Refused(f"Execution must be terminated to change a state in it, current state is '{execution.state}' !")
    _check_after(execution)
    if not state.terminal or state is Status.RETRIED:
        raise Refused(
            f"A task run can't be set to {state}, but to SUCCESS, WARNING, FAILED, SKIPPED, KILLED or CANCELLED"
        )
    _check_stopping(record)
    run = find_run(record, task_run)
    if runs_after(plan, run.path):
        raise Refused(f"'{run.node}' runs after the execution; its state changes nothing")
    draft = Draft(plan, record, now)
    if run.reported:
        above = draft.of_attempt(run)
        raise Refused(f"'{run.node}' ran as a part of '{above.node}', whose state can be changed instead")
    draft.reopen([run.path])
    attempts = run.attempts
    if attempts:
        last = attempts[-1]
        attempts = (*attempts[:-1], replace(last, history=(*last.history[:-1], Change(state, now))))
    # A block that could not decide what to run stays undecided, should it ever run again.
    outputs = None if run.block is not None and run.error is not None else run.outputs
    history = entered(run.history, state, now)
    closed = replace(run, history=history, attempts=attempts, outputs=outputs, error=None, due=None)
    draft.put(replace(closed, block=draft.closed(run)))
    draft.close_below(run.path)
    place = draft.places.of(run.path)
    if place.above.stops is not None and state in FAILURES and not place.rank:
        draft.close_below(parent_path(run.path), place.above.stops)
    return draft.finish()


def _check_stopping(record: Record) -> None:
    """Raises Refused while a failure in a block is still ending what runs there."""
    stopping = next((run for run in record.runs.values() if run.block is not None and run.block.stopping), None)
    if stopping is not None:
        raise Refused(f"A task of '{stopping.node}' failed, and what runs beside it is being stopped: wait for its end")


def find_run(record: Record, name: str) -> TaskRun:
    """The task run with this id or path, or the latest one of the task with this id. Raises NotFound."""
    found = [run for run in record.runs.values() if name in (run.id, run.path)]
    found = found or [run for run in record.runs.values() if run.node == name]
    if not found:
        known = ", ".join(sorted({run.node for run in record.runs.values()}))
        raise NotFound("task run", name, f"this execution ran {known or 'no task'}")
    return max(found, key=lambda run: run.order)


def _check_after(execution: Execution) -> None:
    if execution.state.terminal and not execution.finished:
        raise Refused("The execution has ended and still runs its afterExecution tasks: wait for them, or kill them")


def runs_after(plan: Plan, path: str) -> bool:
    """Whether a task run belongs to what runs after the end."""
    top = node_of(path.partition("/")[0])
    return any(node.id == top for branch in branches(plan) for node in plan.root.branches.get(branch, ()))
