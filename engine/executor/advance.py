"""The reducer: what happened, to what follows. Pure: no I/O, no clock, no chance but the event's seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.executor import deadlines
from engine.executor.after import answered_after, is_after
from engine.executor.approval import expire, review
from engine.executor.children import child_ended, child_paused, show_paused
from engine.executor.finish import (
    OUTPUTS,
    calls_many,
    close_run,
    end_run,
    ending,
    outputs_answered,
)
from engine.executor.kill import kill, request
from engine.executor.lanes import answered, look
from engine.executor.limits import GRANTED, START, TAKE, WAITS, begin, enqueue
from engine.executor.names import (
    CREATED,
    FAILED,
    FOLDER,
    KILLED,
    LOOP_UNTIL,
    PAUSED,
    QUEUED,
    RESTARTED,
    RETRIED,
    RUNNING,
    SUCCESS,
)
from engine.executor.passes import next_pass
from engine.executor.pause import TIMER, ask_pause, is_asking, is_paused, resume, time_is_over
from engine.executor.paused import note_paused
from engine.executor.plan import Plan
from engine.executor.reported import close_left, folder_ended, take_in
from engine.executor.retry import as_new_execution, come_due, final, next_date, try_again, wait
from engine.executor.work import Work, awaited, begun, entered, replace
from engine.state.command import NewExecution, StartMissing, Step, TellCaller, WakeAt
from engine.state.event import (
    AnyEvent,
    ChildEnded,
    ChildPaused,
    Continue,
    Due,
    Edited,
    Evaluated,
    KillAsked,
    Lost,
    Patch,
    PauseAsked,
    Reported,
    Resumed,
    Reviewed,
    Started,
    TaskEnded,
    TaskStarted,
)
from engine.state.execution import Attempt, Change, TaskRun
from engine.state.record import Record
from engine.state.sealed import is_sealed
from engine.state.status import Status

LOST = "The process that ran this attempt is gone"


def advance(plan: Plan, record: Record, event: AnyEvent) -> Step:
    """What follows from an event. What comes late, twice or for nothing that is open gives an empty step."""
    work = Work(plan, record, event.at, event.seed)
    match event:
        case TaskEnded():
            _task_ended(work, event)
        case TaskStarted():
            _task_started(work, event)
        case Evaluated():
            _evaluated(work, event)
        case ChildEnded():
            child_ended(work, event)
        case Due():
            _due(work, event)
        case Reported():
            _reported(work, event)
        case ChildPaused():
            child_paused(work, event)
        case Lost():
            _lost(work, event)
        case Started():
            begin(work, event)
        case KillAsked():
            kill(work, cascade=event.cascade)
        case Resumed():
            _resumed(work, event)
        case Reviewed():
            review(work, event)
        case PauseAsked():
            ask_pause(work)
        case Edited():
            _edited(work, event)
        case Continue():
            _continue(work)
    if work.todo and not work.get("held"):
        look(work)
        if work.todo:
            # What is not pending yet, or was taken from there just now, nobody has been asked to come back to.
            work.put_pending(isinstance(event, Continue | Edited | Resumed) or not record.execution.pending)
    elif work.todo:
        work.put_pending(False)
    if plan.slas:
        deadlines.ask(work, event)
    return work.step()


def apply(record: Record, step: Step) -> None:
    """Bring a record up to date with a step, in place."""
    if step.execution is not None:
        record.execution = step.execution
    for path in step.removed:
        record.runs.pop(path, None)
        record.answers.pop(path, None)
    record.runs.update(step.changed)
    record.answers.update(step.answers)
    record.edit = None


def _evaluated(work: Work, event: Evaluated) -> None:
    if not event.path:
        block = work.block("")
        if event.ask == deadlines.ASK:
            deadlines.judged(work, event.value)
            return
        if block is not None and block.phase == OUTPUTS:
            outputs_answered(work, event.value, event.error)
        elif is_after(event.ask):
            answered_after(work, event.ask, event.value is True)
        return
    run = work.run(event.path)
    if run is not None and not run.state.terminal:
        answered(work, run, event)


def _awaited(work: Work, path: str, attempt: int) -> TaskRun | None:
    """The task run at a path, if this very attempt of it is still awaited."""
    run = work.held.get(path)
    if run is None or not awaited(run) or run.attempts[-1].number != attempt:
        return None
    return run


def _task_started(work: Work, event: TaskStarted) -> None:
    run = _awaited(work, event.path, event.attempt)
    if run is not None and event.outputs is not None and event.outputs != run.outputs:
        run = work.changed[run.path] = replace(run, outputs=event.outputs)
    if run is not None:
        begun(work, run, event.at)


def _reported(work: Work, event: Reported) -> None:
    run = _awaited(work, event.path, event.attempt)
    if run is None:
        return
    take_in(work, begun(work, run, event.at), event.runs)
    if event.patch is not None:
        _patch(work, event.patch)
        if event.patch.end is not None:
            request(work, event.patch.end, cascade=not event.patch.sparing)


def _task_ended(work: Work, event: TaskEnded) -> None:
    run = _awaited(work, event.path, event.attempt)
    if run is None:
        return
    if run.state is PAUSED:
        # What it waited for ended before anybody heard that it goes on.
        show_paused(work, run, False)
        run = work.changed[run.path]
    if run.reports:
        close_left(work, run, event.state)
    state = event.state
    # What another task's failure has ended is not killed for those who look at it later.
    stopped = None if state is SUCCESS else ending(work, run.path)
    if stopped is not None and state is KILLED:
        state = stopped
    run = _closed(run, state, event.at, event.started, event.error, event.log_file)
    patch = event.patch
    if patch is not None:
        _patch(work, patch)
        if patch.end is not None and work.stopping is None:
            state = KILLED if patch.end is KILLED else _final(work, run, state)
            close_run(work, run, state, outputs=event.outputs)
            request(work, patch.end, cascade=not patch.sparing)
            return
    if stopped is state:
        end_run(work, run, state, outputs=event.outputs)
    elif state is not FAILED or not _again(work, run):
        _end(work, run, state, event.outputs)


def _end(work: Work, run: TaskRun, state: Status, outputs: dict[str, Any] | None) -> None:
    """The last attempt of a task run ended in `state`."""
    if work.plan.nodes[run.node].kind is FOLDER:
        folder_ended(work, run, state, outputs)
    else:
        end_run(work, run, _final(work, run, state), outputs=outputs)


def _closed(
    run: TaskRun, state: Status, at: int, started: int, error: str | None, log_file: str | None = None
) -> TaskRun:
    """A task run whose current attempt has ended; `started` is when its body began, 0 if it never did."""
    last = run.attempts[-1]
    history, of_attempt = run.history, last.history
    if started and of_attempt[-1].state is CREATED:
        of_attempt = (*of_attempt, Change(RUNNING, started))
        history = entered(history, RUNNING, started)
    attempt = Attempt(last.number, (*of_attempt, Change(state, at)), error, log_file)
    return replace(run, history=history, attempts=(*run.attempts[:-1], attempt))


def _final(work: Work, run: TaskRun, state: Status) -> Status:
    return final(work.plan.nodes[run.node], run, state)


def _again(work: Work, run: TaskRun) -> bool:
    """Plan another attempt of a task run that failed, or another execution. False: it failed for good."""
    retry = work.plan.nodes[run.node].retry
    if retry is None or work.stopping is not None or ending(work, run.path) is not None:
        return False
    if retry.new_execution:
        return as_new_execution(work, run, retry)
    due = next_date(retry, run, work.at, work.seed)
    if due is not None:
        wait(work, run, due)
    return due is not None


def _patch(work: Work, patch: Patch) -> None:
    if patch.labels:
        labels = {label.key: label for label in work.get("labels")}
        labels.update((label.key, label) for label in patch.labels)
        work.put(labels=tuple(labels.values()))
    if patch.variables is not None or patch.removed:
        held = work.get("variables")
        changed = merged(work.plan.variables if held is None else held, patch.variables or {})
        work.put(variables=without(changed, patch.removed))


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Two maps in one; where both hold a map these are merged too, otherwise the new value wins."""
    result = dict(old)
    todo = [(result, new)]
    while todo:
        into, source = todo.pop()
        for key, value in source.items():
            held = into.get(key)
            if isinstance(held, Mapping) and isinstance(value, Mapping) and not (is_sealed(held) or is_sealed(value)):
                into[key] = dict(held)
                todo.append((into[key], value))
            else:
                into[key] = value
    return result


def without(values: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """A map without some of its values; dots in a name lead into maps. What isn't there is no mistake."""
    result = dict(values)
    for name in names:
        *above, last = name.split(".")
        place = result
        for key in above:
            below = place.get(key)
            if not isinstance(below, Mapping):
                break
            place[key] = dict(below)
            place = place[key]
        else:
            place.pop(last, None)
    return result


def _lost(work: Work, event: Lost) -> None:
    run = _awaited(work, event.path, event.attempt)
    if run is None:
        return
    if run.reports:
        close_left(work, run, KILLED)
    stopped = KILLED if work.stopping is not None else ending(work, run.path)
    if stopped is not None:
        end_run(work, _closed(run, stopped, event.at, 0, LOST), stopped)
    elif work.plan.nodes[run.node].fail_when_lost:
        run = _closed(run, FAILED, event.at, 0, LOST)
        if not _again(work, run):
            _end(work, run, FAILED, None)
    else:
        try_again(work, _closed(run, KILLED, event.at, 0, LOST))


def _due(work: Work, event: Due) -> None:
    if event.kind == "new_execution":
        if work.state is RETRIED:
            work.commands.append(NewExecution(work.get("attempt") + 1))
        return
    if event.kind in ("tell", START, GRANTED):
        _own_timer(work, event.kind)
        return
    if event.kind.startswith(deadlines.TIMER):
        deadlines.time_is_up(work, event.kind)
        return
    run = work.run(event.path)
    if run is not None and event.kind == "retry":
        come_due(work, run)
    elif run is not None and event.kind == TIMER and run.due is not None:
        if run.due > work.at:
            work.commands.append(WakeAt(run.path, TIMER, run.due))
        elif work.plan.nodes[run.node].kind is LOOP_UNTIL:
            next_pass(work, run)
        elif is_paused(work.plan, run):
            time_is_over(work, run)
        elif is_asking(work.plan, run):
            expire(work, run)


def _resumed(work: Work, event: Resumed) -> None:
    run = work.run(event.path) if event.path else None
    if run is None or work.plan.nodes[run.node].kind is not LOOP_UNTIL:
        if resume(work, event):
            _continue(work)
    elif run.state is PAUSED and event.since in (0, run.history[-1].at) and work.stopping is None:
        next_pass(work, run)


def _own_timer(work: Work, kind: str) -> None:
    """A timer of the execution itself: it has to tell of its end, or its date has come."""
    if kind == "tell" and work.state.terminal:
        work.commands.append(TellCaller())
    elif kind == START or (kind == GRANTED and work.state is QUEUED):
        begin(work, Started(at=work.at))


def _edited(work: Work, event: Edited) -> None:
    """Write what the edit changed, and go on with everything that it left open."""
    edit = work.record.edit
    if edit is not None:
        work.changed.update(edit.changed)
        blocks = [run for run in edit.changed.values() if run.block is not None]
        work.commands += [StartMissing(run.path) for run in blocks if calls_many(work.plan.nodes[run.node], run)]
        work.answers.update(edit.answers)
        work.commands += edit.commands
        work.removed = edit.removed
    if work.plan.slas and work.state is RESTARTED:
        deadlines.set_deadlines(work, work.at)
    if work.state is RESTARTED and event.admission == WAITS:
        enqueue(work, event.reason)
    elif work.state is RESTARTED:
        work.commands.append(TAKE)
        work.move(RUNNING)
        note_paused(work)
        _continue(work)


def _continue(work: Work) -> None:
    if not (work.finished or work.state is QUEUED) and work.stopping is None and not work.get("held"):
        work.todo = list(work.get("pending"))
        if work.todo:
            work.put(pending=())
