"""How ends are folded: a task run into its block, a block into the one around it, the flow into its execution.

A block may end what still runs in it when a child fails (`Node.stops`). Until all of that has ended, the block and the
open blocks below it are marked (`Phase.stopping`): nothing is opened there, tried again or asked, only counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from engine.executor.after import AFTER, DONE, after_branch, begin_after
from engine.executor.below import is_below, open_below
from engine.executor.counters import shown_counters
from engine.executor.names import (
    ALLOW_FAILURE,
    CALLERS,
    CANCELLED,
    FAILED,
    FOREACH,
    KILLED,
    PAUSED,
    PAUSING,
    RETRIED,
    RETRYING,
    RUNNING,
    SUCCESS,
    WARNING,
)
from engine.executor.paused import leave, leave_pausing
from engine.executor.plan import Node
from engine.executor.work import Work, awaited, entered, replace
from engine.state.command import DropTimer, Ended, Evaluate, Say, StartChild, StartMissing, StopTask, WakeAt
from engine.state.execution import Change, Phase, TaskRun, parent_path
from engine.state.status import SEVERITY, Status

ASKING = "asking"
WAITING = "waiting"
MAIN = "main"
ERRORS = "errors"
FINALLY = "finally"
OUTPUTS = "outputs"

BEFORE = "before"
# Executions failed, and are run again when the retry is due.
AGAIN = "again"

# What a Pause runs while it waits, and an Approval before it does. It is no part of what these come to.
ON_PAUSE = "onPause"
ON_WAIT = "onWait"

# Ends of a child after which its block opens nothing new.
STOPS = (FAILED, KILLED, CANCELLED, RETRIED)

# Ends of a block that its errors branch is for; to be cancelled is no failure.
FAILURES = (FAILED, KILLED, RETRIED)

# The flow's outputs are of no use after these.
WITHOUT_OUTPUTS = frozenset({KILLED, CANCELLED, RETRIED})

# Milliseconds after which an end is told by its timer.
TELL_AFTER = 5000

RANK = {state: rank for rank, state in enumerate(reversed(SEVERITY), start=1)}

# Where siblings of what failed are cancelled, that failure is what counts.
RANK_CANCELLING = {**RANK, FAILED: RANK[CANCELLED], CANCELLED: RANK[CANCELLED] - 1, RETRIED: RANK[FAILED]}


def ranks(node: Node) -> Mapping[Status, int]:
    """How bad each end of a child is for a block."""
    return RANK_CANCELLING if node.stops is CANCELLED else RANK


def worse(one: Status, other: Status, ranks: Mapping[Status, int] = RANK) -> Status:
    """The worse of two ends; whatever is no problem counts as SUCCESS."""
    if other not in ranks:
        return one
    return other if ranks[other] > ranks.get(one, 0) else one


def softened(node: Node, state: Status) -> Status:
    """A final state after allowFailure and allowWarning."""
    if state is FAILED and (node.allow_failure or node.kind is ALLOW_FAILURE):
        state = WARNING
    if state is WARNING and node.allow_warning:
        state = SUCCESS
    return state


def end_run(work: Work, run: TaskRun, state: Status, **fields: Any) -> None:
    """Close a task run in its final state and fold it into its block."""
    close_run(work, run, state, **fields)
    fold(work, run, state)


def close_run(work: Work, run: TaskRun, state: Status, **fields: Any) -> None:
    """Close a task run without telling its block."""
    block = work.blocks.pop(run.path, run.block)
    if block is not None:
        fields["block"] = replace(block, phase=DONE, live=0, paused=0, stopping=None)
        if run.attempts and not run.attempts[-1].state.terminal:
            last = run.attempts[-1]
            ended = replace(last, history=(*last.history, Change(state, work.at)), error=run.error)
            fields["attempts"] = (*run.attempts[:-1], ended)
    work.changed[run.path] = replace(run, history=(*run.history, Change(state, work.at)), **fields)


def calls_many(node: Node, run: TaskRun) -> bool:
    """Whether a task run has executions going on, or is about to start them."""
    return node.kind in CALLERS and run.block is not None and run.block.phase == MAIN and not run.state.terminal


def fail_block(work: Work, path: str, error: str) -> None:
    """A block could not decide what to run: it fails, after its errors and finally branches."""
    run = work.run(path)
    assert run is not None
    work.blocks[path] = Phase(MAIN, worst=FAILED, failed=True)
    work.changed[path] = replace(run, error=error)
    work.todo.append(path)


def fold(work: Work, run: TaskRun, state: Status) -> None:
    """Count the end of a child in its block, which is looked at next."""
    if work.stopping is not None:
        fold_stopping(work, run.path, work.stopping)
        return
    above = lane = run.path.rpartition("/")[0]
    mark = lane.rfind("#")
    if mark > lane.rfind("/"):
        above = lane[:mark]
    block = work.block(above)
    assert block is not None
    if block.stopping is not None:
        fold_stopping(work, run.path, block.stopping)
        return
    bad = state in STOPS
    if block.phase != MAIN:
        # A branch beside the main one stops at its first failure and changes nothing of the block's own state.
        failed = block.failed or (bad and block.phase == BEFORE)
        block = replace(block, live=block.live - 1, next=block.total if bad else block.next, failed=failed)
    else:
        worst = block.worst if state is SUCCESS else worse(block.worst, state, ranks(work.node(above)))
        if above is not lane and not (bad or block.failed) and _goes_on(work.node(above), run):
            work.blocks[above] = replace(block, worst=worst)
            work.todo.append(lane)
            return
        block = replace(block, live=block.live - 1, worst=worst, failed=block.failed or bad)
    work.blocks[above] = block
    work.todo.append(above)
    if bad and block.live and block.phase == MAIN and state in FAILURES:
        stops = work.node(above).stops
        if stops is not None:
            _stop_beside(work, above, block, stops, run.node)


def _goes_on(loop: Node, run: TaskRun) -> bool:
    """Whether the lane of a child goes on after it."""
    return loop.kind is FOREACH and loop.branches["tasks"][-1].id != run.node


def ending(work: Work, path: str) -> Status | None:
    """The state in which a task run is being brought to an end because another one failed beside it, if it is."""
    block = None if work.stopping is not None else work.block(parent_path(path))
    return None if block is None else block.stopping


def _stop_beside(work: Work, path: str, block: Phase, state: Status, failed: str) -> None:
    """A child of a block failed: close what is open below that, and cancel live attempts, which end in `state`."""
    below: Counter[str] = Counter()
    unstarted = take_back(work, path)
    paused = 0
    # Children come before their blocks, so that a block knows what is left below it.
    for run in reversed(list(open_below(work.plan, work.latest, path, block))):
        work.commands.append(Say("WARN", f"Task terminated because sibling task '{failed}' failed.", run.path))
        paused += run.state is PAUSED
        if run.state is RETRYING and work.state is RETRYING:
            work.move(RUNNING)
        if unstarted[run.path]:
            run = uncounted(work, run, unstarted[run.path])
        if _hold_on(work, run, state, below):
            below[parent_path(run.path)] += 1
        else:
            drop_timer(work, run)
            close_run(work, run, state, due=None)
    work.blocks[path] = replace(block, live=below[path], stopping=state if below[path] else None)
    work.todo = [other for other in work.todo if not is_below(other, path)]
    work.put(pending=tuple(other for other in work.get("pending") if not is_below(other, path)))
    if paused:
        leave(work, work.get("paused") - paused)
    leave_pausing(work)


def take_back(work: Work, path: str) -> Counter[str]:
    """Start none of the executions that this step was to start below a block; how many those are, by task run."""
    taken: Counter[str] = Counter()
    kept = []
    for command in work.commands:
        if isinstance(command, StartChild) and is_below(command.path, path):
            taken[command.path] += 1
        else:
            kept.append(command)
    work.commands = kept
    return taken


def uncounted(work: Work, run: TaskRun, count: int) -> TaskRun:
    """A task run that starts so many executions less than it has counted."""
    assert run.block is not None
    block = replace(run.block, next=run.block.next - count, live=run.block.live - count)
    outputs = shown_counters(work.plan.nodes[run.node], block, run.outputs, {}, more=True)
    work.blocks.pop(run.path, None)
    return replace(run, block=block, outputs=outputs)


def _hold_on(work: Work, run: TaskRun, state: Status, below: Counter[str]) -> bool:
    """Whether a task run must wait for live attempts or executions before it ends; then those are stopped."""
    history = entered(run.history, RUNNING, work.at) if run.state in (PAUSED, PAUSING) else run.history
    if run.block is None:
        if not awaited(run):
            return False
        work.commands.append(StopTask(run.path, run.attempt, state))
        work.changed[run.path] = replace(run, history=history)
        return True
    calls = calls_many(work.plan.nodes[run.node], run)
    live = below[run.path] + (run.block.live if calls else 0)
    if not live:
        return False
    if calls:
        work.commands.append(StartMissing(run.path))
    drop_timer(work, run)
    work.blocks[run.path] = replace(run.block, live=live, paused=0, stopping=state)
    work.changed[run.path] = replace(run, history=history, due=None)
    return True


def fold_stopping(work: Work, path: str, state: Status) -> None:
    """Count a child that was stopped in the blocks around it; those that nothing is left in are closed.

    That ends at the block in which a child failed, which goes on.
    """
    while path:
        above = parent_path(path)
        block = work.block(above)
        assert block is not None
        work.blocks[above] = replace(block, live=block.live - 1)
        if block.live > 1:
            return
        if work.stopping is None and ending(work, above) is None:
            # A child failed in this one.
            work.blocks[above] = replace(block, live=0, stopping=None)
            work.todo.append(above)
            return
        if above:
            run = work.run(above)
            assert run is not None
            close_run(work, run, state)
        else:
            conclude(work, state)
        path = above


def next_phase(work: Work, path: str, node: Node, block: Phase) -> None:
    """The children of this phase have ended: go on to errors, finally, or the end."""
    if block.phase == MAIN and block.failed and block.worst in FAILURES and node.branches.get(ERRORS):
        following = ERRORS
    elif block.phase in (MAIN, ERRORS) and node.branches.get(FINALLY):
        following = FINALLY
    else:
        finish_block(work, path, node, block)
        return
    total = len(node.branches[following])
    work.blocks[path] = replace(block, phase=following, branch=following, next=0, live=0, total=total)
    work.todo.append(path)


def finish_block(work: Work, path: str, node: Node, block: Phase) -> None:
    """All branches of a block or of the flow have ended."""
    if not path and block.phase == AFTER:
        after_branch(work, block)
        return
    if not path:
        conclude(work, block.worst)
        return
    run = work.run(path)
    assert run is not None
    end_run(work, run, softened(node, block.worst))


def conclude(work: Work, state: Status) -> None:
    """All task runs have ended: render the flow's outputs, or end at once where there are none to render."""
    block = work.block("")
    if block is not None and block.phase == AFTER:
        work.blocks[""] = replace(block, phase=DONE, live=0)
    elif block is not None and work.plan.outputs and state not in WITHOUT_OUTPUTS:
        work.blocks[""] = replace(block, phase=OUTPUTS, worst=state, live=0)
        work.commands.append(Evaluate("", OUTPUTS))
    else:
        end(work, state)


def outputs_answered(work: Work, value: dict[str, Any], error: str | None) -> None:
    """The flow's outputs were rendered, or could not be: then the execution is FAILED."""
    block = work.block("")
    assert block is not None
    if error is None:
        work.put(outputs=value)
        end(work, block.worst)
    else:
        work.put(error=f"Failed to render output values: {error}")
        end(work, worse(block.worst, FAILED))


def end(work: Work, state: Status) -> None:
    """The execution reaches its terminal state."""
    if work.state is RETRYING:
        work.move(RUNNING)
    work.put(pending=(), held=False)
    work.todo.clear()
    block = work.block("")
    if block is not None:
        begin_after(work, block, state)
    work.move(state)
    work.commands.append(Ended(state))
    for place, sla in enumerate(work.plan.slas):
        if sla.duration is not None:
            work.commands.append(DropTimer("", f"sla:{place}"))
    caller = work.record.execution.caller
    if caller is not None and caller.waits and state is not RETRIED:
        # One of many is counted as soon as its process gets to it; the timer is for when it never does.
        due = work.at if caller.index is None else work.at + TELL_AFTER
        work.commands.append(WakeAt("", "tell", due))
    if state is RETRIED:
        due = max((run.due for run in work.runs() if run.due is not None and run.state is state), default=work.at)
        work.commands.append(WakeAt("", "new_execution", due))


def drop_timer(work: Work, run: TaskRun) -> None:
    """Forget the timer of a task run that was waiting: for its retry, or paused."""
    if run.due is not None:
        work.commands.append(DropTimer(run.path, timer_of(run)))


def timer_of(run: TaskRun) -> str:
    """The kind of the timer of a task run that waits until it is `due`."""
    return "retry" if run.state is RETRYING else "pause"
