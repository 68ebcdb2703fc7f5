"""What an execution asks for. The runtime carries these out after the commit."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from engine.state.execution import Answer, Execution, TaskRun
from engine.state.status import Status


class Evaluate(msgspec.Struct, frozen=True, tag=True):
    """Render an expression of the node at `path` and answer with `Evaluated`.

    ask: run_if | condition | value | values | pause | limits | until for a task or block, outputs for the flow (path
        empty)
    """

    path: str
    ask: str


class RunTask(msgspec.Struct, frozen=True, tag=True):
    """Run attempt number `attempt` of the task run at `path`, answer with `TaskEnded`."""

    path: str
    attempt: int


class StopTask(msgspec.Struct, frozen=True, tag=True):
    """Cancel a live attempt; it still answers with `TaskEnded`, in `state` if it was really stopped."""

    path: str
    attempt: int
    state: Status = Status.KILLED


class StopBelow(msgspec.Struct, frozen=True, tag=True):
    """Cancel every live attempt whose path lies below `path`; with `cascade` also the executions that they started."""

    path: str
    state: Status = Status.KILLED
    cascade: bool = True


class WakeAt(msgspec.Struct, frozen=True, tag=True):
    """Send `Due(path, kind)` at `due` (milliseconds). One timer for each (path, kind); a later one replaces it."""

    path: str
    kind: str
    due: int


class DropTimer(msgspec.Struct, frozen=True, tag=True):
    path: str
    kind: str


class Again(msgspec.Struct, frozen=True, tag=True):
    """The step stopped at its work limit: commit, then send `Continue`."""


class Ended(msgspec.Struct, frozen=True, tag=True):
    """The execution reached a terminal state in this step."""

    state: Status


class NewExecution(msgspec.Struct, frozen=True, tag=True):
    """The execution ended RETRIED and its retry is due: start another with the same inputs and the next `attempt`."""

    attempt: int


class TellCaller(msgspec.Struct, frozen=True, tag=True):
    """The execution has ended: tell the attempt that waits for it, before the timer that says so is forgotten."""


class TakeSlot(msgspec.Struct, frozen=True, tag=True):
    """The step holds only if its flow has a slot free for the execution; `forced`: it takes one in any case."""

    forced: bool = False


class Say(msgspec.Struct, frozen=True, tag=True):
    """Write a line to the log of the execution, or of its task run at `path`. `level`: INFO, WARN, ERROR."""

    level: str
    message: str
    path: str = ""


class StartChild(msgspec.Struct, frozen=True, tag=True):
    """Start the execution number `index` of the task run at `path`, which tells of its end by `ChildEnded`."""

    path: str
    index: int


class StartMissing(msgspec.Struct, frozen=True, tag=True):
    """Start those executions of a task run again that should be there and aren't, or that failed before an edit."""

    path: str


class StopStarted(msgspec.Struct, frozen=True, tag=True):
    """Kill the executions that the task run at `path` started: an edit has closed it, or taken it out.

    before: only those for attempts below it: of the task run, or of its execution where one starts several
    """

    path: str
    before: int


Command = (
    Evaluate
    | RunTask
    | StartChild
    | StartMissing
    | StopStarted
    | StopTask
    | StopBelow
    | WakeAt
    | DropTimer
    | Again
    | Ended
    | NewExecution
    | TellCaller
    | TakeSlot
    | Say
)


class Step(msgspec.Struct, frozen=True):
    """What one event changed: new execution (None: unchanged), changed and removed task runs, new answers, commands."""

    execution: Execution | None = None
    changed: Mapping[str, TaskRun] = {}
    removed: tuple[str, ...] = ()
    answers: Mapping[str, Answer] = {}
    commands: tuple[Command, ...] = ()

    @property
    def empty(self) -> bool:
        return self.execution is None and not (self.changed or self.removed or self.answers or self.commands)
