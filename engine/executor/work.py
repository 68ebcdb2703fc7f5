"""The draft of one step: what is known, what was changed so far, and what is left to look at.

Everything that decides writes here; the record itself stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from engine.executor.names import CREATED, KILLED, RUNNING
from engine.executor.plan import Node, Plan
from engine.ids import ExecutionId, TaskRunId, derived_id
from engine.state.command import Again, Command, Step
from engine.state.execution import Answer, Attempt, Change, Execution, Phase, TaskRun
from engine.state.record import Record
from engine.state.status import Status

# Task runs opened in one step; what is left is done after the next commit.
OPENED_AT_MOST = 500

replace = msgspec.structs.replace


class Work:
    """A step being made.

    changed: task runs, without the counters of those in `blocks`
    blocks: counters by path, the flow's under the empty path
    todo: a stack of paths (blocks, lanes, task runs) to look at next
    held: the task runs of the record without those that this step takes out
    fence: what is new is numbered above it: generations and attempts
    stopping: the state in which everything is being brought to an end, if it is
    created: the history of what is created in this step
    """

    __slots__ = (
        "_fields",
        "answers",
        "at",
        "blocks",
        "budget",
        "changed",
        "commands",
        "created",
        "fence",
        "held",
        "made",
        "plan",
        "record",
        "removed",
        "seed",
        "stopping",
        "todo",
    )

    def __init__(self, plan: Plan, record: Record, at: int, seed: int = 0) -> None:
        execution = record.execution
        self.plan = plan
        self.record = record
        self.at = at
        self.seed = seed
        self.changed: dict[str, TaskRun] = {}
        self.blocks: dict[str, Phase] = {}
        self.removed: tuple[str, ...] = ()
        self.held: Mapping[str, TaskRun] = record.runs
        self.fence = execution.fence
        self.answers: dict[str, Answer] = {}
        self.commands: list[Command] = []
        self.todo: list[str] = []
        self.budget = OPENED_AT_MOST
        self.made = execution.runs_made
        self.stopping: Status | None = KILLED if execution.killing else execution.requested
        self.created = (Change(CREATED, at),)
        self._fields: dict[str, Any] = {}

    def get(self, name: str) -> Any:
        """A field of the execution as it now stands."""
        if name in self._fields:
            return self._fields[name]
        return getattr(self.record.execution, name)

    def put(self, **fields: Any) -> None:
        """Change fields of the execution."""
        self._fields.update(fields)

    @property
    def state(self) -> Status:
        """The execution's."""
        history: tuple[Change, ...] = self.get("history")
        return history[-1].state

    @property
    def finished(self) -> bool:
        """Whether the execution has ended, and its afterExecution tasks too."""
        block = self.block("")
        return self.state.terminal and (block is None or block.phase == "done")

    def move(self, state: Status) -> None:
        """Give the execution another state; the one it has already is no change."""
        self._fields["history"] = entered(self.get("history"), state, self.at)

    def run(self, path: str) -> TaskRun | None:
        return self.changed.get(path) or self.held.get(path)

    def latest(self, path: str) -> TaskRun | None:
        """The task run at a path with the counters that it now has."""
        run = self.run(path)
        block = self.blocks.get(path)
        return run if run is None or block is None else replace(run, block=block)

    def runs(self) -> Iterator[TaskRun]:
        """All task runs as they now stand."""
        for path, run in self.held.items():
            yield self.changed.get(path, run)
        for path, run in self.changed.items():
            if path not in self.held:
                yield run

    def node(self, path: str) -> Node:
        """The node of the task run at a path; the flow's for the empty path."""
        return self.plan.nodes[path.rpartition("/")[2]]  # type: ignore[index]

    def block(self, path: str) -> Phase | None:
        """The counters of the block at a path; the flow's for the empty path."""
        held = self.blocks.get(path)
        if held is not None:
            return held
        if not path:
            return self.record.execution.block
        run = self.changed.get(path) or self.held.get(path)
        return None if run is None else run.block

    def add(
        self,
        path: str,
        node: Node,
        value: str | None = None,
        iteration: int | None = None,
        attempts: tuple[Attempt, ...] = (),
        block: Phase | None = None,
    ) -> TaskRun:
        """A new task run, CREATED."""
        execution = self.record.execution
        generation = execution.attempt - 1 + self.fence
        run = TaskRun(
            run_id(execution.id, path, generation),
            path,
            node.id,
            self.made,
            self.created,
            value,
            iteration,
            attempts,
            None,
            block,
            generation,
        )
        self.made += 1
        self.budget -= 1
        self.changed[path] = run
        return run

    def remove(self, paths: Iterable[str]) -> None:
        """Take task runs out, none of them changed in this step; others may come in their place."""
        gone = dict.fromkeys(paths)
        self.removed = (*self.removed, *gone)
        self.held = {path: run for path, run in self.held.items() if path not in gone}

    def put_pending(self, again: bool) -> None:
        """Remember what is left to look at. `again`: nobody has been asked to come back to it yet."""
        left = tuple(self.todo)
        seen = set(left)
        held: tuple[str, ...] = self.get("pending")
        self.put(pending=(*(path for path in held if path not in seen), *left))
        if again:
            self.commands.append(Again())

    @property
    def touched(self) -> bool:
        """Whether anything is to be written."""
        return bool(self._fields or self.changed or self.blocks or self.answers or self.removed)

    def step(self) -> Step:
        """What it all came to."""
        fields = self._fields
        for path, block in self.blocks.items():
            if path:
                run = self.changed.get(path) or self.held[path]
                self.changed[path] = replace(run, block=block)
            else:
                fields["block"] = block
        if self.made != self.record.execution.runs_made:
            fields["runs_made"] = self.made
        return Step(
            replace(self.record.execution, **fields) if fields else None,
            self.changed,
            self.removed,
            self.answers,
            tuple(self.commands),
        )


def run_id(execution: ExecutionId, path: str, generation: int) -> TaskRunId:
    """The id of a task run; `generation` tells those apart that stand in the place of others."""
    return derived_id(f"{execution}/{generation}/{path}")  # type: ignore[return-value]


def child_of(execution: ExecutionId, run: TaskRun, index: int) -> ExecutionId:
    """Id of one of the executions that a task run starts; `order` tells runs apart that stood at the same path."""
    return ExecutionId(derived_id(execution, "child", run.id, run.order, run.generation, index))


def attempt_of(execution: Execution, run: TaskRun) -> int:
    """The attempt to which executions belong that a task run starts many of."""
    return max(execution.attempt, run.block.since if run.block is not None else 0)


def entered(history: tuple[Change, ...], state: Status, at: int) -> tuple[Change, ...]:
    """A history with one more entry, unless the state is the same."""
    return history if history[-1].state is state else (*history, Change(state, at))


def begun(work: Work, run: TaskRun, at: int) -> TaskRun:
    """A task run whose current attempt is known to have begun."""
    last = run.attempts[-1]
    if last.state is CREATED:
        attempt = replace(last, history=entered(last.history, RUNNING, at))
        history = entered(run.history, RUNNING, at)
        run = work.changed[run.path] = replace(run, history=history, attempts=(*run.attempts[:-1], attempt))
    return run


def awaited(run: TaskRun) -> bool:
    """Whether an attempt of the task run was handed out and has not ended."""
    if not run.attempts:
        return False
    state = run.attempts[-1].history[-1].state
    return state is CREATED or state is RUNNING
