"""Waiting for a decision: an Approval asks, waits, and does what was decided.

Its tasks of `onWait` come first, in the phase `before`; then it is PAUSED as a Pause is. What is decided opens the main
branch (`onApprove`, `onDeny`, none where nobody came), and the behavior for that decision settles how it ends.
"""

from __future__ import annotations

from typing import Any

from engine.clock import iso
from engine.errors import Refused
from engine.executor.finish import BEFORE, MAIN, ON_WAIT, STOPS, WAITING, drop_timer, fail_block, next_phase, worse
from engine.executor.kill import kill
from engine.executor.names import (
    CANCELLED,
    FAILED,
    PAUSED,
    PAUSING,
    RESTARTED,
    RUNNING,
    SUCCESS,
    WARNING,
)
from engine.executor.pause import is_asking, stop_waiting, wait_for_somebody
from engine.executor.paused import leave_pausing
from engine.executor.plan import Node, Plan
from engine.executor.work import Work, entered, replace
from engine.state.event import Reviewed
from engine.state.execution import Answer, Phase, TaskRun, parent_path
from engine.state.record import Record

APPROVED = "APPROVED"
DENIED = "DENIED"
EXPIRED = "EXPIRED"

URL = "url"

BRANCHES = {APPROVED: "onApprove", DENIED: "onDeny", EXPIRED: ""}

# Whom each value of `commentRequired` asks for a comment.
COMMENTED = {"NEVER": (), "ALWAYS": (APPROVED, DENIED), "ON_APPROVE": (APPROVED,), "ON_DENY": (DENIED,)}


def begin_approval(work: Work, run: TaskRun, terms: dict[str, Any]) -> None:
    """An Approval knows its terms: `auto`, `timeout` in milliseconds or None, `comment`, and what comes `then`."""
    work.answers[run.path] = Answer(value=terms)
    of = work.record.execution
    run = replace(run, outputs={URL: f"/ui/{of.tenant}/executions/{of.namespace}/{of.flow}/{of.id}"})
    first = work.plan.nodes[run.node].branches.get(ON_WAIT, ())
    if terms["auto"]:
        work.changed[run.path] = replace(run, outputs=_decided(work, run, Reviewed(at=work.at, path=run.path)))
        _open_branch(work, run.path)
    elif first:
        block = Phase(BEFORE, branch=ON_WAIT, total=len(first))
        work.changed[run.path] = replace(run, block=block, history=entered(run.history, PAUSING, work.at))
        work.todo.append(run.path)
        if work.state is RUNNING:
            work.move(PAUSING)
    else:
        _wait(work, run, terms)


def _wait(work: Work, run: TaskRun, terms: dict[str, Any]) -> None:
    timeout = terms["timeout"]
    due = None if timeout is None else iso(work.at + timeout)
    wait_for_somebody(work, replace(run, outputs={**(run.outputs or {}), "due": due}), timeout)


def is_decided(run: TaskRun) -> bool:
    """Whether a decision was made on the Approval of a task run."""
    return bool(run.outputs and "decision" in run.outputs)


def undecided(outputs: dict[str, Any] | None) -> dict[str, Any]:
    """The outputs of an Approval as they were before it waited."""
    return {name: value for name, value in (outputs or {}).items() if name == URL}


def to_review(plan: Plan, record: Record, named: TaskRun | None, decision: str, comment: str | None) -> TaskRun:
    """The task run that a decision is for: the one that was named, else the only one that waits for a decision.

    Raises Refused where there is none, or several of them, and where a comment is missing.
    """
    if decision not in (APPROVED, DENIED):
        raise Refused(f"The decision must be {APPROVED} or {DENIED}, but is '{decision}'")
    asking = [run for run in record.runs.values() if is_asking(plan, run)]
    if named is not None and named not in asking:
        raise Refused(f"The task run '{named.path}' doesn't wait for a decision, its state is {named.state}")
    if not asking or record.execution.finished:
        raise Refused(f"The execution doesn't wait for a decision, its state is {record.execution.state}")
    if named is None and len(asking) > 1:
        raise Refused(f"Several tasks wait for a decision, name one: {', '.join(sorted(run.path for run in asking))}")
    run = named or asking[0]
    if decision in COMMENTED[record.answers[run.path].value["comment"]] and not (comment or "").strip():
        raise Refused(f"'{run.node}' can't be {decision.lower()} without a comment: say why")
    return run


def review(work: Work, event: Reviewed) -> None:
    """Somebody decided."""
    run = work.run(event.path)
    if work.finished or work.stopping is not None or run is None or not is_asking(work.plan, run):
        return
    if event.since in (0, run.history[-1].at):
        drop_timer(work, run)
        _decide(work, run, event)


def expire(work: Work, run: TaskRun) -> None:
    """Nobody decided in time."""
    _decide(work, run, Reviewed(at=work.at, path=run.path, decision=EXPIRED))


def _decide(work: Work, run: TaskRun, event: Reviewed) -> None:
    history = entered(run.history, RUNNING, work.at)
    stop_waiting(work, replace(run, history=history, outputs=_decided(work, run, event), due=None), RESTARTED)


def _decided(work: Work, run: TaskRun, event: Reviewed) -> dict[str, Any]:
    return {
        "due": None,
        **(run.outputs or {}),
        "decision": event.decision or APPROVED,
        "auto": event.decision is None,
        "by": event.by,
        "on": iso(work.at),
        "comment": event.comment,
        "inputs": event.inputs or {},
    }


def decided_branch(run: TaskRun | None) -> str:
    """The branch that follows a decision; empty without one."""
    return BRANCHES[run.outputs["decision"]] if run is not None and run.outputs and is_decided(run) else ""


def _open_branch(work: Work, path: str) -> None:
    branch = decided_branch(work.run(path))
    work.blocks[path] = Phase(MAIN, branch=branch, total=len(work.node(path).branches.get(branch, ())))
    work.todo.append(path)


def after_approval(work: Work, path: str, node: Node, block: Phase) -> None:
    """Nothing runs below an Approval: it waits, does what was decided, or comes to its end."""
    run = work.run(path)
    assert run is not None
    if block.phase == BEFORE:
        _after_first(work, run, node, block)
    elif block.phase == WAITING:
        if run.state is not PAUSED:
            _open_branch(work, path)
    elif block.phase == MAIN and block.worst not in STOPS and behavior(work, run) == "KILL":
        kill(work)
    else:
        if block.phase == MAIN:
            block = settled(block, behavior(work, run))
        next_phase(work, path, node, block)
        ended = work.run(path)
        if ended is not None and stops_around(ended, behavior(work, ended)):
            _stop_around(work, path)


def _after_first(work: Work, run: TaskRun, node: Node, block: Phase) -> None:
    """The tasks before the wait have ended; without them having told anybody there is no sense in waiting."""
    if not block.failed or node.allow_failure:
        _wait(work, run, _terms(work, run))
        return
    work.changed[run.path] = replace(run, history=entered(run.history, RUNNING, work.at))
    leave_pausing(work)
    fail_block(work, run.path, f"A task of onWait failed, so that '{node.id}' did not wait for a decision")


def _terms(work: Work, run: TaskRun) -> dict[str, Any]:
    terms: dict[str, Any] = (work.answers.get(run.path) or work.record.answers[run.path]).value
    return terms


def behavior(held: Work | Record, run: TaskRun) -> str:
    """What belongs to the decision on an Approval; empty without one."""
    if not run.outputs or not is_decided(run):
        return ""
    answer = held.answers.get(run.path)
    if answer is None and isinstance(held, Work):
        answer = held.record.answers[run.path]
    assert answer is not None
    then: str = answer.value["then"][run.outputs["decision"]]
    return then


def settled(block: Phase, then: str) -> Phase:
    """The counters of an Approval whose main branch has ended; a failure in it stays one, whatever comes `then`."""
    if block.worst in STOPS:
        return block
    if then == "FAIL":
        return replace(block, failed=True, worst=FAILED)
    state = {"WARN": WARNING, "CANCEL": CANCELLED}.get(then, SUCCESS)
    return replace(block, worst=worse(block.worst, state))


def stops_around(run: TaskRun, then: str) -> bool:
    """Whether an Approval has ended in a way after which nothing more of the flow begins."""
    return then == "SUCCEED" and run.state in (SUCCESS, WARNING)


def _stop_around(work: Work, path: str) -> None:
    """Let nothing more begin in the blocks around a task run; what runs there goes on to its end."""
    while path:
        path = parent_path(path)
        block = work.block(path)
        assert block is not None
        if block.phase == MAIN:
            work.blocks[path] = replace(block, failed=True)
        else:
            work.blocks[path] = replace(block, next=block.total)
