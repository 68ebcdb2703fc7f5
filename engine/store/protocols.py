"""The store's port: what the engine asks of the truth. One protocol for each noun.

Every method may raise Unavailable, after which nothing was changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from engine.ids import ExecutionId
from engine.state.execution import Execution
from engine.state.trigger import TriggerState
from engine.store.access import AccountStore, AuditStore, TokenStore
from engine.store.found import Bucket, FoundLines, LogSearch, MetricFilter
from engine.store.ledger_port import LedgerStore
from engine.store.namespaced import KvStore, NamespaceStore, SecretStore
from engine.store.rows import (
    Concurrency,
    DeclaredTrigger,
    Evaluation,
    ExecutionFilter,
    Granted,
    Held,
    LimitUse,
    LogFilter,
    LogLine,
    Message,
    Metric,
    NewFlow,
    NodeRow,
    SlotUse,
    StateChange,
    StoredFlow,
    Timer,
    Told,
    Write,
)


class FlowStore(Protocol):
    """Flows and their revisions."""

    async def save(
        self,
        namespace: str,
        id: str,
        source: str,
        at: int,
        concurrency: Concurrency | None = None,
        triggers: Sequence[DeclaredTrigger] = (),
        fresh: bool = False,
    ) -> StoredFlow:
        """Store a new revision, or return the latest one when `source` is the same.

        The states of its triggers begin, change or go with it; one that comes back is as it was.
        A limit counts from then on, what runs already included; what waited for a slot gets those that it adds.

        fresh: raises Conflict where there is such a flow
        """
        ...

    async def get(self, namespace: str, id: str, revision: int | None = None) -> StoredFlow:
        """A revision, by default the latest. Raises NotFound, also for a deleted flow without a revision asked."""
        ...

    async def revisions(self, namespace: str, id: str) -> Sequence[StoredFlow]:
        """All revisions, oldest first. Raises NotFound."""
        ...

    async def list(self, namespace: str | None = None) -> Sequence[StoredFlow]:
        """Latest revisions of the flows that are not deleted, by namespace and id."""
        ...

    async def delete(self, namespace: str, id: str, at: int) -> None:
        """Write a revision that says deleted. Raises NotFound."""
        ...

    async def replace(self, flows: Sequence[NewFlow], gone: Sequence[tuple[str, str]], at: int) -> Sequence[StoredFlow]:
        """Store flows as `save` does, and delete others, given as (namespace, id), all of it or nothing.

        Returns what is stored of those, in their order; what is to be deleted may be gone already.
        """
        ...

    async def delete_revisions(self, namespace: str, id: str, revisions: Sequence[int]) -> int:
        """Delete these revisions, except the latest one; returns how many."""
        ...


class ExecutionStore(Protocol):
    """Executions and their task runs."""

    async def commit(self, write: Write) -> None:
        """Write a step durably; writes of many executions share a transaction.

        Raises Conflict for another version than the one before the step's, another owner, an execution that exists,
        AtLimit where it wants a slot and none is free. A caller that is cancelled doesn't know whether its step was
        written.
        """
        ...

    async def load(self, id: ExecutionId) -> Held:
        """The execution with all its task runs and answers. Raises NotFound."""
        ...

    async def head(self, id: ExecutionId) -> tuple[Execution, str]:
        """The execution without its task runs, and its owner. Raises NotFound."""
        ...

    async def heads(self, ids: Sequence[ExecutionId]) -> Sequence[Execution]:
        """Those of these executions that exist, without their task runs, in any order."""
        ...

    async def list(self, where: ExecutionFilter) -> Sequence[Execution]:
        """Executions without their task runs, newest first unless asked for otherwise."""
        ...

    async def count(self, where: ExecutionFilter, most: int | None = None) -> int:
        """How many there are; where there are more than `most`, that number."""
        ...

    async def live_states(self) -> Mapping[str, int]:
        """How many executions are in each state, of those that have not ended."""
        ...

    async def distinct(self, field: str, where: ExecutionFilter) -> Sequence[str]:
        """Values that a column has in executions, in order, at most `where.limit` of them."""
        ...

    async def owners(self) -> Sequence[str]:
        """Processes that own at least one execution that has not ended, or a timer."""
        ...

    async def adopt(self, dead: str, owner: str, limit: int) -> Sequence[ExecutionId]:
        """Take over up to `limit` executions of a dead process, each exactly once among all callers.

        Their timers, and the messages that wait for them, follow; with the last ones all timers that it left.
        """
        ...

    async def claim(self, id: ExecutionId, owner: str, previous: str = "") -> bool:
        """Become the owner of an execution that `previous` owns, by default nobody. False: somebody else does.

        Its timers, and the messages that wait for it, follow.
        """
        ...

    async def delete(self, id: ExecutionId, version: int | None = None) -> None:
        """Delete an execution with all that belongs to it, also the iterations of its loops.

        version: only as long as it is this one; raises Conflict, and NotFound
        """
        ...


class SlotStore(Protocol):
    """Who runs and who waits of the flows that have a limit."""

    def listen(self, listener: Callable[[Sequence[Granted]], None]) -> None:
        """Tell a listener of slots that this process's transactions granted, after their commit, in the loop."""
        ...

    async def of(self, namespace: str, flow: str, tenant: str = "main") -> SlotUse: ...

    async def all(self, tenant: str = "main") -> Sequence[LimitUse]:
        """The flows whose latest revision has a limit, by namespace and id."""
        ...

    async def repair(self) -> int:
        """Compare slots with executions and put right what can't be; returns how much was wrong. It should be 0."""
        ...


class TimerStore(Protocol):
    """What must happen later."""

    async def due(self, owner: str, now: int, limit: int) -> Sequence[Timer]:
        """Timers of this process's executions due at `now`, oldest first. They stay until a step drops them."""
        ...

    async def telling(self, ids: Sequence[ExecutionId]) -> set[ExecutionId]:
        """Those of these executions that have ended and whose end was not taken in yet."""
        ...

    async def next_due(self, owner: str) -> int | None:
        """When the next timer of this process is due."""
        ...


class TriggerStore(Protocol):
    """What is remembered of triggers. Their states come and go with flows, and change with executions."""

    def listen(self, listener: Callable[[], None]) -> None:
        """Tell one more listener when this process's transactions changed some: after the commit, in the loop."""
        ...

    async def get(self, namespace: str, flow: str, id: str) -> TriggerState:
        """Raises NotFound, also for a trigger that is in no flow any more."""
        ...

    async def list(self, namespace: str | None = None, flow: str | None = None) -> Sequence[TriggerState]:
        """Those that are in flows, by namespace, flow and id."""
        ...

    async def changed(self, serial: int) -> Sequence[TriggerState]:
        """All that changed after that serial, also those that are gone; the last change comes last."""
        ...

    async def save(self, state: TriggerState) -> None:
        """Store the next version of a state. Raises Conflict where the stored one is not that before it, or is gone."""
        ...

    async def purge(self, before: int) -> int:
        """Forget those that are gone since before then; returns how many."""
        ...


class StateChangeStore(Protocol):
    """What triggers were told of executions of other flows and have not decided on yet.

    It is written with the step by which the execution comes to the state, for triggers that are on, and forgotten with
    the state of the trigger whose `heard` names it.
    """

    async def told(self, serial: int) -> Sequence[Told]:
        """The triggers that were told of something after that serial; the last change comes last."""
        ...

    async def of(self, namespace: str, flow: str, id: str, limit: int) -> Sequence[StateChange]:
        """What one trigger has still to decide on, in its order."""
        ...


class NodeStore(Protocol):
    """Processes on this data folder and what they tell each other."""

    async def register(self, node: NodeRow) -> None: ...

    async def retire(self, id: str) -> None: ...

    async def list(self) -> Sequence[NodeRow]: ...

    async def send(self, node: str, execution: ExecutionId, body: bytes) -> None:
        """Leave a message for a process."""
        ...

    async def take(self, node: str, limit: int) -> Sequence[Message]:
        """Messages for a process, oldest first; they stay until `done`."""
        ...

    async def done(self, ids: Sequence[int]) -> None: ...


class CachedStore(Protocol):
    """Outputs of tasks, as JSON text, by a hash of all that they depend on."""

    async def get(self, key: str, at: int) -> str | None:
        """What is kept and has not expired at `at`, which counts as a use."""
        ...

    async def put(self, key: str, outputs: str, at: int, expires: int | None) -> None: ...

    async def purge(self, at: int, unused: int) -> int:
        """Delete what has expired at `at` or was not used since `unused`; returns how many."""
        ...


class LogStore(Protocol):
    """Log lines and metrics, in files of their own by day."""

    async def append(
        self, lines: Sequence[LogLine], metrics: Sequence[Metric] = (), evaluations: Sequence[Evaluation] = ()
    ) -> None:
        """Store lines, metrics and evaluations in the order given; returns when they are committed."""
        ...

    async def evaluations(self, namespace: str, flow: str, trigger: str, limit: int) -> Sequence[Evaluation]:
        """The last looks at a trigger, the newest first."""
        ...

    async def lines(
        self,
        execution: ExecutionId,
        *,
        task: str | None = None,
        task_run: str | None = None,
        levels: Sequence[str] = (),
        after: int = 0,
        limit: int = 1000,
    ) -> Sequence[tuple[int, LogLine]]:
        """Lines of an execution in order, each with its position; `after` is the last position already seen."""
        ...

    async def metrics(self, execution: ExecutionId, *, task_run: str | None = None) -> Sequence[Metric]: ...

    async def search(self, asked: LogSearch, most: int) -> FoundLines:
        """Lines of all executions; what is counted stops at `most`, and where it takes long."""
        ...

    async def metric_names(self, where: MetricFilter) -> Sequence[str]:
        """Names of metrics of a flow."""
        ...

    async def metric_tasks(self, where: MetricFilter) -> Sequence[str]:
        """Tasks of a flow that have metrics."""
        ...

    async def metric_buckets(self, where: MetricFilter, span: int) -> Sequence[Bucket]:
        """Metrics of a flow by spans of so many milliseconds, counted from the epoch; empty ones are left out."""
        ...

    async def remove_lines(self, where: LogFilter) -> int:
        """Remove lines; returns how many."""
        ...

    async def remove_metrics(self, where: LogFilter) -> int:
        """Remove metrics; returns how many."""
        ...

    async def drop_before(self, at: int) -> int:
        """Delete the files of days that ended before `at`; returns how many."""
        ...


class Store(Protocol):
    """All of it, as one backend opens it."""

    @property
    def flows(self) -> FlowStore: ...
    @property
    def executions(self) -> ExecutionStore: ...
    @property
    def slots(self) -> SlotStore: ...
    @property
    def timers(self) -> TimerStore: ...
    @property
    def triggers(self) -> TriggerStore: ...
    @property
    def state_changes(self) -> StateChangeStore: ...
    @property
    def ledger(self) -> LedgerStore: ...
    @property
    def nodes(self) -> NodeStore: ...
    @property
    def kv(self) -> KvStore: ...
    @property
    def cached(self) -> CachedStore: ...
    @property
    def secrets(self) -> SecretStore: ...
    @property
    def namespaces(self) -> NamespaceStore: ...
    @property
    def accounts(self) -> AccountStore: ...
    @property
    def tokens(self) -> TokenStore: ...
    @property
    def audit(self) -> AuditStore: ...
    @property
    def logs(self) -> LogStore: ...
