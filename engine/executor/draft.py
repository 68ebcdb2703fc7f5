"""An edited record being made: which blocks are open again, what is forgotten, run again, closed or left for later."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from engine.executor.after import DONE
from engine.executor.approval import is_decided, undecided
from engine.executor.below import is_below
from engine.executor.children import attempts_of
from engine.executor.counters import shown_counters
from engine.executor.finish import ASKING, BEFORE, MAIN, ON_WAIT, STOPS, calls_many, worse
from engine.executor.lanes import ASKS, SIDE_BY_SIDE, main_phase
from engine.executor.names import ATTEMPTED, CALLERS
from engine.executor.pause import resumed_outputs
from engine.executor.places import Places
from engine.executor.plan import Kind, Plan
from engine.executor.rebuild import rebuild
from engine.executor.work import attempt_of, awaited, entered, replace
from engine.state.command import Command, Step, StopStarted, StopTask
from engine.state.execution import Answer, Change, Execution, Phase, TaskRun, node_of, parent_path
from engine.state.record import Record
from engine.state.status import Status


class Children(NamedTuple):
    """What is known of the executions that a task run started: how many are to run again, how the others ended."""

    again: int
    ends: Mapping[Status, int]


class Draft:
    """An edited record being made.

    reopened: open blocks, each with the rank of the branch in which it goes on
    chosen: the paths of what the edit is about
    """

    def __init__(self, plan: Plan, record: Record, now: int, children: Mapping[str, Children] | None = None) -> None:
        self.plan = plan
        self.children = children or {}
        self.now = now
        self.source = record
        self.runs = dict(record.runs)
        self.answers: dict[str, Answer] = dict(record.answers)
        self.reopened: dict[str, int] = {}
        self.chosen: set[str] = set()
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
        reopened = main_phase(node, "tasks") if asked else unstopped(run.block)
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
            self.put(replace(run, history=history, block=unstopped(run.block)))
        else:
            self._remove_below(run.path)
            if anew:
                self.answers.pop(run.path, None)
            # What it starts are other executions than before.
            generation = self.source.execution.attempt if self.plan.nodes[run.node].kind in CALLERS else run.generation
            run = replace(run, generation=generation)
            self.put(replace(run, history=history, block=None, outputs=None, error=None, due=None))

    def close_below(self, path: str, state: Status = Status.KILLED) -> None:
        """End in a state what is still open below a task run."""
        for run in [other for other in self.runs.values() if other.path.startswith((f"{path}/", f"{path}#"))]:
            if run.state.terminal:
                continue
            end = Change(state, self.now)
            attempts = run.attempts
            if awaited(run):
                attempts = (*attempts[:-1], replace(attempts[-1], history=(*attempts[-1].history, end)))
            history = (*run.history, end)
            self.put(replace(run, history=history, attempts=attempts, block=self.closed(run), due=None))

    def closed(self, run: TaskRun) -> Phase | None:
        """The counters of a task run that gets an end; of one that started executions they tell that some go on."""
        if run.block is None:
            return None
        live = run.block.live if calls_many(self.plan.nodes[run.node], run) else 0
        return replace(run.block, phase=DONE, live=live, paused=0, stopping=None)

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
            MAIN,
            branch="tasks",
            next=run.block.next,
            total=run.block.total,
            live=children.again,
            worst=worst,
            since=max(run.block.since, self.source.execution.attempt) + 1,
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
        self._fit()
        execution = self.source.execution
        root = main_phase(self.plan.root, "tasks")
        fields: dict[str, Any] = {} if everything else {"attempt": execution.attempt + 1}
        removed = (run.attempt for run in self.source.runs.values() if awaited(run) and run.path not in self.runs)
        # What comes to stand where something still runs must not be taken for it.
        fields["fence"] = max(execution.fence, *removed, 0)
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

    def _fit(self) -> None:
        """Leave out what would go on beside more than its block may have open at once: that begins anew in its turn."""
        beside: dict[tuple[str, int], dict[str, list[TaskRun]]] = {}
        going_on = [run for run in self.runs.values() if not (run.state.terminal or run.reported)]
        for run in sorted(going_on, key=lambda run: self.places.of(run.path).position):
            above, rank, _ = self.places.of(run.path)
            lane = run.path.rpartition("/")[0] if above.kind is Kind.FOREACH and not rank else run.path
            beside.setdefault((parent_path(run.path), rank), {}).setdefault(lane, []).append(run)
        for (path, rank), lanes in beside.items():
            node = self.plan.nodes[node_of(path)]
            several = node.kind in SIDE_BY_SIDE and not rank
            most = (node.concurrent or len(lanes)) if several else 1
            ranked = sorted(lanes.values(), key=self._precedence) if several else list(lanes.values())
            left_out = [run for runs in ranked[:most] for run in runs[1:]]
            left_out += [run for runs in ranked[most:] for run in runs]
            for run in left_out:
                self._remove_below(run.path)
                self.remove([run.path])

    def _precedence(self, lane: list[TaskRun]) -> tuple[int, int]:
        """What goes on untouched comes first, then what the edit is about, then the rest in its order."""
        touched = all(self.source.runs.get(run.path) is not run for run in lane)
        meant = any(path == run.path or is_below(path, run.path) for path in self.chosen for run in lane)
        return (touched + (touched and not meant), min(run.order for run in lane))

    def _stops(self) -> Iterator[Command]:
        """Attempts that are running, and executions that were started, and are no longer waited for."""
        for run in self.source.runs.values():
            now = self.runs.get(run.path)
            if not run.reported and awaited(run) and (now is None or not awaited(now) or now.attempt != run.attempt):
                yield StopTask(run.path, run.attempt)
            called = run.block is not None and run.block.live and calls_many(self.plan.nodes[run.node], run)
            if called and (now is None or now.block is None or now.state.terminal):
                # Where it begins anew in this step, others may be there before this is done.
                anew = now is not None and not now.state.terminal
                execution = self.source.execution
                yield StopStarted(run.path, 1 + (execution.attempt if anew else attempt_of(execution, run)))

    def _pending(self, blocks: Iterable[str], lanes: list[str]) -> tuple[str, ...]:
        """All that is to be looked at, the last first: what runs again, lanes, then blocks from the inside out."""
        outside_in = sorted(blocks, key=lambda path: path.count("/") + bool(path))
        again = [run for run in self.runs.values() if run.state is Status.RESTARTED or _starts(self.plan, run)]
        again.sort(key=lambda run: run.order, reverse=True)
        return (*outside_in, *reversed(lanes), *(run.path for run in again))


def _starts(plan: Plan, run: TaskRun) -> bool:
    return not (run.state.terminal or run.reported) and run.block is None and plan.nodes[run.node].kind not in ATTEMPTED


def unstopped(block: Phase | None) -> Phase | None:
    """The counters of a block that goes on after an edit."""
    return block if block is None or block.stopping is None else replace(block, stopping=None)


def cleared(execution: Execution, history: tuple[Change, ...], **fields: Any) -> Execution:
    cleared: dict[str, Any] = {"outputs": None, "error": None, "killing": False, "requested": None, "sparing": False}
    cleared |= {"violated": None, "pending": (), "paused": 0, "held": False}
    return replace(execution, history=history, **{**cleared, **fields})
