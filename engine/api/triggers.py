"""Triggers: which there are, whether they are on, and what they make up for."""

from __future__ import annotations

import csv
import io
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from aiohttp import web

from engine.api.filterable import TRIGGER
from engine.api.filters import condition_of, narrowed
from engine.api.paging import Paged, page_of
from engine.api.problems import BadRequest, Illegal
from engine.api.routing import Call, Role, Route
from engine.api.shapes import LabelShape, Operated, Page, operated
from engine.api.trigger_shapes import (
    EvaluationShape,
    TriggerItem,
    TriggerStateShape,
    evaluation_shape,
    trigger_item,
    trigger_state_shape,
)
from engine.clock import to_millis
from engine.errors import Conflict, NotFound, Refused
from engine.runtime.engine import Engine
from engine.state.trigger import TriggerState
from engine.store.matching import holds

ORDER = {
    "id": "id",
    "triggerId": "id",
    "namespace": "namespace",
    "flowId": "flow",
    "nextExecutionDate": "next",
    "nextEvaluationDate": "next",
    "lastTriggeredDate": "fired",
    "updatedDate": "updated",
}
COLUMNS = ("namespace", "flowId", "triggerId", "disabled", "nextExecutionDate", "lastTriggeredDate", "executionId")

One = Callable[[str, str, str], Awaitable[TriggerState]]


class LastQuery(msgspec.Struct, frozen=True):
    """limit: how many, at most 1000"""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class TriggerName(msgspec.Struct, frozen=True, rename="camel"):
    namespace: str
    flow_id: str
    trigger_id: str


class Switch(TriggerName, frozen=True, rename="camel", kw_only=True):
    """recoverMissedSchedules: what becomes of the dates that it missed while it was off: NONE, LAST or ALL"""

    disabled: bool
    recover_missed_schedules: str = "NONE"


class SwitchMany(msgspec.Struct, frozen=True):
    triggers: list[TriggerName]
    disabled: bool = True


class SwitchQuery(msgspec.Struct, frozen=True):
    disabled: bool = True


class Period(msgspec.Struct, frozen=True):
    """end: by default now; mode: ALL dates, the MISSING or the FAILED ones; labels: `[{key, value}]` or a map"""

    start: datetime
    end: datetime | None = None
    mode: str = "ALL"
    inputs: dict[str, Any] | None = None
    labels: list[LabelShape] | dict[str, str] | None = None


class NewBackfill(TriggerName, frozen=True, rename="camel", kw_only=True):
    backfill: Period


class Whole(TriggerName, frozen=True, rename="camel", kw_only=True):
    """A trigger as earlier versions change it: with another `disabled`, or with a backfill."""

    disabled: bool = False
    backfill: Period | None = None


class NameQuery(Paged, frozen=True, rename="camel"):
    """q: a part of the id"""

    q: str = ""


class Triggers:
    """Look at triggers and act on them."""

    def __init__(self, engine: Engine) -> None:
        self._triggers = engine.triggers
        self._backfills = engine.backfills
        self._flows = engine.store.flows
        self._logs = engine.store.logs
        self._list = engine.flow_list

    def routes(self) -> Iterable[Route]:
        yield Route(
            "GET", "/triggers/search", self.search, "Search triggers", Page[TriggerItem], query=Paged, filters=TRIGGER
        )
        yield Route("GET", "/triggers/export/by-query/csv", self.export, "Triggers as CSV", str, filters=TRIGGER)
        of = "/triggers/{namespace}/{flow}"
        yield Route("GET", of, self.of_flow, "Triggers of a flow", Page[TriggerStateShape], query=NameQuery)
        one = f"{of}/{{trigger}}"
        yield Route(
            "GET",
            f"{one}/evaluations",
            self.evaluations,
            "What came of the last looks at a trigger",
            list[EvaluationShape],
            query=LastQuery,
        )
        yield _acting("POST", f"{one}/unlock", self.unlock, "No longer wait for its execution", TriggerStateShape)
        yield _acting("POST", f"{one}/restart", self.retry, "Forget its failures", TriggerStateShape)
        yield _acting("DELETE", one, self.delete, "Forget a trigger that is in no flow")
        yield _acting(
            "PUT", "/triggers", self.update, "Switch a trigger, or make up for dates", TriggerStateShape, Whole
        )
        yield _acting("PUT", "/triggers/set-disabled", self.switch, "Switch a trigger", TriggerStateShape, Switch)
        yield _acting(
            "POST", "/triggers/set-disabled/by-triggers", self.switch_all, "Switch triggers", Operated, SwitchMany
        )
        yield Route(
            "POST",
            "/triggers/set-disabled/by-query",
            self.switch_found,
            "Switch the triggers that filters select",
            Operated,
            query=SwitchQuery,
            filters=TRIGGER,
            role=Role.OPERATOR,
        )
        yield from _at_once("POST", "unlock", self._backfills.unlock, self._found, "No longer wait for executions")
        yield from _at_once("DELETE", "delete", self._forgotten, self._found, "Forget triggers that are in no flow")
        yield _acting(
            "PUT", "/triggers/backfill/create", self.create, "Make up for dates", TriggerStateShape, NewBackfill
        )
        for method, verb, act, summary in (
            ("PUT", "pause", self._backfills.pause, "Let a backfill start nothing more"),
            ("PUT", "unpause", self._unpaused, "Let a backfill go on"),
            ("POST", "delete", self._backfills.delete, "End a backfill"),
        ):
            path = f"/triggers/backfill/{verb}"
            yield _acting(method, path, _named(act), summary, TriggerStateShape, TriggerName)
            yield from _at_once("POST", f"backfill/{verb}", act, self._found, summary)

    async def search(self, call: Call) -> Page[TriggerItem]:
        found = page_of(await self._found(call), call.query(Paged), ORDER, getattr)
        written = await self._written(found.results)
        items = [trigger_item(written.get(it.key, {"id": it.id, "type": it.type}), it) for it in found.results]
        return Page(items, found.total)

    async def of_flow(self, call: Call) -> Page[TriggerStateShape]:
        query = call.query(NameQuery)
        states = await self._triggers.list(call.path["namespace"], call.path["flow"])
        found = page_of([it for it in states if query.q.lower() in it.id.lower()], query, ORDER, getattr)
        return Page([trigger_state_shape(it) for it in found.results], found.total)

    async def export(self, call: Call) -> web.Response:
        text = io.StringIO()
        table = csv.DictWriter(text, COLUMNS, extrasaction="ignore")
        table.writeheader()
        for state in await self._found(call):
            table.writerow(msgspec.to_builtins(trigger_state_shape(state)))
        headers = {"Content-Disposition": 'attachment; filename="triggers.csv"'}
        return web.Response(text=text.getvalue(), content_type="text/csv", headers=headers)

    async def switch(self, call: Call) -> TriggerStateShape:
        asked: Switch = await call.json(Switch)
        call.require(Role.OPERATOR, asked.namespace)
        recover = asked.recover_missed_schedules.upper()
        if recover not in ("NONE", "LAST", "ALL"):
            raise Illegal(f"recoverMissedSchedules is NONE, LAST or ALL, not '{recover}'")
        return trigger_state_shape(await self._triggers.set_disabled(*_key(asked), asked.disabled, recover))

    async def switch_all(self, call: Call) -> Operated:
        asked: SwitchMany = await call.json(SwitchMany)
        states = await self._all(call, asked.triggers)
        for state in states:
            await self._triggers.set_disabled(*state.key, asked.disabled)
        return operated(len(states))

    async def switch_found(self, call: Call) -> Operated:
        disabled = call.query(SwitchQuery).disabled
        states = await self._found(call, Role.OPERATOR)
        for state in states:
            await self._triggers.set_disabled(*state.key, disabled)
        return operated(len(states))

    async def update(self, call: Call) -> TriggerStateShape:
        asked: Whole = await call.json(Whole)
        call.require(Role.OPERATOR, asked.namespace)
        if asked.backfill is not None:
            return await self._make_up(asked, asked.backfill)
        return trigger_state_shape(await self._triggers.set_disabled(*_key(asked), asked.disabled))

    async def create(self, call: Call) -> TriggerStateShape:
        asked: NewBackfill = await call.json(NewBackfill)
        call.require(Role.OPERATOR, asked.namespace)
        return await self._make_up(asked, asked.backfill)

    async def evaluations(self, call: Call) -> list[EvaluationShape]:
        await self._triggers.get(*_of_path(call))
        limit = call.query(LastQuery).limit
        found = await self._logs.evaluations(*_of_path(call), limit)
        return [evaluation_shape(it) for it in found]

    async def unlock(self, call: Call) -> TriggerStateShape:
        return trigger_state_shape(await self._backfills.unlock(*_of_path(call)))

    async def retry(self, call: Call) -> TriggerStateShape:
        return trigger_state_shape(await self._backfills.retry(*_of_path(call)))

    async def delete(self, call: Call) -> None:
        await self._forgotten(*_of_path(call))

    async def _make_up(self, asked: TriggerName, period: Period) -> TriggerStateShape:
        given = period.labels or {}
        labels = given if isinstance(given, Mapping) else {label.key: label.value for label in given}
        state = await self._backfills.create(
            *_key(asked),
            start=_moment(period.start),
            end=None if period.end is None else _moment(period.end),
            mode=period.mode.upper(),
            inputs=period.inputs,
            labels=labels,
        )
        return trigger_state_shape(state)

    async def _unpaused(self, namespace: str, flow: str, id: str) -> TriggerState:
        return await self._backfills.pause(namespace, flow, id, False)

    async def _forgotten(self, namespace: str, flow: str, id: str) -> TriggerState:
        await self._triggers.get(namespace, flow, id)
        raise Conflict(f"trigger '{id}' can't be deleted because the flow still declares it: take it out of the flow")

    async def _found(self, call: Call, role: Role = Role.VIEWER) -> list[TriggerState]:
        """The triggers that the filters of a request select where the user has a role."""
        where = narrowed(condition_of(call.request.query, TRIGGER), call.namespaces_with(role))
        states = await self._triggers.list()
        return list(states) if where is None else [it for it in states if holds(where, _values(it))]

    async def _all(self, call: Call, names: Iterable[TriggerName]) -> list[TriggerState]:
        """The triggers that are named. Raises Denied, NotFound where one of them is none."""
        wanted = list(dict.fromkeys(names))
        for name in wanted:
            call.require(Role.OPERATOR, name.namespace)
        return [await self._triggers.get(*_key(name)) for name in wanted]

    async def _written(self, states: Sequence[TriggerState]) -> dict[tuple[str, str, str], Mapping[str, Any]]:
        """What stands in the flows of triggers, by trigger."""
        flows = [await self._flows.get(*of) for of in dict.fromkeys((it.namespace, it.flow) for it in states)]
        documents = await self._list.documents(flows)
        return {
            (flow.namespace, flow.id, str(trigger.get("id"))): trigger
            for flow, document in zip(flows, documents, strict=True)
            for trigger in document.get("triggers") or ()
            if isinstance(trigger, Mapping)
        }


def _acting(method: str, path: str, handler: Any, summary: str, answers: Any = None, body: Any = None) -> Route:
    return Route(method, path, handler, summary, answers, body=body, role=Role.OPERATOR)


def _named(act: One) -> Callable[[Call], Awaitable[TriggerStateShape]]:
    """A handler that acts on the trigger of the body."""

    async def handler(call: Call) -> TriggerStateShape:
        name: TriggerName = await call.json(TriggerName)
        call.require(Role.OPERATOR, name.namespace)
        try:
            return trigger_state_shape(await act(*_key(name)))
        except NotFound as error:
            if error.kind == "backfill":
                raise BadRequest("No backfill found") from None
            raise

    return handler


def _at_once(
    method: str, path: str, act: One, found: Callable[[Call, Role], Awaitable[Sequence[TriggerState]]], summary: str
) -> Iterable[Route]:
    """What acts on the triggers of the body, or on those that filters select; counts those where there was need."""

    async def count(keys: Iterable[tuple[str, str, str]]) -> Operated:
        done = 0
        for key in keys:
            try:
                await act(*key)
                done += 1
            except (Conflict, NotFound, Refused):
                continue
        return operated(done)

    async def by_triggers(call: Call) -> Operated:
        names: list[TriggerName] = await call.json(list[TriggerName])
        for name in names:
            call.require(Role.OPERATOR, name.namespace)
        return await count(_key(name) for name in dict.fromkeys(names))

    async def by_query(call: Call) -> Operated:
        return await count(state.key for state in await found(call, Role.OPERATOR))

    front = f"/triggers/{path}"
    yield _acting(method, f"{front}/by-triggers", by_triggers, summary, Operated, list[TriggerName])
    yield Route(method, f"{front}/by-query", by_query, summary, Operated, filters=TRIGGER, role=Role.OPERATOR)


def _key(name: TriggerName) -> tuple[str, str, str]:
    return name.namespace, name.flow_id, name.trigger_id


def _of_path(call: Call) -> tuple[str, str, str]:
    return call.path["namespace"], call.path["flow"], call.path["trigger"]


def _moment(date: datetime) -> int:
    return to_millis(date if date.tzinfo else date.replace(tzinfo=UTC))


def _values(state: TriggerState) -> Mapping[str, Any]:
    """What conditions may ask of a trigger."""
    return {
        "namespace": state.namespace,
        "flow": state.flow,
        "id": state.id,
        "next": state.next,
        "worker": None,
        "state": "ENABLED" if state.active else "DISABLED",
        "words": [state.namespace, state.flow, state.id],
    }
