"""Backfills: dates of the past that a schedule makes up for, and locks that nothing will open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from engine.clock import Clock, iso
from engine.errors import Conflict, NotFound, Refused
from engine.ids import random_id
from engine.runtime.flows.triggers import Triggers
from engine.state.trigger import Backfill, TriggerState
from engine.store.protocols import TriggerStore

MODES = ("ALL", "MISSING", "FAILED")
SCHEDULES = frozenset({"Schedule", "ScheduleOnDates"})

Change = Callable[[TriggerState], TriggerState | None]


def is_schedule(type: str) -> bool:
    """Whether triggers of a type have dates that can be made up for."""
    return type.rpartition(".")[2] in SCHEDULES


class Backfills:
    """What people ask of one trigger, besides switching it. Everything raises NotFound for one that does not exist."""

    def __init__(self, store: TriggerStore, triggers: Triggers, clock: Clock) -> None:
        self._store = store
        self._triggers = triggers
        self._clock = clock

    async def create(
        self,
        namespace: str,
        flow: str,
        id: str,
        *,
        start: int,
        end: int | None = None,
        mode: str = "ALL",
        inputs: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> TriggerState:
        """Make up for the dates from `start` to `end`, both in milliseconds; by default until now.

        mode: ALL, MISSING or FAILED, see `Backfill`
        Raises Refused for a trigger without dates, Conflict while another backfill is under way, and Refused for dates
        in the wrong order.
        """
        now = self._clock.now()
        last = min(end, now) if end is not None else now
        if start >= last:
            raise Refused(f"a backfill begins in the past and before its end: {iso(start)} is not before {iso(last)}")
        if mode not in MODES:
            raise Refused(f"the mode of a backfill is one of {', '.join(MODES)}, not '{mode}'")
        given, marks = dict(inputs or {}), dict(labels or {})
        wanted = Backfill(start, last, start, inputs=given, labels=marks, id=random_id(), mode=mode)

        def change(state: TriggerState) -> TriggerState:
            if not is_schedule(state.type):
                raise Refused(f"only schedules have dates to make up for, '{id}' is a {state.type.rpartition('.')[2]}")
            if state.backfill is not None:
                raise Conflict(f"a backfill of '{id}' is under way: delete it first")
            return replace(state, backfill=wanted)

        return await self._changed(namespace, flow, id, change)

    async def pause(self, namespace: str, flow: str, id: str, paused: bool = True) -> TriggerState:
        """Let a backfill start nothing more, or go on. Raises NotFound where there is none."""

        def change(state: TriggerState) -> TriggerState | None:
            backfill = _backfill(state)
            return None if backfill.paused is paused else replace(state, backfill=replace(backfill, paused=paused))

        return await self._changed(namespace, flow, id, change)

    async def delete(self, namespace: str, flow: str, id: str) -> TriggerState:
        """End a backfill; what it has started goes on. Raises NotFound where there is none."""

        def change(state: TriggerState) -> TriggerState:
            _backfill(state)
            return replace(state, backfill=None)

        return await self._changed(namespace, flow, id, change)

    async def unlock(self, namespace: str, flow: str, id: str) -> TriggerState:
        """Let a trigger no longer wait for the execution that it started. Raises Refused where it doesn't."""

        def change(state: TriggerState) -> TriggerState:
            if state.execution is None:
                raise Refused("Trigger is not locked")
            return replace(state, execution=None)

        return await self._changed(namespace, flow, id, change)

    async def retry(self, namespace: str, flow: str, id: str) -> TriggerState:
        """Forget the failures of a trigger, so that it is looked at again at once."""

        def change(state: TriggerState) -> TriggerState | None:
            if not state.failures and state.error is None:
                return None
            return replace(state, failures=0, error=None)

        return await self._changed(namespace, flow, id, change)

    async def _changed(self, namespace: str, flow: str, id: str, change: Change) -> TriggerState:
        while True:
            state = await self._triggers.get(namespace, flow, id)
            changed = change(state)
            if changed is None:
                return state
            changed = replace(changed, version=state.version + 1, updated=self._clock.now())
            try:
                await self._store.save(changed)
            except Conflict:
                continue
            return changed


def _backfill(state: TriggerState) -> Backfill:
    if state.backfill is None:
        raise NotFound("backfill", state.id, "No backfill found")
    return state.backfill
