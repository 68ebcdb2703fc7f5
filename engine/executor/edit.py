"""Edits of the past: restart and change of a task run's state; those that make another execution are in `another`.

Each takes a record and returns another one whose counters fit and whose `edit` says what is to be written; the event
`Edited` writes it and goes on from there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from engine.errors import NotFound, Refused
from engine.executor.after import DONE, branches
from engine.executor.approval import is_decided, undecided
from engine.executor.children import attempts_of
from engine.executor.counters import shown_counters
from engine.executor.finish import ASKING, BEFORE, MAIN, ON_WAIT, STOPS, worse
from engine.executor.lanes import ASKS, main_phase
from engine.executor.names import ATTEMPTED, CALLERS
from engine.executor.pause import resumed_outputs
from engine.executor.places import Places
from engine.executor.plan import Kind, Plan
from engine.executor.rebuild import rebuild
from engine.executor.work import awaited, entered, replace
from engine.state.command import Step, StopTask
from engine.state.execution import Answer, Change, Execution, Label, Phase, TaskRun, node_of, parent_path
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
    draft.reopen((run.path for run in chosen), {run.path for run in chosen if draft.goes_on(run)})
    for run in chosen:
        if run.state is Status.PAUSED:
            draft.resume(run)
        else:
            draft.run_again(run)
    return {run.path for run in chosen}


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
    block = None if run.block is None else replace(run.block, phase=DONE, live=0)
    draft.put(replace(run, history=history, attempts=attempts, outputs=outputs, error=None, block=block, due=None))
    draft.close_below(run.path)
    return draft.finish()


def find_run(record: Record, name: str) -> TaskRun:
    """The task run with this id or path, or the latest one of the task with this id. Raises NotFound."""
    found = [run for run in record.runs.values() if name in (run.id, run.path)]
    found = found or [run for run in record.runs.values() if run.node == name]
    if not found:
        known = ", ".join(sorted({run.node for run in record.runs.values()}))
        raise NotFound("task run", name, f"this execution ran {known or 'no task'}")
    return max(found, key=lambda run: run.order)


class Children(NamedTuple):
    """What is known of the executions that a task run started: how many are to run again, how the others ended."""

    again: int
    ends: Mapping[Status, int]


class Draft:
    """An edited record being made. `reopened` maps open blocks to the rank of the branch in which they go on."""

    def __init__(self, plan: Plan, record: Record, now: int, children: Mapping[str, Children] | None = None) -> None:
        self.plan = plan
        self.children = children or {}
        self.now = now
        self.source = record
        self.runs = dict(record.runs)
        self.answers: dict[str, Answer] = dict(record.answers)
        self.reopened: dict[str, int] = {}
        self.places = Places(plan)

    def put(self, run: TaskRun) -> None:
        self.runs[run.path] = run

    def reopen(self, paths: Iterable[str], blocks: Collection[str] = ()) -> None:
        """Open these blocks and those around the paths; what they did after the branch that goes on is forgotten."""
        self.reopened.update(dict.fromkeys(blocks, 0))
        for path in paths:
            child = path
            while child:
                above = parent_path(child)
                rank = self.places.of(child).rank
                self.reopened[above] = min(rank, self.reopened.get(above, rank))
                child = above
        for path in self.reopened:
            run = self.runs.get(path)
            if run is not None:
                self._open(run, self.reopened[path])
        self.remove([path for path in self.runs if self._forgotten(path)])

    def _open(self, run: TaskRun, rank: int) -> None:
        node = self.plan.nodes[run.node]
        if rank < 0 and node.kind is Kind.APPROVAL:
            # What comes before the wait has changed: then it waits once more.
            block = Phase(BEFORE, branch=ON_WAIT, total=len(node.branches[ON_WAIT]))
            history = entered(run.history, Status.PAUSING, self.now)
            outputs = undecided(run.outputs)
            self.put(replace(run, history=history, block=block, outputs=outputs, error=None, due=None))
            return
        if rank < 0 and run.state is Status.PAUSED:
            # What has changed beside a wait doesn't end it.
            return
        # What it asked after its children it asks again after them.
        asked = run.block is not None and node.kind is Kind.LOOP_UNTIL and rank == 0
        reopened = main_phase(node, "tasks") if asked else run.block
        self.put(replace(run, history=entered(run.history, Status.RUNNING, self.now), block=reopened, due=None))

    def _forgotten(self, path: str) -> bool:
        while path:
            above = parent_path(path)
            if above in self.reopened and self.places.of(path).rank > self.reopened[above]:
                return True
            path = above
        return False

    def remove(self, paths: Iterable[str]) -> None:
        for path in paths:
            self.runs.pop(path, None)
            self.answers.pop(path, None)

    def run_again(self, run: TaskRun, anew: bool = False) -> None:
        """Let a task run be done once more: a task in a new attempt; a block from where it stood, or `anew`."""
        if run.path not in self.runs:
            return
        run = self.runs[run.path]
        if self.plan.nodes[run.node].kind in ATTEMPTED:
            if run.reports or run.block is not None:
                self._remove_below(run.path)
                run = replace(run, reports=0, block=None, outputs=None)
            attempts = run.attempts[:-1] if awaited(run) else run.attempts
            history = entered(run.history, Status.RESTARTED, self.now)
            self.put(replace(run, history=history, attempts=attempts, due=None, error=None))
            return
        history = entered(run.history, Status.RUNNING, self.now)
        if run.path in self.children and not anew:
            self.put(self._called_again(replace(run, history=history, error=None), self.children[run.path]))
        elif self.goes_on(run) and not anew:
            self.put(replace(run, history=history))
        else:
            self._remove_below(run.path)
            if anew:
                self.answers.pop(run.path, None)
            # What it starts are other executions than before.
            generation = self.source.execution.attempt if self.plan.nodes[run.node].kind in CALLERS else run.generation
            run = replace(run, generation=generation)
            self.put(replace(run, history=history, block=None, outputs=None, error=None, due=None))

    def close_below(self, path: str) -> None:
        """End what is still open below a task run that has got an end itself."""
        for run in [other for other in self.runs.values() if other.path.startswith((f"{path}/", f"{path}#"))]:
            if run.state.terminal:
                continue
            killed = Change(Status.KILLED, self.now)
            attempts = run.attempts
            if awaited(run):
                attempts = (*attempts[:-1], replace(attempts[-1], history=(*attempts[-1].history, killed)))
            block = None if run.block is None else replace(run.block, phase=DONE, live=0, paused=0)
            self.put(replace(run, history=(*run.history, killed), attempts=attempts, block=block, due=None))

    def _remove_below(self, path: str) -> None:
        self.remove([other for other in self.runs if other.startswith((f"{path}/", f"{path}#"))])

    def of_attempt(self, run: TaskRun) -> TaskRun:
        """The task run whose attempt reported this one, which can't be done again alone; or itself."""
        while run.reported:
            run = self.source.runs[parent_path(run.path)]
        return run

    def _called_again(self, run: TaskRun, children: Children) -> TaskRun:
        """A task run that starts executions, about to run those again that failed."""
        assert run.block is not None
        node = self.plan.nodes[run.node]
        worst = Status.SUCCESS
        for state in children.ends:
            worst = worse(worst, state) if node.transmit else worst
        block = Phase(
            MAIN, branch="tasks", next=run.block.next, total=run.block.total, live=children.again, worst=worst
        )
        outputs = shown_counters(node, block, run.outputs, children.ends)
        return replace(run, block=block, outputs=outputs, attempts=attempts_of(node, run, self.now))

    def pauses(self, run: TaskRun) -> bool:
        """Whether a task run is paused by itself, and not because an execution is that it waits for."""
        return not run.reported and self.plan.nodes[run.node].kind in (Kind.PAUSE, Kind.LOOP_UNTIL)

    def resume(self, run: TaskRun) -> None:
        """Let a paused task run go on."""
        outputs = resumed_outputs(self.now, Status.RUNNING) if run.outputs is None else run.outputs
        history = entered(run.history, Status.RUNNING, self.now)
        self.put(replace(self.runs[run.path], history=history, outputs=outputs, due=None))

    def goes_on(self, run: TaskRun) -> bool:
        """Whether a block knows what to run, so that it can go on from where it stood."""
        kind = self.plan.nodes[run.node].kind
        if kind in CALLERS:
            return run.path in self.children
        if run.block is None or run.error is not None or kind is Kind.FOLDER:
            return False
        if run.block.phase == ASKING or run.block.branch in ASKS:
            return False
        if kind in (Kind.FOREACH, Kind.EACH_PARALLEL):
            return run.path in self.answers
        if kind is Kind.APPROVAL:
            # Where its own behavior ended it, the question is what has to be asked again.
            return is_decided(run) and (not run.state.terminal or self._failed_in(run.path))
        if kind is Kind.LOOP_UNTIL:
            return run.path in self.answers and run.outputs is not None
        return run.outputs is not None or kind not in (Kind.IF, Kind.SWITCH, Kind.PAUSE)

    def _failed_in(self, path: str) -> bool:
        """Whether a child in the main branch of a block failed."""
        children = (run for run in self.runs.values() if parent_path(run.path) == path)
        return any(run.state in STOPS and not self.places.of(run.path).rank for run in children)

    def main(self, run: TaskRun) -> TaskRun:
        """A task run, or where it lies in what a block does before its main branch, the run of that block."""
        path = run.path
        while path:
            above = parent_path(path)
            if self.places.of(path).rank < 0:
                run = self.runs[above]
            path = above
        return run

    def finish(self, everything: bool = False) -> Record:
        """The edited record; `everything` is to be written where it belongs to a new execution."""
        execution = self.source.execution
        root = main_phase(self.plan.root, "tasks")
        fields: dict[str, Any] = {} if everything else {"attempt": execution.attempt + 1}
        fields["paused"] = sum(1 for run in self.runs.values() if run.state is Status.PAUSED)
        history = entered(execution.history, Status.RESTARTED, self.now)
        edited = Record(cleared(execution, history, block=root, **fields), self.runs, self.answers)
        rebuilt = rebuild(self.plan, edited)
        for path, block in rebuilt.blocks.items():
            if path:
                self.put(replace(self.runs[path], block=block))
        edited.execution = replace(
            edited.execution, block=rebuilt.blocks[""], pending=self._pending(rebuilt.blocks, rebuilt.lanes)
        )
        before = {} if everything else self.source.runs
        edited.edit = Step(
            execution=edited.execution,
            changed={path: run for path, run in self.runs.items() if before.get(path) is not run},
            removed=tuple(path for path in before if path not in self.runs),
            answers=dict(self.answers) if everything else {},
            commands=tuple(self._stops()) if not everything else (),
        )
        return edited

    def _stops(self) -> Iterator[StopTask]:
        """Attempts that are running and are no longer waited for."""
        for run in self.source.runs.values():
            now = self.runs.get(run.path)
            if not run.reported and awaited(run) and (now is None or not awaited(now) or now.attempt != run.attempt):
                yield StopTask(run.path, run.attempt)

    def _pending(self, blocks: Iterable[str], lanes: list[str]) -> tuple[str, ...]:
        """All that is to be looked at, the last first: what runs again, lanes, then blocks from the inside out."""
        outside_in = sorted(blocks, key=lambda path: path.count("/") + bool(path))
        again = [run for run in self.runs.values() if run.state is Status.RESTARTED or _starts(self.plan, run)]
        again.sort(key=lambda run: run.order, reverse=True)
        return (*outside_in, *reversed(lanes), *(run.path for run in again))


def _check_after(execution: Execution) -> None:
    if execution.state.terminal and not execution.finished:
        raise Refused("The execution has ended and still runs its afterExecution tasks: wait for them, or kill them")


def runs_after(plan: Plan, path: str) -> bool:
    """Whether a task run belongs to what runs after the end."""
    top = node_of(path.partition("/")[0])
    return any(node.id == top for branch in branches(plan) for node in plan.root.branches.get(branch, ()))


def _starts(plan: Plan, run: TaskRun) -> bool:
    return not (run.state.terminal or run.reported) and run.block is None and plan.nodes[run.node].kind not in ATTEMPTED


def cleared(execution: Execution, history: tuple[Change, ...], **fields: Any) -> Execution:
    cleared: dict[str, Any] = {"outputs": None, "error": None, "killing": False, "requested": None, "sparing": False}
    cleared |= {"violated": None, "pending": (), "paused": 0, "held": False}
    return replace(execution, history=history, **{**cleared, **fields})
