"""What is done to many executions at once: those that are named, all or none, or those that filters select."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice
from typing import Any

import msgspec

from engine.api.execution_actions import illegal, label_map
from engine.api.executions import DeleteQuery, selected
from engine.api.filterable import EXECUTION
from engine.api.filters import chosen
from engine.api.problems import Illegal, NotDone
from engine.api.routing import Call, Role, Route
from engine.api.shapes import LabelShape, Operated
from engine.definition.labels import refuse_labels
from engine.errors import NotAll
from engine.ids import ExecutionId, random_id
from engine.runtime.actions.bulk import Bulk, Outcome, Which
from engine.runtime.engine import Engine
from engine.state.execution import ExecutionKind
from engine.state.status import Status

TOLD = 100
Act = Callable[[Bulk, Which, Call], Awaitable[Outcome]]
Read = Callable[[Call], Awaitable[Sequence[ExecutionId]]]


class ReplayManyQuery(msgspec.Struct, frozen=True, rename="camel"):
    """latestRevision: run the latest revisions of the flows"""

    latest_revision: bool = False


class StatusManyQuery(msgspec.Struct, frozen=True, rename="camel"):
    new_status: Status


class UnqueueManyQuery(msgspec.Struct, frozen=True, rename="camel"):
    """state, newState: RUNNING, or CANCELLED or FAILED to end them"""

    state: Status | None = None
    new_state: Status | None = None


class DeleteManyQuery(DeleteQuery, frozen=True, rename="camel"):
    """includeNonTerminated: there is no such thing here; what runs is killed first"""

    include_non_terminated: bool = False


class LabelsOfMany(msgspec.Struct, frozen=True, rename="camel"):
    executions_id: list[ExecutionId]
    execution_labels: list[LabelShape]


class Done(Operated, frozen=True, omit_defaults=False):
    """To how many executions it was done.

    executionIds: those that began by it; refused: why it was not done to others that were meant, by id, up to 100
    """

    execution_ids: list[str]
    refused: dict[str, str]


class ExecutionsAtOnce:
    """Each does the same as the action of that name."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> Iterable[Route]:
        yield from self._both("DELETE", "kill", "Stop executions", lambda bulk, which, _: bulk.kill(which))
        yield from self._both("POST", "pause", "Let executions start nothing", lambda bulk, which, _: bulk.pause(which))
        yield from self._both("POST", "resume", "Let executions go on", lambda bulk, which, _: bulk.resume(which))
        yield from self._both("POST", "restart", "Run again what failed", lambda bulk, which, _: bulk.restart(which))
        yield from self._both("POST", "replay", "Run executions anew", _replay, ReplayManyQuery)
        yield from self._both("POST", "force-run", "Let them go on now", lambda bulk, which, _: bulk.force_run(which))
        yield from self._both("POST", "unqueue", "Take executions out of their queues", _unqueue, UnqueueManyQuery)
        yield from self._both("POST", "change-status", "Say that they ended otherwise", _status, StatusManyQuery)
        yield from self._both("DELETE", "", "Delete executions that have ended", _delete, DeleteManyQuery)
        yield self._route("POST", "labels/by-ids", self._label_ids, "Label executions", body=LabelsOfMany)
        yield self._route(
            "POST",
            "labels/by-query",
            self._label_query,
            "Label executions",
            body=list[LabelShape],
            filters=EXECUTION,
        )

    def _both(self, method: str, name: str, summary: str, act: Act, query: Any = None) -> Iterable[Route]:
        async def by_ids(call: Call) -> Done:
            return await self._named(call, name or "delete", await call.json(list[ExecutionId]), act)

        async def by_query(call: Call) -> Done:
            return await self._selected(call, query, act)

        front = f"{name}/" if name else ""
        yield self._route(method, f"{front}by-ids", by_ids, summary, query=query, body=list[ExecutionId])
        yield self._route(method, f"{front}by-query", by_query, summary, query=query, filters=EXECUTION)

    def _route(self, method: str, path: str, handler: Any, summary: str, **more: Any) -> Route:
        return Route(method, f"/executions/{path}", handler, summary, Done, role=Role.OPERATOR, **more)

    async def _label_ids(self, call: Call) -> Done:
        asked: LabelsOfMany = await call.json(LabelsOfMany)
        labels = _given(asked.execution_labels)
        return await self._named(
            call, "labels", asked.executions_id, lambda bulk, which, _: bulk.set_labels(which, labels)
        )

    async def _label_query(self, call: Call) -> Done:
        labels = _given(await call.json(list[LabelShape]))
        return await self._selected(call, None, lambda bulk, which, _: bulk.set_labels(which, labels))

    async def _named(self, call: Call, name: str, ids: Sequence[ExecutionId], act: Act) -> Done:
        for execution in await self._engine.store.executions.heads(list(dict.fromkeys(ids))):
            call.require(Role.OPERATOR, execution.namespace)
        try:
            return _done(await act(self._engine.bulk, ids, call))
        except NotAll as refusal:
            raise NotDone(f"invalid bulk {name}", refusal.problems) from None

    async def _selected(self, call: Call, query: type[msgspec.Struct] | None, act: Act) -> Done:
        own = {field.encode_name for field in msgspec.structs.fields(query)} if query else ()
        node = chosen(call.request.query, EXECUTION, own)
        where = selected(node, call.namespaces_with(Role.OPERATOR))
        # Iterations of loops are part of their executions.
        kinds = where.kinds or (ExecutionKind.NORMAL, ExecutionKind.TEST)
        return _done(await act(self._engine.bulk, msgspec.structs.replace(where, kinds=kinds), call))


def _given(labels: Iterable[LabelShape]) -> dict[str, str]:
    """Labels as a map. Raises Illegal for those that nobody may give."""
    given = label_map(labels)
    with illegal():
        refuse_labels(given, frozenset())
    return given


async def _replay(bulk: Bulk, which: Which, call: Call) -> Outcome:
    return await bulk.replay(which, call.query(ReplayManyQuery).latest_revision)


async def _unqueue(bulk: Bulk, which: Which, call: Call) -> Outcome:
    query = call.query(UnqueueManyQuery)
    return await bulk.unqueue(which, query.state or query.new_state or Status.RUNNING)


async def _status(bulk: Bulk, which: Which, call: Call) -> Outcome:
    status = call.query(StatusManyQuery).new_status
    if not status.terminal:
        raise Illegal(f"You can only change the status to a terminal state, and {status} isn't one")
    return await bulk.set_status(which, status)


async def _delete(bulk: Bulk, which: Which, call: Call) -> Outcome:
    query = call.query(DeleteManyQuery)
    return await bulk.delete(which, logs=query.delete_logs, metrics=query.delete_metrics, files=query.delete_storage)


def _done(outcome: Outcome) -> Done:
    refused = {str(id): why for id, why in islice(outcome.refused.items(), TOLD)}
    return Done(len(outcome.done), random_id(), len(outcome.done), list(outcome.started), refused)
