"""Whether a failed task is tried again, and when."""

from __future__ import annotations

from zlib import crc32

from engine.executor.counters import shown_counters
from engine.executor.finish import AGAIN, MAIN, STOPS, close_run, softened, worse
from engine.executor.kill import request
from engine.executor.names import CREATED, FAILED, ITEMS, RESTARTED, RETRIED, RETRYING, RUNNING, SUCCESS, WARNING
from engine.executor.plan import Backoff, Node, Retry
from engine.executor.reported import forget
from engine.executor.work import Work, entered, replace
from engine.ids import seeded
from engine.state.command import RunTask, StartMissing, WakeAt
from engine.state.execution import Attempt, Change, Phase, TaskRun
from engine.state.status import TERMINAL, Status

# A history longer than this no longer notes that the execution is RETRYING: a loop may retry a task for each value.
NOTED_AT_MOST = 100

# Beyond this many doublings every cap is reached.
MOST_DOUBLINGS = 64


def failures(run: TaskRun) -> int:
    """How many attempts of a task run failed; lost ones are not its fault."""
    return sum(1 for attempt in run.attempts if attempt.state is FAILED)


def final(node: Node, run: TaskRun, state: Status) -> Status:
    """The state of a task run whose last attempt ended in `state`."""
    if state is SUCCESS and node.retry is not None and node.retry.warning_on_retry and failures(run):
        state = WARNING
    return softened(node, state)


def delay(retry: Retry, failed: int, seed: int) -> int:
    """Milliseconds until the next attempt, after `failed` failed ones."""
    if retry.type is Backoff.CONSTANT:
        return retry.interval
    if retry.type is Backoff.RANDOM:
        low, high = retry.min_interval, retry.max_interval or 0
        return low if high <= low else seeded(seed).randrange(low, high)
    wait = retry.interval * retry.factor ** min(failed - 1, MOST_DOUBLINGS)
    return int(wait if retry.max_interval is None else min(wait, retry.max_interval))


def next_date(retry: Retry, run: TaskRun, at: int, seed: int) -> int | None:
    """When a task run whose last attempt failed at `at` is tried again; None: never."""
    failed = failures(run)
    if not failed or (retry.max_attempts and failed >= retry.max_attempts):
        return None
    # Tasks that fail together must not come back together, even where their events carry no seed.
    due = at + delay(retry, failed, seed ^ crc32(f"{run.id}/{run.attempt}".encode()))
    if retry.max_duration is not None and due > run.attempts[0].history[0].at + retry.max_duration:
        return None
    return due


def next_execution(work: Work, retry: Retry, seed: int) -> int | None:
    """When a new execution tries again what failed in this one; None: never.

    Attempts are counted in executions, the time from the creation of the first.
    """
    attempt = work.get("attempt")
    if retry.max_attempts and attempt >= retry.max_attempts:
        return None
    due = work.at + delay(retry, attempt, seed)
    since = work.get("tried_since") or work.get("created") or work.record.execution.started
    if retry.max_duration is not None and due > since + retry.max_duration:
        return None
    return due


def as_new_execution(work: Work, run: TaskRun, retry: Retry) -> bool:
    """Let another execution try again all of this one, for a task run that failed in it. False: none does."""
    due = None if work.state.terminal else next_execution(work, retry, work.seed)
    if due is not None:
        close_run(work, run, RETRIED, due=due)
        request(work, RETRIED)
    return due is not None


def children_again(work: Work, path: str, node: Node, block: Phase) -> bool:
    """All executions of a task run have ended: whether those that failed are tried again, or all of this execution."""
    retry, run = node.retry, work.run(path)
    assert run is not None
    if retry is None or work.stopping is not None:
        return False
    if block.worst is FAILED and retry.new_execution:
        return as_new_execution(work, run, retry)
    if block.worst is FAILED and run.error is None and node.kind is ITEMS:
        run = replace(run, block=replace(block, phase=AGAIN, paused=0), attempts=_failed(run, work.at))
        due = next_date(retry, run, work.at, work.seed)
        if due is not None:
            work.blocks.pop(path, None)
            wait(work, run, due)
            return True
    elif retry.warning_on_retry and failures(run):
        work.blocks[path] = replace(block, worst=worse(block.worst, WARNING))
    return False


def _failed(run: TaskRun, at: int) -> tuple[Attempt, ...]:
    last = run.attempts[-1]
    return (*run.attempts[:-1], replace(last, history=(*last.history, Change(FAILED, at))))


def _call_again(work: Work, run: TaskRun) -> None:
    """Let those executions run again that failed; the others are counted as they were."""
    assert run.block is not None
    node = work.plan.nodes[run.node]
    counts: dict[str, int] = (run.outputs or {})["iterations"]
    ends = {state: counts[state] for state in TERMINAL if counts.get(state)}
    again = sum(count for state, count in ends.items() if state in STOPS)
    good = {state: count for state, count in ends.items() if state not in STOPS}
    since = max(run.block.since, work.get("attempt")) + 1
    block = Phase(MAIN, branch="tasks", next=run.block.next, total=run.block.total, live=again, since=since)
    for state in good:
        block = replace(block, worst=worse(block.worst, state))
    number = Attempt(run.attempt + 1, (Change(CREATED, work.at), Change(RUNNING, work.at)))
    work.changed[run.path] = replace(
        run,
        block=block,
        outputs=shown_counters(node, block, run.outputs, good),
        attempts=(*run.attempts, number),
        history=entered(run.history, RUNNING, work.at),
        due=None,
    )
    work.commands.append(StartMissing(run.path))


def wait(work: Work, run: TaskRun, due: int) -> None:
    """Let a task run wait for its next attempt."""
    work.changed[run.path] = replace(run, history=entered(run.history, RETRYING, work.at), due=due)
    work.commands.append(WakeAt(run.path, "retry", due))
    if work.state is RUNNING and len(work.get("history")) < NOTED_AT_MOST:
        work.move(RETRYING)


def come_due(work: Work, run: TaskRun) -> None:
    """A retry timer rang: try again, unless the task run waits for a later one."""
    if run.state is not RETRYING or run.due is None:
        return
    if run.due > work.at:
        work.commands.append(WakeAt(run.path, "retry", run.due))
        return
    if work.state is RETRYING:
        work.move(RUNNING)
    if run.block is None:
        try_again(work, run)
    else:
        _call_again(work, run)


def try_again(work: Work, run: TaskRun) -> None:
    """Open the next attempt of a task run."""
    if run.reports:
        run = forget(work, run)
    attempt = Attempt(run.attempt + 1 if run.attempts else work.fence + 1, work.created)
    history = run.history if run.state is RESTARTED else entered(run.history, CREATED, work.at)
    work.changed[run.path] = replace(run, history=history, attempts=(*run.attempts, attempt), due=None)
    work.commands.append(RunTask(run.path, attempt.number))
