"""Why an execution waits: what keeps it from its end, as its rows say.

Every open task run gives a reason, unless one below it does. Of several the one counts that seems to hold longest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec

from engine.executor.after import AFTER
from engine.executor.finish import ASKING, MAIN, OUTPUTS, WAITING, calls_many
from engine.executor.lanes import RUN_IF
from engine.executor.names import FOLDER, LOOP_UNTIL, RETRYING, RUNNING
from engine.executor.plan import Plan
from engine.executor.work import awaited
from engine.ids import ExecutionId
from engine.state.execution import Execution, TaskRun
from engine.state.record import Record
from engine.state.status import Status

# A kind of block.
APPROVAL = "approval"


class Cause(StrEnum):
    """What an execution waits for.

    SCHEDULED: a date. QUEUED: a slot of its flow. STARTING: the engine. RUNNING: tasks that run. RETRY: the next try of
    a task that failed. PAUSED, APPROVAL: somebody. HELD: somebody asked it to pause. EXECUTIONS: others that it
    started. BETWEEN_PASSES: the next round of tasks that are repeated. EXPRESSION: one that is being rendered.
    STOPPING: what still runs, for it is to end. PROCESS_GONE: another process has to take it up. RETRIED: another
    execution will try the same again. SKIPPED: the server leaves it alone, as it was told. FAULT: nothing. ENDED:
    nothing, it has ended.
    """

    SCHEDULED = "SCHEDULED"
    QUEUED = "QUEUED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    RETRY = "RETRY"
    PAUSED = "PAUSED"
    APPROVAL = "APPROVAL"
    HELD = "HELD"
    EXECUTIONS = "EXECUTIONS"
    BETWEEN_PASSES = "BETWEEN_PASSES"
    EXPRESSION = "EXPRESSION"
    STOPPING = "STOPPING"
    PROCESS_GONE = "PROCESS_GONE"
    RETRIED = "RETRIED"
    SKIPPED = "SKIPPED"
    FAULT = "FAULT"
    ENDED = "ENDED"


# What a person brings to an end, and what needs no process that has the execution in hand.
BY_PEOPLE = frozenset({Cause.PAUSED, Cause.APPROVAL, Cause.HELD})
WITHOUT_PROCESS = frozenset({Cause.QUEUED, Cause.EXECUTIONS, Cause.FAULT, Cause.ENDED})


class Queue(msgspec.Struct, frozen=True):
    """The slots of a flow: how many there are, who has one, who waits for one, each the first one first."""

    limit: int | None
    running: tuple[ExecutionId, ...]
    waiting: tuple[ExecutionId, ...]


class Below(msgspec.Struct, frozen=True):
    """Executions that a task run started and waits for: how many have not ended, and the first of them."""

    alive: int
    first: Execution | None = None


class Seen(msgspec.Struct, frozen=True):
    """What is known besides the record.

    now: milliseconds
    alive: whether the process lives that has the execution in hand
    below: by path of the task run
    """

    now: int
    alive: bool = True
    queue: Queue | None = None
    below: Mapping[str, Below] = {}


class Reason(msgspec.Struct, frozen=True):
    """What an execution waits for.

    runs: the task runs concerned, the first one first; none where it is the execution as a whole
    since, until: milliseconds; None where nobody knows
    others: how many further task runs are waited for
    first: the execution that is waited for first
    instead: of PROCESS_GONE: what would be waited for if its process lived
    """

    cause: Cause
    runs: tuple[TaskRun, ...] = ()
    since: int | None = None
    until: int | None = None
    others: int = 0
    first: ExecutionId | None = None
    instead: Reason | None = None


def waiting_for_others(plan: Plan, record: Record) -> list[TaskRun]:
    """Open task runs that may wait for executions which they started."""
    return [run for run in record.runs.values() if not run.state.terminal and _calls(plan, run)]


def reason(plan: Plan, record: Record, seen: Seen) -> Reason:
    """Why an execution waits."""
    execution = record.execution
    if execution.finished:
        return _ended(record, seen)
    found = _whole(plan, record, seen) or _chosen(plan, record, seen) or _left(record)
    # Whoever answers goes on with it; only what happens at a date needs the process.
    answerable = found.cause in BY_PEOPLE and (found.until is None or found.until > seen.now)
    if seen.alive or answerable or found.cause in WITHOUT_PROCESS:
        return found
    return Reason(Cause.PROCESS_GONE, found.runs, found.since, others=found.others, instead=found)


def _ended(record: Record, seen: Seen) -> Reason:
    execution = record.execution
    since = execution.history[-1].at
    if execution.state is Status.RETRIED:
        due = max((run.due for run in record.runs.values() if run.due is not None), default=0)
        if due > seen.now:
            return Reason(Cause.RETRIED, since=since, until=due)
    return Reason(Cause.ENDED, since=since)


def _whole(plan: Plan, record: Record, seen: Seen) -> Reason | None:
    """A reason that concerns the execution as a whole, whatever its task runs do."""
    execution = record.execution
    since = execution.history[-1].at
    if execution.killing or execution.requested is not None:
        return _stopping(plan, record, seen)
    if execution.state is Status.QUEUED:
        queue = seen.queue
        if queue is None or execution.id in queue.running:
            return Reason(Cause.STARTING, since=since)
        first = queue.running[0] if queue.running else None
        return Reason(Cause.QUEUED if execution.id in queue.waiting else Cause.FAULT, since=since, first=first)
    if execution.block is None:
        if execution.scheduled is not None and execution.scheduled > seen.now:
            return Reason(Cause.SCHEDULED, since=since, until=execution.scheduled)
        return Reason(Cause.STARTING, since=since)
    if execution.held:
        asked = next((change.at for change in reversed(execution.history) if change.state is Status.PAUSED), None)
        return Reason(Cause.HELD, tuple(_working(plan, record)), since=asked)
    if execution.block.phase == OUTPUTS:
        return Reason(Cause.EXPRESSION, since=since)
    return None


def _stopping(plan: Plan, record: Record, seen: Seen) -> Reason:
    asked = next((it.at for it in reversed(record.execution.history) if it.state is Status.KILLING), None)
    calling = [run for run in waiting_for_others(plan, record) if seen.below.get(run.path, Below(0)).alive]
    runs = {run.path: run for run in (*_working(plan, record), *calling)}
    first = next((found.id for run in calling if (found := seen.below[run.path].first) is not None), None)
    return Reason(Cause.STOPPING, tuple(runs.values()), since=asked, first=first)


def _chosen(plan: Plan, record: Record, seen: Seen) -> Reason | None:
    """Of the reasons of task runs the one that seems to hold longest."""
    found = list(_of_runs(plan, record, seen))
    if not found:
        return None
    lasting = [one for one in found if one.until is None]
    if lasting:
        best = min(lasting, key=lambda one: (one.cause not in BY_PEOPLE, one.cause is Cause.STARTING, _order(one)))
    else:
        best = max(found, key=lambda one: (one.until or 0, -_order(one)))
    others = sum(len(one.runs) for one in found) - len(best.runs)
    return msgspec.structs.replace(best, others=others)


def _order(one: Reason) -> int:
    return one.runs[0].order


def _of_runs(plan: Plan, record: Record, seen: Seen) -> Iterator[Reason]:
    running = _working(plan, record)
    if running:
        since = min(_begun(run) for run in running)
        yield Reason(Cause.RUNNING, tuple(running), since=since)
    at_work = {run.path for run in running}
    for run in sorted(record.runs.values(), key=lambda run: run.order):
        if run.state.terminal or run.path in at_work or run.reported:
            continue
        found = _of_run(plan, run, seen)
        if found is not None:
            yield found


def _working(plan: Plan, record: Record) -> list[TaskRun]:
    """Task runs that a worker is at, in order; of a folder the task that it is at."""
    found = [run for run in record.runs.values() if not run.state.terminal and _runs(run) and not _calls(plan, run)]
    inside = {run.path.rpartition("/")[0] for run in found if run.reported}
    found = [run for run in found if run.path not in inside or plan.nodes[run.node].kind is not FOLDER]
    return sorted(found, key=lambda run: run.order)


def _runs(run: TaskRun) -> bool:
    if run.reported:
        return run.state is RUNNING
    return run.block is None and awaited(run) and run.attempts[-1].state is RUNNING


def _begun(run: TaskRun) -> int:
    return run.attempts[-1].history[-1].at if run.attempts else run.history[-1].at


def _calls(plan: Plan, run: TaskRun) -> bool:
    if run.reported:
        return False
    if run.block is not None:
        return calls_many(plan.nodes[run.node], run)
    return awaited(run) and run.attempts[-1].state is RUNNING and "executionId" in (run.outputs or {})


def _of_run(plan: Plan, run: TaskRun, seen: Seen) -> Reason | None:
    """What an open task run waits for; None for a block that waits for its own tasks."""
    since = run.history[-1].at
    if _calls(plan, run):
        below = seen.below.get(run.path, Below(0))
        if below.first is None:
            return Reason(Cause.STARTING, (run,), since=since)
        return Reason(Cause.EXECUTIONS, (run,), since=run.history[0].at, first=below.first.id)
    if run.state is RETRYING:
        return Reason(Cause.RETRY, (run,), since=since, until=run.due)
    if run.block is None:
        return _of_task(plan, run, since)
    if run.block.phase == ASKING:
        return Reason(Cause.EXPRESSION, (run,), since=since)
    if run.block.phase == WAITING and (run.state is Status.PAUSED or run.due is not None):
        kind = plan.nodes[run.node].kind
        cause = {APPROVAL: Cause.APPROVAL, LOOP_UNTIL.value: Cause.BETWEEN_PASSES}.get(kind.value, Cause.PAUSED)
        return Reason(cause, (run,), since=since, until=run.due)
    return None


def _of_task(plan: Plan, run: TaskRun, since: int) -> Reason:
    if not run.attempts and plan.nodes[run.node].run_if is not None:
        return Reason(Cause.EXPRESSION, (run,), since=since)
    return Reason(Cause.STARTING, (run,), since=since)


def _left(record: Record) -> Reason:
    """No task run is open: something is left to be looked at, or nothing ever will be."""
    execution = record.execution
    since = execution.history[-1].at
    return Reason(Cause.STARTING if execution.pending else Cause.FAULT, since=since)


def asked_of(run: TaskRun) -> str:
    """What is being rendered for a task run."""
    return run.block.branch if run.block is not None and run.block.phase == ASKING else RUN_IF


def after_end(execution: Execution) -> bool:
    """Whether an execution has ended and runs its afterExecution tasks."""
    return execution.state.terminal and execution.block is not None and execution.block.phase == AFTER


def started_of(run: TaskRun) -> tuple[int, int]:
    """How many executions a task run has started, and how many there are to be."""
    if run.block is None or run.block.phase != MAIN:
        return 1, 1
    return run.block.next, run.block.total
