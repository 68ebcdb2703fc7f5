"""What can happen to an execution.

Each event carries `at` (milliseconds) and, where the reducer may need chance, `seed`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from engine.ids import NodeId, TaskRunId
from engine.state.execution import Attempt, History, Label
from engine.state.status import Status


class Patch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a task asks to change on its own execution when it ends (Labels, SetVariables, UnsetVariables, Exit).

    variables: merged into those of the execution, map by map
    removed: variables to forget, by name; dots lead into maps
    end: state in which the execution ends now; `sparing`: without those that its tasks started
    """

    labels: tuple[Label, ...] = ()
    variables: dict[str, Any] | None = None
    removed: tuple[str, ...] = ()
    end: Status | None = None
    sparing: bool = False


class Event(msgspec.Struct, frozen=True, omit_defaults=True, tag=True, kw_only=True):
    at: int
    seed: int = 0


class Started(Event, frozen=True):
    """The execution may begin, or may not.

    admission: admitted (if its flow has a free slot), forced (whatever its flow allows), queued (until a slot is free)
        or refused (into `state`)
    reason: why it is queued or refused, for the log; of a refusal also its error
    """

    admission: str = "admitted"
    state: Status | None = None
    reason: str | None = None


class Evaluated(Event, frozen=True):
    """The answer to an `Evaluate` command, with the same path and ask."""

    path: str
    ask: str
    value: Any = None
    error: str | None = None


class TaskStarted(Event, frozen=True):
    """An attempt began. `outputs`: it has handed its work to another execution, and nothing of it runs any more."""

    path: str
    attempt: int
    outputs: dict[str, Any] | None = None


class TaskEnded(Event, frozen=True):
    """An attempt ended in SUCCESS, WARNING, FAILED, CANCELLED or KILLED. `started`: when its body began, or 0."""

    path: str
    attempt: int
    state: Status
    started: int = 0
    outputs: dict[str, Any] | None = None
    error: str | None = None
    patch: Patch | None = None
    log_file: str | None = None


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """A task run as the attempt that made it knows it. `name`: the last step of its path, below the reporting one."""

    id: TaskRunId
    name: str
    node: NodeId
    history: History
    attempts: tuple[Attempt, ...] = ()
    outputs: dict[str, Any] | None = None
    error: str | None = None
    value: str | None = None
    iteration: int | None = None


class Reported(Event, frozen=True):
    """An attempt tells of task runs that it made, or what became of them. `patch`: what one of them asks for."""

    path: str
    attempt: int
    runs: tuple[Report, ...] = ()
    patch: Patch | None = None


class Due(Event, frozen=True):
    """A timer came due. `kind` is that of the `WakeAt` command."""

    path: str
    kind: str


class Lost(Event, frozen=True):
    """The process that ran this attempt is gone."""

    path: str
    attempt: int


class PauseAsked(Event, frozen=True):
    """Open nothing new; what runs goes on to its end."""


class Resumed(Event, frozen=True):
    """Go on: the paused task run at `path`, or what `PauseAsked` stopped where the path is empty.

    since: when that task run was paused, so that a later pause of it isn't meant; 0: whenever
    inputs: values of what it asks for, checked; by: who resumed it
    """

    path: str = ""
    since: int = 0
    inputs: dict[str, Any] | None = None
    by: str | None = None


class ChildEnded(Event, frozen=True):
    """One of the executions that a task run started has ended.

    child: its id, where it has told of its end by a timer that the step has to forget; None where it could not start,
        for the reason `error`, or where nobody waits for it
    """

    path: str
    index: int
    state: Status
    child: str | None = None
    error: str | None = None


class ChildPaused(Event, frozen=True):
    """An execution that a task run started and waits for was paused, or goes on."""

    path: str
    paused: bool


class Reviewed(Event, frozen=True):
    """Somebody decided on the Approval whose task run is at `path`.

    decision: APPROVED, DENIED or EXPIRED; None: APPROVED, as its own terms have it
    since: when that task run was paused, as in `Resumed`
    inputs: values of what it asks for, checked; by: who decided
    """

    path: str
    decision: str | None = None
    since: int = 0
    comment: str | None = None
    inputs: dict[str, Any] | None = None
    by: str | None = None


class KillAsked(Event, frozen=True):
    """Stop everything; the execution ends KILLED. `cascade`: the executions that its tasks started are stopped too."""

    cascade: bool = True


class Edited(Event, frozen=True):
    """The record was edited (restart, replay, change of status) and its counters rebuilt: go on from there.

    admission, reason: as of `Started`, but never refused
    """

    admission: str = "admitted"
    reason: str | None = None


class Continue(Event, frozen=True):
    """The last step stopped at its work limit: go on."""


AnyEvent = (
    Started
    | Reported
    | Evaluated
    | TaskStarted
    | TaskEnded
    | ChildEnded
    | ChildPaused
    | Due
    | Lost
    | PauseAsked
    | Resumed
    | Reviewed
    | KillAsked
    | Edited
    | Continue
)
