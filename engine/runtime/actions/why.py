"""Gathers what the store knows of why an execution waits, through those that it waits for."""

from __future__ import annotations

from datetime import UTC, tzinfo

import msgspec

from engine.errors import InvalidFlow, NotFound
from engine.executor.plan import Plan
from engine.executor.reasons import BY_PEOPLE, Below, Cause, Queue, Reason, Seen, reason, waiting_for_others
from engine.ids import ExecutionId
from engine.runtime.actions.reason_words import NAMED, Scene, clause, next_step
from engine.runtime.driving.nodes import Nodes
from engine.runtime.driving.skips import SKIPPED
from engine.runtime.flows.plans import Plans
from engine.state.execution import Execution, TaskRun
from engine.state.record import Record
from engine.state.status import TERMINAL, Status
from engine.store.protocols import Store
from engine.store.rows import ExecutionFilter, NodeRow

ALIVE = tuple(status for status in Status if status not in TERMINAL)
DEEPEST = 10


class Holder(msgspec.Struct, frozen=True):
    """Who has it in their hands that the execution goes on.

    kind: person, process, executions, time, or nobody
    ids: of the executions or of the process
    """

    kind: str
    ids: tuple[str, ...] = ()


class Link(msgspec.Struct, frozen=True):
    """One of the executions that are waited for, each by the one before."""

    id: ExecutionId
    flow: str
    state: Status
    cause: Cause
    sentence: str


class Why(msgspec.Struct, frozen=True):
    """Why an execution waits.

    since, until: milliseconds; None where nobody knows
    next_step: a command that helps, or shows more
    chain: the execution that is waited for, the one which that waits for, and so on; at most ten
    """

    state: Status
    cause: Cause
    sentence: str
    holder: Holder
    since: int | None = None
    until: int | None = None
    next_step: str | None = None
    chain: tuple[Link, ...] = ()


class Finding(msgspec.Struct, frozen=True):
    """What one execution waits for: its reason, told."""

    execution: Execution
    reason: Reason
    clause: str
    next_step: str | None
    holder: Holder


async def why(store: Store, plans: Plans, nodes: Nodes, id: ExecutionId, now: int, zone: tzinfo = UTC) -> Why:
    """Why an execution waits, and who holds it. Raises NotFound."""
    gatherer = _Gatherer(store, plans, nodes, now, zone, {row.id: row for row in await store.nodes.list()})
    found = [await gatherer.find(id)]
    seen = {id}
    while len(found) <= DEEPEST and (following := found[-1].reason.first) is not None and following not in seen:
        seen.add(following)
        try:
            found.append(await gatherer.find(following))
        except NotFound:
            break
    own, last = found[0], found[-1]
    # An execution in a queue can be taken out of it, whatever those before it wait for.
    step = own.next_step if own.reason.cause in (Cause.QUEUED, Cause.STOPPING) else last.next_step
    return Why(
        state=own.execution.state,
        cause=own.reason.cause,
        sentence=_sentence(found),
        holder=own.holder,
        since=own.reason.since,
        until=own.reason.until,
        next_step=step,
        chain=tuple(_link(one) for one in found[1:]),
    )


def _sentence(found: list[Finding]) -> str:
    said = found[0].clause
    if len(found) == 2:
        said = f"{said}, where {found[1].clause}"
    elif len(found) > 2:
        last = found[-1]
        between = len(found) - 2
        through = f"{between} more execution{'s' * (between > 1)}"
        said = f"{said}, which through {through} waits for {last.execution.id}, where {last.clause}"
    return f"{said[0].upper()}{said[1:]}."


def _link(one: Finding) -> Link:
    it = one.execution
    return Link(it.id, f"{it.namespace}.{it.flow}", it.state, one.reason.cause, _sentence([one]))


class _Gatherer(msgspec.Struct, frozen=True):
    store: Store
    plans: Plans
    nodes: Nodes
    now: int
    zone: tzinfo
    processes: dict[str, NodeRow]

    async def find(self, id: ExecutionId) -> Finding:
        record, owner = await self.store.executions.load(id)
        execution = record.execution
        try:
            plan = (await self.plans.of(execution)).plan
        except (InvalidFlow, NotFound) as error:
            unreadable = Reason(Cause.FAULT, since=execution.history[-1].at)
            first = str(error).partition("\n")[0]
            return Finding(execution, unreadable, f"its flow can't be read: {first}", None, Holder("nobody"))
        if owner == SKIPPED:
            since = execution.history[-1].at
            said = "it is set aside by the setting `skip` of the server"
            return Finding(execution, Reason(Cause.SKIPPED, since=since), said, None, Holder("person"))
        gone = bool(owner) and await self.nodes.gone(owner)
        queue, below = await self._queue(execution), await self._below(plan, record)
        seen = Seen(self.now, not gone, queue, below)
        found = reason(plan, record, seen)
        named = [one.first for one in below.values() if one.first is not None]
        named += await self.store.executions.heads(queue.running[:NAMED]) if queue is not None else ()
        heads = {head.id: head for head in named}
        scene = Scene(plan, record, seen, found, self.processes.get(owner), heads, self.zone)
        return Finding(execution, found, clause(scene), next_step(scene), _holder(found, queue, owner))

    async def _queue(self, execution: Execution) -> Queue | None:
        if execution.state is not Status.QUEUED:
            return None
        use = await self.store.slots.of(execution.namespace, execution.flow, execution.tenant)
        return Queue(use.limit, use.running, use.waiting)

    async def _below(self, plan: Plan, record: Record) -> dict[str, Below]:
        return {run.path: await self._started(record, run) for run in waiting_for_others(plan, record)}

    async def _started(self, record: Record, run: TaskRun) -> Below:
        where = ExecutionFilter(
            kinds=(), caller=record.execution.id, caller_path=run.path, states=ALIVE, limit=1, offset=0
        )
        alive = await self.store.executions.count(where)
        if alive:
            oldest = await self.store.executions.list(msgspec.structs.replace(where, offset=alive - 1))
            return Below(alive, oldest[0] if oldest else None)
        # What waits for another try of the same has ended itself.
        id = (run.outputs or {}).get("executionId")
        ended = await self.store.executions.heads([ExecutionId(id)]) if id else ()
        return Below(0, next((head for head in ended if head.state is Status.RETRIED), None))


def _holder(found: Reason, queue: Queue | None, owner: str) -> Holder:
    if found.cause in BY_PEOPLE:
        return Holder("person")
    if found.cause is Cause.QUEUED and queue is not None:
        return Holder("executions", queue.running)
    if found.cause is Cause.EXECUTIONS and found.first is not None:
        return Holder("executions", (found.first,))
    if found.cause in (Cause.SCHEDULED, Cause.RETRY, Cause.BETWEEN_PASSES, Cause.RETRIED):
        return Holder("time")
    if found.cause in (Cause.FAULT, Cause.ENDED):
        return Holder("nobody")
    return Holder("process", (owner,) if owner else ())
