"""What the engine remembers of an execution.

An execution is rows: one `Execution`, a `TaskRun` for each task run, the stored answers of its expressions. All records
are frozen; a change is a new record. Those that an execution has many of hold no cycles and are kept from the garbage
collector.

Paths name task runs: `task`, `block/task`, and inside a loop `loop#3/task` for the fourth value. The path of a loop's
own run carries no number. Task ids hold neither `/` nor `#`. The path of the flow itself is the empty text.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from engine.ids import ExecutionId, NodeId, TaskRunId
from engine.state.status import Status


class ExecutionKind(StrEnum):
    """What an execution is there for.

    NORMAL: somebody, a trigger or a task wants it. LOOP: an iteration of a loop of another execution. TEST: a test of
    its flow. Lists show those that are NORMAL, and flow triggers see no others.
    """

    NORMAL = "NORMAL"
    LOOP = "LOOP"
    TEST = "TEST"


class Change(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One entry of a state history; `at` in milliseconds since the epoch."""

    state: Status
    at: int


History = tuple[Change, ...]


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One try of a runnable task. `number` grows and never repeats at a path, from 1 unless a pass went before.

    log_file: where its log lines lie in internal storage, if they were kept out of the log
    """

    number: int
    history: History
    error: str | None = None
    log_file: str | None = None

    @property
    def state(self) -> Status:
        return self.history[-1].state


class Phase(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The counters that a block keeps in its own task run; never a list per lane.

    phase: asking | before | waiting | main | errors | finally | outputs | afterExecution | done
    branch: which children are being run (tasks, then, else, case:…, defaults, errors, finally); while asking, what is
        asked (run_if, condition, value, values); empty where the block could not decide
    next: index of the next lane or child to open
    total: how many lanes or children the phase has
    live: how many are open now
    worst: worst end of the main children so far
    failed: a main child failed for good, nothing new is opened in the main phase
    paused: how many of the executions that it started and waits for are PAUSED
    unheard: how many of those it counts as ended that never told of it: they could not start, or nobody waits for them
    since: for what has its failed executions run again: those that belong to earlier attempts than this are meant
    stopping: the state in which what is open below it is being brought to an end, because a child failed beside it
    """

    phase: str
    branch: str = ""
    next: int = 0
    total: int = 0
    live: int = 0
    worst: Status = Status.SUCCESS
    failed: bool = False
    paused: int = 0
    unheard: int = 0
    since: int = 0
    stopping: Status | None = None


class TaskRun(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One task run. `order` counts the task runs of the execution in order of creation, from 0.

    reported: the attempt of the task run around it made it known; the executor neither opens nor counts it
    reports: how many task runs its current attempt has reported
    """

    id: TaskRunId
    path: str
    node: NodeId
    order: int
    history: History
    value: str | None = None
    iteration: int | None = None
    attempts: tuple[Attempt, ...] = ()
    outputs: dict[str, Any] | None = None
    block: Phase | None = None
    generation: int = 0
    due: int | None = None
    error: str | None = None
    reported: bool = False
    reports: int = 0

    @property
    def state(self) -> Status:
        return self.history[-1].state

    @property
    def attempt(self) -> int:
        """Number of the current or last attempt; 0 before the first."""
        return self.attempts[-1].number if self.attempts else 0


class Label(msgspec.Struct, frozen=True):
    key: str
    value: str


class TriggeredBy(msgspec.Struct, frozen=True):
    """What started the execution; `variables` are what expressions see as `trigger.*`."""

    id: str
    type: str
    variables: dict[str, Any] = {}


class Caller(msgspec.Struct, frozen=True):
    """The attempt of another execution that started this one; `transmit`: it shares a failure.

    attempt: of the task run; where that starts several executions, of its execution, or `Phase.since` if that is more
    waits: it is told of this one's end
    index: which one of several that the task run started, from 0
    outputs: templates to be rendered at the end, where the flow declares no outputs
    depth: how many templates run each other's flows up to here, where a template runs this one and no task
    """

    execution: ExecutionId
    path: str
    attempt: int
    transmit: bool = True
    waits: bool = True
    index: int | None = None
    outputs: dict[str, Any] | None = None
    depth: int = 0


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an iteration of a loop is for: a value as text, its index from 0, its key where the loop is over a map."""

    value: str
    index: int
    key: str | None = None


class Execution(msgspec.Struct, frozen=True, omit_defaults=True):
    """One execution without its task runs. `version` counts commits; 0 is not stored yet.

    variables: all of them once a task changed one; until then those of the flow
    tried_since: when the first of the executions was created that try the same thing again, each in the place of the
        one before; 0 where this is the first
    violated: the SLA that ended it
    sparing: what stops it lets the executions go on that its tasks started
    pending: where opening stopped at the work limit or because it is `held`, the next last: paths of blocks, lanes
        (`loop#3`) or task runs
    paused: how many of its task runs are PAUSED
    fence: generations and attempts of what is new are numbered above this; grows with each pass of a LoopUntil
    held: it was asked to pause and opens nothing more
    item: what an iteration of a loop is for
    whole: the execution that an iteration is a part of, through all loops around it
    """

    id: ExecutionId
    namespace: str
    flow: str
    revision: int
    history: History
    tenant: str = "main"
    version: int = 0
    inputs: dict[str, Any] = {}
    outputs: dict[str, Any] | None = None
    labels: tuple[Label, ...] = ()
    variables: dict[str, Any] | None = None
    trigger: TriggeredBy | None = None
    parent: ExecutionId | None = None
    caller: Caller | None = None
    original: ExecutionId | None = None
    attempt: int = 1
    created: int = 0
    tried_since: int = 0
    scheduled: int | None = None
    block: Phase | None = None
    runs_made: int = 0
    killing: bool = False
    requested: Status | None = None
    pending: tuple[str, ...] = ()
    paused: int = 0
    held: bool = False
    fence: int = 0
    error: str | None = None
    violated: str | None = None
    sparing: bool = False
    kind: ExecutionKind = ExecutionKind.NORMAL
    item: Item | None = None
    whole: ExecutionId | None = None

    @property
    def home(self) -> ExecutionId:
        """Under whose id its log lines and files are kept."""
        return self.whole or self.id

    @property
    def state(self) -> Status:
        return self.history[-1].state

    @property
    def finished(self) -> bool:
        """Whether it has ended, and its afterExecution tasks too: nothing is left to do."""
        return self.state.terminal and (self.block is None or self.block.phase == "done")

    @property
    def started(self) -> int:
        """When it was created, in milliseconds."""
        return self.history[0].at


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an expression of a block came to: stored once, never asked again."""

    value: Any = None
    error: str | None = None


def parent_path(path: str) -> str:
    """Path of the enclosing block's task run; empty for the flow itself."""
    above = path.rpartition("/")[0]
    head, _, last = above.rpartition("/")
    bare = last.partition("#")[0]
    return f"{head}/{bare}" if head else bare


def lane_of(path: str) -> int | None:
    """Index of the loop value that a task run's nearest enclosing block runs it for, if that block is a loop."""
    last = path.rpartition("/")[0].rpartition("/")[2]
    number = last.partition("#")[2]
    return int(number) if number else None


def node_of(path: str) -> NodeId:
    """Id of the task at a path."""
    return NodeId(path.rpartition("/")[2].partition("#")[0])
