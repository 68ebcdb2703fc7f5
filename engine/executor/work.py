"""The draft of one step: what is known, what was changed so far, and what is left to look at.

Everything that decides writes here; the record itself stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from engine.executor.plan import Node, Plan
from engine.ids import derived_id
from engine.state.command import Again, Command, Step
from engine.state.execution import Answer, Attempt, Change, Phase, Record, TaskRun, node_of
from engine.state.status import Status

# Task runs opened in one step; what is left is done after the next commit.
OPENED_AT_MOST = 500

replace = msgspec.structs.replace


class Work:
    """A step being made. `todo` is a stack of paths (blocks, lanes, task runs) to look at next."""

    __slots__ = (
        "_execution",
        "answers",
        "at",
        "budget",
        "changed",
        "commands",
        "generation",
        "made",
        "plan",
        "record",
        "removed",
        "seed",
        "todo",
    )

    def __init__(self, plan: Plan, record: Record, at: int, seed: int = 0) -> None:
        self.plan = plan
        self.record = record
        self.at = at
        self.seed = seed
        self.changed: dict[str, TaskRun] = {}
        self.removed: tuple[str, ...] = ()
        self.answers: dict[str, Answer] = {}
        self.commands: list[Command] = []
        self.todo: list[str] = []
        self.budget = OPENED_AT_MOST
        self.made = record.execution.runs_made
        self.generation = record.execution.attempt - 1
        self._execution: dict[str, Any] = {}

    def get(self, name: str) -> Any:
        """A field of the execution as it now stands."""
        if name in self._execution:
            return self._execution[name]
        return getattr(self.record.execution, name)

    def put(self, **fields: Any) -> None:
        """Change fields of the execution."""
        self._execution.update(fields)

    @property
    def state(self) -> Status:
        history: tuple[Change, ...] = self.get("history")
        return history[-1].state

    def move(self, state: Status) -> None:
        """Give the execution another state; the one it has already is no change."""
        history = self.get("history")
        if history[-1].state is not state:
            self._execution["history"] = (*history, Change(state, self.at))

    @property
    def stopping(self) -> Status | None:
        """The state in which everything is being brought to an end, if it is."""
        if self.get("killing"):
            return Status.KILLED
        requested: Status | None = self.get("requested")
        return requested

    def run(self, path: str) -> TaskRun | None:
        return self.changed.get(path) or self.record.runs.get(path)

    def runs(self) -> Iterator[TaskRun]:
        """All task runs as they now stand."""
        for path, run in self.record.runs.items():
            yield self.changed.get(path, run)
        for path, run in self.changed.items():
            if path not in self.record.runs:
                yield run

    def answer(self, path: str) -> Answer | None:
        return self.answers.get(path) or self.record.answers.get(path)

    def node(self, path: str) -> Node:
        return self.plan.nodes[node_of(path)]

    def block(self, path: str) -> Phase | None:
        """The counters of the block at a path; of the flow for the empty path."""
        if not path:
            block: Phase | None = self.get("block")
            return block
        run = self.run(path)
        return None if run is None else run.block

    def put_block(self, path: str, block: Phase) -> None:
        if path:
            run = self.run(path)
            assert run is not None
            self.changed[path] = replace(run, block=block)
        else:
            self._execution["block"] = block

    def add(self, path: str, node: Node, value: str | None, iteration: int | None, **fields: Any) -> TaskRun:
        """A new task run, CREATED."""
        run = TaskRun(
            id=derived_id(self.record.execution.id, path, self.generation),  # type: ignore[arg-type]
            path=path,
            node=node.id,
            order=self.made,
            history=(Change(Status.CREATED, self.at),),
            value=value,
            iteration=iteration,
            generation=self.generation,
            **fields,
        )
        self.made += 1
        self.budget -= 1
        self.changed[path] = run
        return run

    def put_pending(self, again: bool) -> None:
        """Remember what is left to look at. `again`: nobody has been asked to come back to it yet."""
        left = tuple(self.todo)
        if left:
            seen = set(left)
            held: tuple[str, ...] = self.get("pending")
            self.put(pending=(*(path for path in held if path not in seen), *left))
            if again:
                self.commands.append(Again())

    def step(self) -> Step:
        """What it all came to."""
        if self.made != self.record.execution.runs_made:
            self._execution["runs_made"] = self.made
        return Step(
            execution=replace(self.record.execution, **self._execution) if self._execution else None,
            changed=self.changed,
            removed=self.removed,
            answers=self.answers,
            commands=tuple(self.commands),
        )


def entered(history: tuple[Change, ...], state: Status, at: int) -> tuple[Change, ...]:
    """A history with one more entry, unless the state is the same."""
    return history if history[-1].state is state else (*history, Change(state, at))


def running(attempt: Attempt, at: int) -> Attempt:
    """An attempt whose body began."""
    return replace(attempt, history=entered(attempt.history, Status.RUNNING, at))
