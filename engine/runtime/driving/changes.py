"""What the steps of one commit add up to."""

from __future__ import annotations

from engine.ids import ExecutionId
from engine.state.command import Command, Evaluate, StartChild, Step, TakeSlot, WakeAt
from engine.state.execution import Answer, TaskRun


class Changes:
    """Collects steps; the last change of each row counts. `heard`: whoever waits for the end took it in already."""

    __slots__ = (
        "answers",
        "asks",
        "changed",
        "commands",
        "dropped",
        "empty",
        "heard",
        "removed",
        "slot",
        "starts",
        "timers",
        "told",
    )

    def __init__(self) -> None:
        self.empty = True
        self.heard = False
        self.changed: dict[str, TaskRun] = {}
        self.removed: dict[str, None] = {}
        self.answers: dict[str, Answer] = {}
        self.commands: list[Command] = []
        self.asks: list[Evaluate] = []
        self.starts: list[StartChild] = []
        self.told: list[ExecutionId] = []
        self.timers: dict[tuple[str, str], WakeAt] = {}
        self.dropped: dict[tuple[str, str], None] = {}
        self.slot: TakeSlot | None = None

    def add(self, step: Step) -> None:
        self.empty = False
        for path in step.removed:
            self.changed.pop(path, None)
            self.answers.pop(path, None)
            self.removed[path] = None
        for path, run in step.changed.items():
            self.changed[path] = run
            self.removed.pop(path, None)
        self.answers.update(step.answers)

    def wake(self, command: WakeAt) -> None:
        self.dropped.pop((command.path, command.kind), None)
        self.timers[command.path, command.kind] = command

    def drop(self, path: str, kind: str) -> None:
        self.empty = False
        self.timers.pop((path, kind), None)
        self.dropped[path, kind] = None
