"""A world around the reducer: it holds what was commanded and answers it in any order that a test chooses.

It does what the driver does, without a store, a clock or a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from zlib import crc32

from engine.executor.advance import advance, apply
from engine.executor.outstanding import ending, outstanding
from engine.executor.plan import Kind, Node, Plan, make_plan
from engine.ids import ExecutionId, NodeId, TaskRunId
from engine.state.command import (
    Again,
    Command,
    DropTimer,
    Ended,
    Evaluate,
    NewExecution,
    RunTask,
    Say,
    StopBelow,
    StopStarted,
    TakeSlot,
    TellCaller,
    WakeAt,
)
from engine.state.event import (
    AnyEvent,
    Continue,
    Due,
    Edited,
    Evaluated,
    Patch,
    Report,
    Reported,
    Resumed,
    Reviewed,
    Started,
    TaskEnded,
    TaskStarted,
)
from engine.state.execution import Attempt, Change, Execution, TaskRun, node_of
from engine.state.record import Record
from engine.state.status import Status

START = 1_700_000_000_000


class Outcome(NamedTuple):
    """How an attempt ends."""

    state: Status = Status.SUCCESS
    outputs: dict[str, Any] | None = None
    patch: Patch | None = None
    error: str | None = None


Outcomes = Callable[[str, int], Outcome]
Answers = Callable[[str, str], Any]
Pick = Callable[[int], int]


def node(id: str, **fields: Any) -> Node:
    return Node(id=NodeId(id), type="test", **fields)


def plan_of(*tasks: Node, **branches: Sequence[Node]) -> Plan:
    """A plan of these tasks; `errors=` and `finally_=` are the flow's own."""
    named = {name.rstrip("_"): tuple(nodes) for name, nodes in branches.items()}
    root = Node(id=NodeId(""), type="flow", branches={"tasks": tasks, **named})
    return make_plan(namespace="n", flow="f", revision=1, root=root)


def blank(id: str = "execution") -> Record:
    return Record(
        Execution(
            id=ExecutionId(id),
            namespace="n",
            flow="f",
            revision=1,
            history=(Change(Status.CREATED, START),),
            created=START,
        )
    )


def succeed(_path: str, _attempt: int) -> Outcome:
    return Outcome()


def first(_count: int) -> int:
    return 0


class World:
    """One execution, with all that it waits for. `talkative`: one task in five reports a part of itself."""

    talkative = False

    def __init__(
        self,
        plan: Plan,
        outcomes: Outcomes | Mapping[str, Sequence[Status] | Status] = succeed,
        answers: Answers | Mapping[str, Any] | None = None,
        record: Record | None = None,
    ) -> None:
        self.plan = plan
        self.record = record or blank()
        self.now = START
        self.tasks: dict[tuple[str, int], None] = {}
        self.asks: dict[tuple[str, str], None] = {}
        self.timers: dict[tuple[str, str], int] = {}
        self.agains = 0
        self.seen: list[AnyEvent] = []
        self.sent: list[Command] = []
        self.new_executions: list[int] = []
        self.said: list[str] = []
        self.opened_at_most = 0
        self.stored = dict(self.record.runs)
        self.stored_answers = dict(self.record.answers)
        self._outcomes = outcomes
        self._answers = answers

    def send(self, event: AnyEvent) -> None:
        """Let the reducer take in an event."""
        before = len(self.record.runs)
        step = advance(self.plan, self.record, event)
        apply(self.record, step)
        for removed in step.removed:
            self.stored.pop(removed, None)
            self.stored_answers.pop(removed, None)
        self.stored.update(step.changed)
        self.stored_answers.update(step.answers)
        self.opened_at_most = max(self.opened_at_most, len(self.record.runs) - before)
        self.seen.append(event)
        for command in step.commands:
            self._take(command)

    def start(self) -> World:
        self.send(Started(at=self.now))
        return self

    def edit(self, record: Record) -> World:
        """Go on from an edited record, as the driver does: only what steps write is stored."""
        if record.execution.id != self.record.execution.id:
            self.stored.clear()
            self.stored_answers.clear()
            self.tasks.clear()
            self.asks.clear()
            self.timers.clear()
        # What was begun goes on, as far as anybody still waits for it.
        runs = record.runs
        self.tasks = {key: None for key in self.tasks if key[0] in runs and runs[key[0]].attempt == key[1]}
        self.timers = {key: due for key, due in self.timers.items() if key[0] in runs and runs[key[0]].due == due}
        asking = {(path, run.block.branch) for path, run in runs.items() if run.block and run.block.phase == "asking"}
        self.asks = {key: None for key in self.asks if key in asking or (key[1] == "run_if" and key[0] in runs)}
        self.record = record
        self.agains = 0
        self.now += 1
        self.send(Edited(at=self.now))
        return self

    def run(self, pick: Pick = first, steps: int = 1_000_000) -> World:
        """Answer what is waited for, one by one, until nothing is left. `pick` chooses which of the given number."""
        while steps and self.step(pick):
            steps -= 1
        return self

    def step(self, pick: Pick = first) -> bool:
        """Answer one of the things waited for; False where there is none."""
        choices = self._choices() if pick is not first else self._first()
        if not choices:
            return False
        self.now += 1
        choices[pick(len(choices))]()
        return True

    def forget(self) -> None:
        """Lose everything but the record, and learn from it what is waited for."""
        self.tasks.clear()
        self.asks.clear()
        self.timers.clear()
        self.agains = 0
        for command in outstanding(self.plan, self.record):
            self._take(command)

    @property
    def state(self) -> Status:
        return self.record.execution.state

    @property
    def is_stored(self) -> bool:
        """Whether the steps wrote all that the record holds."""
        return self.stored == self.record.runs and self.stored_answers == self.record.answers

    @property
    def states(self) -> dict[str, Status]:
        return {path: run.state for path, run in self.record.runs.items() if not run.reported}

    @property
    def parts(self) -> dict[str, Status]:
        """What attempts reported."""
        return {path: run.state for path, run in self.record.runs.items() if run.reported}

    def history(self, path: str = "") -> list[Status]:
        history = self.record.runs[path].history if path else self.record.execution.history
        return [change.state for change in history]

    def task_run(self, path: str) -> TaskRun:
        return self.record.runs[path]

    def end(self, path: str, state: Status = Status.SUCCESS, **fields: Any) -> None:
        """End the live attempt at a path."""
        attempt = self.record.runs[path].attempt
        self.tasks.pop((path, attempt), None)
        self.now += 1
        self.send(TaskEnded(at=self.now, started=self.now, path=path, attempt=attempt, state=state, **fields))

    def ring(self, path: str, kind: str = "retry") -> None:
        """Let a timer come due."""
        due = self.timers.pop((path, kind))
        self.now = max(self.now, due)
        self.send(Due(at=self.now, path=path, kind=kind))

    def _take(self, command: Command) -> None:
        self.sent.append(command)
        match command:
            case RunTask(path, attempt):
                self.tasks[path, attempt] = None
            case Evaluate(path, ask):
                self.asks[path, ask] = None
            case WakeAt(path, kind, due):
                self.timers[path, kind] = due
            case DropTimer(path, kind):
                self.timers.pop((path, kind), None)
            case Again():
                self.agains += 1
            case NewExecution(attempt):
                self.new_executions.append(attempt)
            case Say():
                self.said.append(command.message)
            case StopBelow() | StopStarted() | Ended() | TellCaller() | TakeSlot():
                pass

    def _first(self) -> list[Callable[[], None]]:
        if self.asks:
            asked = next(iter(self.asks))
            return [lambda: self._answer(*asked)]
        if self.agains:
            return [self._continue]
        if self.tasks:
            task = next(iter(self.tasks))
            return [lambda: self._run_task(*task)]
        if self.timers:
            return [lambda: self.ring(*min(self.timers, key=lambda key: self.timers[key]))]
        return self._resumes()[:1]

    def _choices(self) -> list[Callable[[], None]]:
        choices: list[Callable[[], None]] = [lambda key=key: self._run_task(*key) for key in self.tasks]  # type: ignore[misc]
        choices += [lambda key=key: self._answer(*key) for key in self.asks]  # type: ignore[misc]
        choices += [lambda key=key: self.ring(*key) for key in self.timers]  # type: ignore[misc]
        choices += [self._continue] if self.agains else []
        return choices + self._resumes()

    def _resumes(self) -> list[Callable[[], None]]:
        paused = [path for path, state in self.states.items() if state is Status.PAUSED]
        resumes: list[Callable[[], None]] = [lambda path=path: self.release(path) for path in paused]  # type: ignore[misc]
        return [*resumes, self.resume] if self.record.execution.held else resumes

    def release(self, path: str) -> None:
        """Let a paused task run go on, with the same decision each time where it waits for one."""
        if self.plan.nodes[node_of(path)].kind is Kind.APPROVAL:
            self.review(path, "APPROVED" if crc32(path.encode()) % 2 else "DENIED")
        else:
            self.resume(path)

    def review(self, path: str, decision: str, **fields: Any) -> None:
        """Decide on an Approval."""
        since = self.record.runs[path].history[-1].at
        self.send(Reviewed(at=self.now, path=path, since=since, decision=decision, **fields))

    def resume(self, path: str = "") -> None:
        """Let a paused task run go on, or for the empty path what was asked to pause."""
        since = self.record.runs[path].history[-1].at if path else 0
        self.send(Resumed(at=self.now, path=path, since=since))

    def _continue(self) -> None:
        self.agains -= 1
        self.send(Continue(at=self.now))

    def _run_task(self, path: str, attempt: int) -> None:
        del self.tasks[path, attempt]
        stopped = ending(self.record, path)
        if self.record.execution.killing or self.record.execution.requested is not None:
            outcome = Outcome(Status.KILLED)
        elif stopped is not None and crc32(path.encode()) % 4:
            outcome = Outcome(stopped if crc32(path.encode()) % 2 else Status.KILLED)
        else:
            # It may end by itself before it can be stopped.
            # By how often it was tried in its pass: what happens must not depend on other loops.
            outcome = self._outcome(path, len(self.record.runs[path].attempts))
        self.send(TaskStarted(at=self.now, path=path, attempt=attempt))
        self._report(path, attempt)
        self.send(
            TaskEnded(
                at=self.now,
                started=self.now,
                path=path,
                attempt=attempt,
                state=outcome.state,
                outputs=outcome.outputs,
                patch=outcome.patch,
                error=outcome.error,
            )
        )

    def _report(self, path: str, attempt: int) -> None:
        """What the attempt tells of itself: the tasks of a folder, and of other tasks now and then a part."""
        children = [child.id for child in self.plan.nodes[node_of(path)].branches.get("tasks", ())]
        tells = self.talkative and self.plan.nodes[node_of(path)].kind is Kind.TASK and crc32(path.encode()) % 5 == 0
        parts = children or ["part"] * tells
        for place, name in enumerate(parts):
            last = place + 1 == len(parts)
            self.report(path, attempt, name, Status.RUNNING if last else Status.SUCCESS)

    def report(self, path: str, attempt: int, name: str, *states: Status) -> None:
        """Let a live attempt report a task run that went through these states."""
        history = tuple(Change(state, self.now) for state in (Status.CREATED, *states))
        id = TaskRunId(f"{path}/{attempt}/{name}")
        part = Report(id, name, NodeId(name), history, (Attempt(1, history),))
        self.send(Reported(at=self.now, path=path, attempt=attempt, runs=(part,)))

    def _outcome(self, path: str, attempt: int) -> Outcome:
        if callable(self._outcomes):
            return self._outcomes(path, attempt)
        given = self._outcomes.get(path, self._outcomes.get(node_of(path), Status.SUCCESS))
        if isinstance(given, Status):
            return Outcome(given)
        return Outcome(given[min(attempt, len(given)) - 1])

    def _answer(self, path: str, ask: str) -> None:
        del self.asks[path, ask]
        value: Any = {}
        if callable(self._answers):
            value = self._answers(path, ask)
        elif self._answers is not None:
            value = self._answers.get(path, self._answers.get(node_of(path), value))
        error = str(value) if isinstance(value, Exception) else None
        value = None if error is not None else value
        self.send(Evaluated(at=self.now, path=path, ask=ask, value=value, error=error))
