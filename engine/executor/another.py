"""Edits that make another execution of one: replay, and restart with another revision of the flow.

What is kept gets task runs of its own in the new execution; the source stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from engine.errors import NotFound, Refused
from engine.executor.draft import Draft, cleared, unstopped
from engine.executor.edit import (
    RESTARTED_LABEL,
    check_restart,
    find_run,
    labelled,
    run_failed_again,
    runs_after,
)
from engine.executor.names import ATTEMPTED, PAUSED
from engine.executor.plan import Kind, Plan
from engine.executor.work import replace, run_id
from engine.ids import ExecutionId
from engine.state.execution import Change, Execution, TaskRun, node_of, parent_path
from engine.state.record import Record
from engine.state.status import Status

REPLAY_LABEL = "system.replay"
REPLAYED_LABEL = "system.replayed"

Outputs = Mapping[str, Mapping[str, Any]]


def replay(
    plan: Plan,
    record: Record,
    new_id: ExecutionId,
    task_run: str | None,
    now: int,
    *,
    before: Plan | None = None,
    inputs: Mapping[str, Any] | None = None,
    outputs: Outputs | None = None,
) -> Record:
    """A new execution from an old one: from the start, or from a task run with all that came before it.

    before: the plan that the old one ran with, if it isn't `plan`
    inputs: all inputs of the new one, by default those of the old one
    outputs: by task run that is kept (id, path or task id), what its outputs are to be in the new one
    Raises NotFound, and Refused where the plan no longer has what would be kept.
    """
    execution = labelled(_another(plan, record.execution, new_id, now), REPLAY_LABEL)
    if inputs is not None:
        execution = replace(execution, inputs=dict(inputs))
    if task_run is None:
        if outputs:
            raise Refused("A replay from the start keeps no outputs that could be changed: name a task to replay from")
        history = (Change(Status.CREATED, now),)
        return Record(cleared(execution, history, runs_made=0, block=None, variables=None))
    run = find_run(record, task_run)

    def go_back(draft: Draft) -> set[str]:
        return _go_back(draft, run)

    draft, again = _edited(plan, record, execution, now, before, go_back, f"'{run.node}'")
    _give(draft, outputs or {}, again, now)
    return _finish(draft, again)


def restart(plan: Plan, record: Record, new_id: ExecutionId, now: int, *, before: Plan | None = None) -> Record:
    """A new execution from an old one, which runs again what did not succeed in it. Raises Refused.

    before: the plan that the old one ran with, if it isn't `plan`
    """
    check_restart(record.execution)
    execution = labelled(_another(plan, record.execution, new_id, now), RESTARTED_LABEL)
    execution = replace(execution, attempt=record.execution.attempt + 1)
    draft, again = _edited(plan, record, execution, now, before, run_failed_again, "what failed")
    return _finish(draft, again)


def _another(plan: Plan, source: Execution, new_id: ExecutionId, now: int) -> Execution:
    return replace(
        source,
        # That one was replayed, this one wasn't yet.
        labels=tuple(label for label in source.labels if label.key != REPLAYED_LABEL),
        id=new_id,
        revision=plan.revision,
        version=0,
        parent=source.id,
        caller=None,
        original=source.original or source.id,
        created=now,
        tried_since=0,
        attempt=1,
        scheduled=None,
    )


def _edited(
    plan: Plan,
    record: Record,
    execution: Execution,
    now: int,
    before: Plan | None,
    edit: Callable[[Draft], set[str]],
    begin: str,
) -> tuple[Draft, set[str]]:
    """A draft of the new execution, and the paths of what an edit runs again in it.

    What is kept is decided by the flow as it was; the flow as it is now must have all of that at the same place.
    """
    runs, answers = dict(record.runs), dict(record.answers)
    if before is not None and before is not plan:
        draft = Draft(before, Record(execution, runs, answers), now)
        edit(draft)
        for path in runs.keys() - draft.runs.keys():
            runs.pop(path)
            answers.pop(path, None)
    _check_kept(plan, runs.values(), begin)
    draft = Draft(plan, Record(execution, runs, answers), now)
    return draft, edit(draft)


def _go_back(draft: Draft, run: TaskRun) -> set[str]:
    """Forget what came after a task run, which is to run again."""
    run = draft.main(draft.of_attempt(run))
    if runs_after(draft.plan, run.path):
        raise Refused(f"'{run.node}' runs after the execution; replay from a task before its end")
    draft.chosen = {run.path}
    draft.reopen([run.path])
    draft.remove([path for path in draft.runs if draft.places.comes_after(path, run.path)])
    draft.run_again(run, anew=True)
    return {run.path}


def _finish(draft: Draft, again: set[str]) -> Record:
    """Run again what was still running in the source, and give all of it ids of the new execution."""
    for other in list(draft.runs.values()):
        if other.block is not None and other.block.stopping and other.path not in draft.reopened:
            # It was being ended there, and so it is ended here.
            draft.close_below(other.path, other.block.stopping)
            draft.put(replace(draft.runs[other.path], block=unstopped(draft.runs[other.path].block)))
    for other in list(draft.runs.values()):
        if other.state.terminal or other.reported or other.path in draft.reopened or other.path in again:
            continue
        draft.run_again(other, anew=other.state is PAUSED)
    for path, kept in draft.runs.items():
        draft.runs[path] = replace(kept, id=run_id(draft.source.execution.id, path, 0), generation=0)
    return draft.finish(everything=True)


def _give(draft: Draft, outputs: Outputs, again: set[str], now: int) -> None:
    """Give outputs to task runs that are kept; their history tells of it."""
    for name, values in outputs.items():
        run = _kept(draft, name)
        if run.path in again or not run.state.terminal:
            raise Refused(f"'{run.node}' runs again in this replay: outputs can be given to tasks that ended before it")
        if draft.plan.nodes[run.node].kind not in (*ATTEMPTED, Kind.PAUSE):
            raise Refused(f"'{run.node}' is a block, whose outputs follow from its tasks: give outputs to one of them")
        history = (*run.history, Change(Status.RESTARTED, now), Change(run.state, now))
        draft.put(replace(run, history=history, outputs={**(run.outputs or {}), **values}))


def _kept(draft: Draft, name: str) -> TaskRun:
    found = [run for run in draft.runs.values() if name in (run.id, run.path)]
    found = found or [run for run in draft.runs.values() if run.node == name]
    if not found:
        kept = ", ".join(sorted({run.node for run in draft.runs.values()})) or "no task"
        raise NotFound("task run", name, f"this replay keeps {kept}")
    if len(found) > 1:
        raise Refused(f"'{name}' ran {len(found)} times: name one of them by its path, as {found[0].path}")
    return found[0]


def _check_kept(plan: Plan, runs: Iterable[TaskRun], begin: str) -> None:
    """Every task run must stand where the plan has its task. Raises Refused."""
    for run in runs:
        if run.reported and run.node not in plan.nodes:
            continue
        if plan.parents.get(run.node) != node_of(parent_path(run.path)):
            gone = "no longer in" if run.node not in plan.nodes else "not at the same place in"
            raise Refused(
                f"Task '{run.node}' is {gone} revision {plan.revision} of the flow; "
                f"replay from the start instead of from {begin}"
            )
