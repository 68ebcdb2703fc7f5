"""The record is its own outbox: what was commanded and not answered yet can be read from it."""

from __future__ import annotations

from collections.abc import Iterator

from engine.executor.after import is_asking
from engine.executor.finish import AGAIN, ASKING, OUTPUTS, WAITING, calls_many, timer_of
from engine.executor.lanes import RUN_IF
from engine.executor.names import CALLERS
from engine.executor.plan import Plan
from engine.executor.work import awaited
from engine.state.command import Again, Command, Evaluate, RunTask, StartMissing, StopBelow, StopStarted, WakeAt
from engine.state.execution import Execution, TaskRun, parent_path
from engine.state.record import Record
from engine.state.status import Status


def outstanding(plan: Plan, record: Record) -> tuple[Command, ...]:
    """Every command whose answer the execution still waits for: live attempts, questions, timers, the next step.

    Used where a process takes up an execution it knows nothing of. Nothing is outstanding once it has ended.
    """
    execution = record.execution
    if execution.finished or execution.state is Status.QUEUED or execution.block is None:
        return ()
    commands = [command for run in record.runs.values() for command in _of_run(plan, run, execution.attempt)]
    if is_asking(execution.block):
        commands.append(Evaluate("", execution.block.branch))
    if execution.block.phase == OUTPUTS:
        commands.append(Evaluate("", OUTPUTS))
    if execution.pending and not execution.held:
        commands.append(Again())
    if execution.killing or execution.requested is not None:
        commands.append(StopBelow("", spared_end(execution), cascade=not execution.sparing))
    else:
        commands += _stopping(record)
    return tuple(commands)


def spared_end(execution: Execution) -> Status:
    """How task runs end of an execution that is being stopped: as its SLA says that ends it, or KILLED."""
    by_sla = execution.sparing and not execution.killing
    return (execution.requested if by_sla else None) or Status.KILLED


def _stopping(record: Record) -> Iterator[StopBelow]:
    """For each block that waits for the end of what a failure in it has stopped."""
    for run in record.runs.values():
        if run.block is not None and run.block.stopping is not None and ending(record, run.path) is None:
            yield StopBelow(run.path, run.block.stopping)


def ending(record: Record, path: str) -> Status | None:
    """The state in which a task run is being brought to an end because another one failed beside it, if it is."""
    above = record.runs.get(parent_path(path))
    return None if above is None or above.block is None else above.block.stopping


def _of_run(plan: Plan, run: TaskRun, attempt: int) -> Iterator[Command]:
    if run.block is not None and run.state.terminal and run.block.live and plan.nodes[run.node].kind in CALLERS:
        yield StopStarted(run.path, max(attempt, run.block.since + 1))
    if run.state.terminal or run.reported:
        return
    if run.block is not None:
        if calls_many(plan.nodes[run.node], run):
            yield StartMissing(run.path)
        elif run.block.phase == ASKING:
            yield Evaluate(run.path, run.block.branch)
        elif run.block.phase in (WAITING, AGAIN) and run.due is not None:
            yield WakeAt(run.path, timer_of(run), run.due)
    elif run.state is Status.RETRYING and run.due is not None:
        yield WakeAt(run.path, timer_of(run), run.due)
    elif awaited(run):
        yield RunTask(run.path, run.attempt)
    elif not run.attempts and plan.nodes[run.node].run_if is not None:
        yield Evaluate(run.path, RUN_IF)
