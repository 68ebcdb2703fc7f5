"""Says in words for people why an execution waits, and what they can do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo

import msgspec

from engine.clock import to_datetime
from engine.definition.forms import leaves
from engine.durations import duration_words
from engine.executor.names import LOOP, PAUSED
from engine.executor.plan import Plan
from engine.executor.reasons import Cause, Reason, Seen, after_end, asked_of, started_of
from engine.executor.retry import failures
from engine.ids import ExecutionId
from engine.state.execution import Execution, TaskRun
from engine.state.record import Record
from engine.store.rows import NodeRow

NAMED = 3
BRIEF = 160

ASKED = {
    "run_if": "the condition under which it runs",
    "condition": "its condition",
    "value": "its value",
    "values": "its values",
    "items": "its items",
    "collect": "the outputs of its iterations",
    "pause": "how long it lasts",
    "approval": "its terms",
    "scope": "its outputs",
    "limits": "its limits",
    "until": "whether that was the last round",
}

THEN = {
    "RESUME": "it goes on",
    "WARN": "it goes on with a warning",
    "CANCEL": "the execution is cancelled",
    "FAIL": "it fails",
    "CONTINUE": "it goes on",
    "SUCCEED": "the execution ends there, in SUCCESS",
    "KILL": "the execution is killed",
}


class Scene(msgspec.Struct, frozen=True):
    """An execution and what its reason is told with.

    process: the one that has it in hand, where it is known
    heads: executions that are named
    """

    plan: Plan
    record: Record
    seen: Seen
    reason: Reason
    process: NodeRow | None = None
    heads: Mapping[ExecutionId, Execution] = {}
    zone: tzinfo = UTC


def clause(scene: Scene) -> str:
    """The cause as a part of a sentence."""
    execution = scene.record.execution
    said = _clause(scene, scene.reason)
    if scene.reason.others:
        count = scene.reason.others
        said += f" ({count} other {'task is' if count == 1 else 'tasks are'} not done either)"
    if after_end(execution) and scene.reason.cause is not Cause.ENDED:
        said = f"it has ended in {execution.state} and runs its last tasks (afterExecution): {said}"
    return said


def next_step(scene: Scene) -> str | None:
    """The command that helps, or shows more."""
    execution = scene.record.execution
    id, reason = execution.id, scene.reason
    of_task = f" --task {reason.runs[0].node}" if reason.runs else ""
    match reason.cause:
        case Cause.SCHEDULED:
            return f"tidegate execution force-run {id}"
        case Cause.QUEUED:
            return f"tidegate execution unqueue {id}"
        case Cause.PAUSED:
            return f"tidegate execution resume {id}{_which(scene, '--task-run')}{_options(scene)}"
        case Cause.APPROVAL:
            return f"tidegate execution approve {id}{_which(scene, '--task')}{_comment(scene)}{_options(scene)}"
        case Cause.HELD:
            return f"tidegate execution resume {id}"
        case Cause.BETWEEN_PASSES if reason.runs[0].state is PAUSED:
            return f"tidegate execution resume {id}{_which(scene, '--task-run')}"
        case Cause.PROCESS_GONE:
            return "tidegate execution recover"
        case Cause.RUNNING | Cause.RETRY | Cause.STARTING | Cause.EXPRESSION | Cause.BETWEEN_PASSES:
            return f"tidegate execution logs {execution.home}{of_task}"
        case Cause.EXECUTIONS if reason.first is not None:
            return f"tidegate execution why {reason.first}"
        case Cause.FAULT:
            return f"tidegate execution kill {id}"
        case Cause.STOPPING:
            return f"tidegate execution show {id}"
    return None


def _clause(scene: Scene, reason: Reason) -> str:
    match reason.cause:
        case Cause.PAUSED | Cause.APPROVAL | Cause.HELD:
            return _by_people(scene, reason)
        case Cause.QUEUED | Cause.EXECUTIONS:
            return _by_others(scene, reason)
        case Cause.PROCESS_GONE:
            return _gone(scene, reason)
        case Cause.RETRY | Cause.BETWEEN_PASSES:
            return _by_date(scene, reason)
        case Cause.RUNNING | Cause.STOPPING:
            return _at_work(scene, reason)
        case _:
            return _by_engine(scene, reason)


def _by_engine(scene: Scene, reason: Reason) -> str:
    execution = scene.record.execution
    match reason.cause:
        case Cause.SCHEDULED:
            return f"it was created for a later date and begins at {_date(scene, reason.until)}"
        case Cause.STARTING if reason.runs:
            return f"{_tasks(reason.runs)} has waited to begin{_since(scene, reason)}{_in(scene)}"
        case Cause.STARTING:
            return f"it has been about to go on{_since(scene, reason)}{_in(scene)}"
        case Cause.EXPRESSION if reason.runs:
            run = reason.runs[0]
            asked = ASKED.get(asked_of(run), "an expression of it")
            return f"{_tasks(reason.runs)} works out {asked}{_since(scene, reason)}{_in(scene)}"
        case Cause.EXPRESSION:
            return f"the outputs of the flow are being worked out{_since(scene, reason)}{_in(scene)}"
        case Cause.RETRIED:
            date = _date(scene, reason.until)
            return f"it has ended in {execution.state}, and another execution tries the same again at {date}"
        case Cause.ENDED:
            return f"it has ended in {execution.state} and waits for nothing"
    return "nothing is under way although it has not ended, which is a fault of Tidegate"


def _at_work(scene: Scene, reason: Reason) -> str:
    execution = scene.record.execution
    if reason.cause is Cause.RUNNING:
        runs = reason.runs
        number = f" (attempt {runs[0].attempt})" if len(runs) == 1 and runs[0].attempt > 1 else ""
        return f"{_tasks(runs)} {_have(runs)} been running{number}{_since(scene, reason)}{_in(scene)}"
    stopped = (
        f"somebody stopped it{_ago(scene, reason)}" if execution.killing else f"it is to end in {execution.requested}"
    )
    if execution.violated is not None and not execution.killing:
        stopped = f"{stopped} because of the SLA '{execution.violated}'"
    if not reason.runs:
        return f"{stopped}, which is under way{_in(scene)}"
    return f"{stopped}, and {_tasks(reason.runs)} {_have(reason.runs)} not ended yet{_in(scene)}"


def _by_date(scene: Scene, reason: Reason) -> str:
    run = reason.runs[0]
    if reason.cause is Cause.BETWEEN_PASSES:
        terms = _terms(scene, run)
        done = (run.outputs or {}).get("iterationCount")
        most = f" of at most {terms['iterations']}" if terms.get("iterations") else ""
        rounds = f"after round {done}{most} " if done else ""
        return f"{_tasks(reason.runs)} {rounds}waits for the next round, at {_date(scene, reason.until)}"
    retry = scene.plan.nodes[run.node].retry
    most = f" of {retry.max_attempts}" if retry is not None and retry.max_attempts else ""
    error = run.attempts[-1].error if run.attempts else None
    after = f", after: {_brief(error)}" if error else ""
    number = failures(run) + 1
    return f"{_tasks(reason.runs)} is tried again at {_date(scene, reason.until)}, attempt {number}{most}{after}"


def _by_people(scene: Scene, reason: Reason) -> str:
    if reason.cause is Cause.HELD:
        still = f"; {_tasks(reason.runs)} still {'runs' if len(reason.runs) == 1 else 'run'}" if reason.runs else ""
        return f"somebody asked it to pause{_ago(scene, reason)}, and nothing more begins until it is resumed{still}"
    run = reason.runs[0]
    since = _since(scene, reason)
    if reason.cause is Cause.PAUSED:
        said = f"{_tasks(reason.runs)} has been paused{since} until somebody resumes it"
    else:
        said = f"{_tasks(reason.runs)} has been waiting{since} for somebody to approve or deny it"
    asks = [
        leaf.id + ("" if leaf.input.required and leaf.input.defaults is None else " (may be left out)")
        for leaf in leaves(scene.plan.nodes[run.node].inputs)
    ]
    said += f" with {', '.join(asks)}" if asks else ""
    if reason.until is None:
        return said
    then = _terms(scene, run).get("then")
    # That of an Approval goes by decision.
    then = THEN[str(then.get("EXPIRED") if isinstance(then, dict) else then)]
    late = "" if scene.seen.alive else " as soon as another process takes it up, for its own is gone"
    return f"{said}; if nobody does by {_date(scene, reason.until)}, {then}{late}"


def _by_others(scene: Scene, reason: Reason) -> str:
    if reason.cause is Cause.QUEUED:
        return _queued(scene)
    run = reason.runs[0]
    first = _execution(scene, reason.first)
    node = scene.plan.nodes[run.node]
    started, total = started_of(run)
    if run.block is None:
        return f"{_tasks(reason.runs)} has been waiting{_since(scene, reason)} for the execution {first}"
    alive = scene.seen.below[run.path].alive
    each = "iterations" if node.kind is LOOP else "executions"
    return f"{_tasks(reason.runs)} waits for {total - started + alive} of its {total} {each}, first for {first}"


def _queued(scene: Scene) -> str:
    execution, queue = scene.record.execution, scene.seen.queue
    assert queue is not None
    place = queue.waiting.index(execution.id) + 1
    holders = ", ".join(_execution(scene, id) for id in queue.running[:NAMED])
    more = f" and {len(queue.running) - NAMED} more" if len(queue.running) > NAMED else ""
    many = "one execution runs" if queue.limit == 1 else f"{queue.limit} executions run"
    held = f", now {holders}{more}" if holders else ""
    return f"it is number {place} in the queue of {execution.namespace}.{execution.flow}, of which {many} at once{held}"


def _gone(scene: Scene, reason: Reason) -> str:
    said = f"the process that had it in hand{_named(scene)} is gone"
    instead = reason.instead
    if instead is None or (not instead.runs and instead.cause is not Cause.SCHEDULED):
        return f"{said}, and it goes on when another one takes it up"
    if instead.cause in (Cause.RUNNING, Cause.STARTING, Cause.STOPPING, Cause.EXPRESSION):
        return f"{said}, and {_tasks(instead.runs)} goes on when another one takes it up"
    return f"{said}; when another one has taken it up, {_clause(scene, instead)}"


def _tasks(runs: Sequence[TaskRun]) -> str:
    names = [_task(run) for run in runs[:NAMED]]
    if len(runs) > NAMED:
        names.append(f"{len(runs) - NAMED} more")
    joined = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"the task {joined}" if len(runs) == 1 else f"the tasks {joined}"


def _task(run: TaskRun) -> str:
    return f"'{run.node}'" + (f" for the value '{_brief(run.value, 40)}'" if run.value is not None else "")


def _have(runs: Sequence[TaskRun]) -> str:
    return "has" if len(runs) == 1 else "have"


def _execution(scene: Scene, id: ExecutionId | None) -> str:
    head = scene.heads.get(id) if id is not None else None
    if head is None:
        return str(id)
    if head.item is not None:
        return f"'{_brief(head.item.value, 40)}' ({head.id}, {head.state})"
    return f"{head.id} of {head.namespace}.{head.flow} ({head.state})"


def _in(scene: Scene) -> str:
    return f", in process {scene.process.pid}" if scene.process is not None and scene.seen.alive else ""


def _named(scene: Scene) -> str:
    return f" ({scene.process.pid})" if scene.process is not None else ""


def _since(scene: Scene, reason: Reason) -> str:
    return "" if reason.since is None else f" for {duration_words(max(0, scene.seen.now - reason.since))}"


def _ago(scene: Scene, reason: Reason) -> str:
    return "" if reason.since is None else f" {duration_words(max(0, scene.seen.now - reason.since))} ago"


def _date(scene: Scene, at: int | None) -> str:
    assert at is not None
    text = to_datetime(at).astimezone(scene.zone).strftime("%Y-%m-%d %H:%M:%S")
    left = at - scene.seen.now
    return f"{text} (in {duration_words(left)})" if left > 0 else f"{text} (now)"


def _terms(scene: Scene, run: TaskRun) -> Mapping[str, object]:
    answer = scene.record.answers.get(run.path)
    return answer.value if answer is not None and isinstance(answer.value, dict) else {}


def _which(scene: Scene, option: str) -> str:
    """Names the task run where several wait for somebody."""
    paused = [run for run in scene.record.runs.values() if run.state is scene.reason.runs[0].state]
    return f" {option} {scene.reason.runs[0].id}" if len(paused) > 1 else ""


def _options(scene: Scene) -> str:
    """The inputs that must be given."""
    declared = [leaf.input for leaf in leaves(scene.plan.nodes[scene.reason.runs[0].node].inputs)]
    wanted = [one for one in declared if one.required and one.defaults is None]
    return "".join(f" -{'f' if one.type == 'FILE' else 'i'} {one.id}=…" for one in wanted)


def _comment(scene: Scene) -> str:
    return " -c …" if _terms(scene, scene.reason.runs[0]).get("comment") in ("ALWAYS", "ON_APPROVE") else ""


def _brief(text: str, limit: int = BRIEF) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]}…"
