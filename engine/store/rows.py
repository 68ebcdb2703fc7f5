"""What goes into the store and comes out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, StrEnum
from typing import NamedTuple

import msgspec

from engine.ids import ExecutionId
from engine.state.execution import Answer, Execution, ExecutionKind, Label, TaskRun
from engine.state.heard import Heard
from engine.state.ledger import Consumed
from engine.state.record import Record
from engine.state.status import Status
from engine.state.trigger import TriggerState
from engine.store.conditions import Node


class Timer(msgspec.Struct, frozen=True):
    """`Due(path, kind)` wanted at `due` (milliseconds)."""

    execution: ExecutionId
    path: str
    kind: str
    due: int


class Slot(Enum):
    """What a step wants of the limit that its flow may have.

    KEEP: nothing; TAKE: to be written only if a slot is free, or the execution has one; FORCE: a slot in any case;
    WAIT: the next one that is free
    """

    KEEP = 0
    TAKE = 1
    FORCE = 2
    WAIT = 3


class Write(msgspec.Struct, frozen=True):
    """One step of one execution, written whole or not at all.

    `execution.version` is the new version; 1 inserts, anything else replaces version - 1. `owner` is who writes;
    `released`: nobody owns the execution after this step. `latest`: a new execution is only inserted while its revision
    is the latest one of its flow. `slot`: what it wants of the limit of its flow; in a terminal state the execution
    gives back the slot that it has.

    children: steps of executions that this one starts, or of whose end it takes in, written with it
    told: children of which the step takes in that they ended; it forgets their timers that say so, and is a conflict
        where one of those is gone
    trigger: the new state of the trigger that starts this execution; a conflict where it isn't the next version
    consumed: detected items that a new execution takes with it; a conflict where one of them is not READY any more
    """

    execution: Execution
    owner: str
    changed: Sequence[TaskRun] = ()
    removed: Sequence[str] = ()
    answers: Mapping[str, Answer] = {}
    timers: Sequence[Timer] = ()
    dropped: Sequence[tuple[str, str]] = ()
    released: bool = False
    latest: bool = False
    slot: Slot = Slot.KEEP
    children: Sequence[Write] = ()
    told: Sequence[ExecutionId] = ()
    trigger: TriggerState | None = None
    consumed: Sequence[Consumed] = ()


class Granted(NamedTuple):
    """A queued execution that was given a slot, and its owner. A timer `admitted` of it is due."""

    execution: ExecutionId
    owner: str


class SlotUse(NamedTuple):
    """The limit of a flow's latest revision (None: there is none), who runs, and who waits, the first one first."""

    limit: int | None
    running: tuple[ExecutionId, ...]
    waiting: tuple[ExecutionId, ...]


class LimitUse(NamedTuple):
    """The limit of a flow's latest revision, and how many run and wait."""

    namespace: str
    flow: str
    limit: int
    behavior: str
    running: int
    waiting: int


class Concurrency(NamedTuple):
    """How many executions of a flow may run at once, and what becomes of more: QUEUE, CANCEL or FAIL."""

    limit: int
    behavior: str


class NewFlow(NamedTuple):
    """A flow to be stored: its source, its limit, and its triggers."""

    namespace: str
    id: str
    source: str
    concurrency: Concurrency | None = None
    triggers: Sequence[DeclaredTrigger] = ()


class Held(NamedTuple):
    """A loaded record and the process that owns it (empty: nobody, it ended)."""

    record: Record
    owner: str


class Sort(NamedTuple):
    """A field of the rows to sort a list by."""

    field: str
    descending: bool = False


class ExecutionFilter(msgspec.Struct, frozen=True):
    """Which executions to list; absent fields select nothing away. Newest first, unless `sort` says otherwise.

    prefix: how their ids begin
    below: a namespace and all below it
    since, until: when they were created, in milliseconds; `until` is not included
    kinds: none stands for all of them
    caller, caller_path: the execution whose task run started them, and the path of that
    labels: they have all of these
    visible: below one of these namespaces, or of one of them; None for wherever
    where: a condition on `EXECUTION_COLUMNS`
    sort: by these fields of `EXECUTION_ORDER`, the first one first
    """

    prefix: str | None = None
    namespace: str | None = None
    below: str | None = None
    flow: str | None = None
    states: tuple[Status, ...] = ()
    since: int | None = None
    until: int | None = None
    limit: int = 25
    offset: int = 0
    kinds: tuple[ExecutionKind, ...] = (ExecutionKind.NORMAL,)
    caller: ExecutionId | None = None
    caller_path: str | None = None
    labels: tuple[Label, ...] = ()
    visible: tuple[str, ...] | None = None
    where: Node | None = None
    sort: tuple[Sort, ...] = ()


class StoredFlow(msgspec.Struct, frozen=True):
    """One revision of a flow; `source` is the text as its author wrote it."""

    namespace: str
    id: str
    revision: int
    source: str
    created: int
    tenant: str = "main"
    deleted: bool = False


class DeclaredTrigger(NamedTuple):
    """A trigger of a flow, as far as the store must know of it; see `TriggerState`.

    hears: the executions of other flows that it is told of
    expects: it is also looked at by itself, at once when it is new
    """

    id: str
    type: str
    fingerprint: str
    stop_after: tuple[Status, ...] = ()
    off: bool = False
    hears: tuple[Heard, ...] = ()
    expects: bool = False


class StateChange(NamedTuple):
    """An execution came to a state, its `sequence`-th from 0; `serial` orders what a trigger is told."""

    serial: int
    execution: ExecutionId
    sequence: int
    state: Status
    at: int


class Told(NamedTuple):
    """A trigger, by namespace, flow and id, was told of state changes, the last one of this serial."""

    key: tuple[str, str, str]
    serial: int


class NodeRow(msgspec.Struct, frozen=True):
    """A process that works on this data folder."""

    id: str
    pid: int
    started: int


class Message(msgspec.Struct, frozen=True):
    """Something another process wants done on an execution that this process owns. `body` is an encoded event."""

    id: int
    execution: ExecutionId
    body: bytes


class LogLine(msgspec.Struct, frozen=True):
    """One log line. `level`: TRACE, DEBUG, INFO, WARN, ERROR."""

    at: int
    level: str
    message: str
    namespace: str
    flow: str
    execution: ExecutionId
    task: str | None = None
    task_run: str | None = None
    attempt: int | None = None


class LogFilter(msgspec.Struct, frozen=True):
    """Which log lines or metrics; absent fields select nothing away.

    below: a namespace and all below it
    levels, attempt: of lines only; attempts are counted from 1
    since, until: when they were written, in milliseconds; `until` is not included
    """

    executions: tuple[ExecutionId, ...] = ()
    below: str | None = None
    namespace: str | None = None
    flow: str | None = None
    task: str | None = None
    task_run: str | None = None
    attempt: int | None = None
    levels: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None


class Metric(msgspec.Struct, frozen=True):
    """One measured value. `type`: counter, timer (milliseconds), gauge."""

    at: int
    type: str
    name: str
    value: float
    tags: dict[str, str]
    namespace: str
    flow: str
    execution: ExecutionId
    task: str | None = None
    task_run: str | None = None


class Outcome(StrEnum):
    """What came of looking at a trigger: an execution, nothing as it should be, or an error."""

    FIRED = "FIRED"
    SKIPPED = "SKIPPED"
    ERROR = "ERROR"


class Evaluation(msgspec.Struct, frozen=True):
    """One look at a trigger; moments and `took` in milliseconds.

    detail: why nothing was started; date: the one that it was about, if there is one
    """

    at: int
    took: int
    namespace: str
    flow: str
    trigger: str
    outcome: Outcome
    detail: str | None = None
    date: int | None = None
    execution: ExecutionId | None = None


class Entry(msgspec.Struct, frozen=True):
    """A key of a namespace and its value, as JSON text.

    type: STRING, NUMBER, BOOLEAN, DATETIME, DATE, DURATION or JSON
    expires: from when on it is as good as gone; None for never
    revision: how many values the key has had, with this one
    """

    namespace: str
    key: str
    type: str
    value: str
    description: str | None
    created: int
    updated: int
    expires: int | None = None
    revision: int = 1

    def expired(self, now: int) -> bool:
        return self.expires is not None and self.expires <= now


class NamespaceRow(msgspec.Struct, frozen=True):
    """A namespace that somebody made."""

    id: str
    description: str | None
    created: int


class SecretInfo(msgspec.Struct, frozen=True):
    """What may be told of a secret; the empty namespace stands for all of them."""

    namespace: str
    key: str
    description: str | None
    created: int
    updated: int


class Account(msgspec.Struct, frozen=True):
    """A user as stored. `password` is its hash, empty where he signs in elsewhere; `roles` by namespace."""

    name: str
    password: str
    created: int
    updated: int
    roles: Mapping[str, int] = {}


class Token(msgspec.Struct, frozen=True):
    """What stands for a user without his password. `kind`: API, or SESSION of a page; the secret itself is not kept."""

    id: str
    account: str
    kind: str
    name: str
    created: int
    expires: int | None = None


class AuditEntry(msgspec.Struct, frozen=True):
    """Somebody changed something, or wanted to.

    token: the name of his API token, if he came with one
    method, resource: what was asked for, a path with its parts in braces
    namespace, target: of what, as far as the request says it; the target is an id, or several joined by `/`
    status: of the answer in HTTP
    """

    at: int
    user: str
    token: str
    address: str
    method: str
    resource: str
    namespace: str
    target: str
    status: int


class AuditFilter(msgspec.Struct, frozen=True):
    """Of the user, in the namespace or below it, about the target, from `since` on and before `until`."""

    user: str | None = None
    below: str | None = None
    target: str | None = None
    since: int | None = None
    until: int | None = None
    limit: int = 100
    offset: int = 0
