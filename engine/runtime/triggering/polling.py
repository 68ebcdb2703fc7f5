"""Polls triggers: with their properties rendered, and with what they need at hand."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from engine.clock import Clock
from engine.errors import Refused
from engine.expressions.masks import masked
from engine.files.addresses import execution_folder
from engine.files.protocol import InternalStorage
from engine.ids import ExecutionId
from engine.plugin.context import Level
from engine.plugin.polling import Audit, PollingTrigger, Preview, TriggerInfo
from engine.runtime.triggering.firing import Event, Firing, Loaded, execution_of
from engine.state.ledger import Consumed
from engine.state.status import Status
from engine.store.conditions import Condition, Op
from engine.store.ledger_port import LedgerStore
from engine.store.protocols import Store
from engine.store.rows import ExecutionFilter, Outcome

AT_ONCE = 500
LIVE = tuple(state for state in Status if not state.terminal)


def nothing() -> None:
    pass


class Polled(NamedTuple):
    """How many executions a poll started, when to look again if before its interval, and the interval; milliseconds."""

    started: int
    again: int | None
    interval: int


class Polls:
    """Polls triggers once, and asks them what they saw."""

    def __init__(self, store: Store, files: InternalStorage, firing: Firing, clock: Clock) -> None:
        self._store = store
        self._files = files
        self._firing = firing
        self._clock = clock

    async def poll(self, loaded: Loaded, progress: Callable[[], None] = nothing) -> Polled:
        """Look once, where the trigger's conditions hold. Raises whatever went wrong."""
        plugin, ctx = await self._ready(loaded, progress)
        if not await self._firing.conditions_hold(loaded):
            ctx.passed("its conditions do not hold")
            return Polled(0, None, plugin.interval)
        again = await plugin.poll(ctx)
        if not ctx.started:
            ctx.passed("there was nothing new")
        return Polled(ctx.started, again, plugin.interval)

    async def audit(self, namespace: str, flow: str, id: str) -> Audit:
        """Raises NotFound, TaskError."""
        plugin, ctx = await self._ready(await self._firing.load(namespace, flow, id), nothing)
        return await plugin.audit(ctx)

    async def preview(self, namespace: str, flow: str, id: str) -> Preview:
        """Raises NotFound, TaskError."""
        plugin, ctx = await self._ready(await self._firing.load(namespace, flow, id), nothing)
        return await plugin.preview(ctx)

    async def _ready(self, loaded: Loaded, progress: Callable[[], None]) -> tuple[PollingTrigger, Poll]:
        plugin, masks = await self._firing.built(loaded)
        if not isinstance(plugin, PollingTrigger):
            raise Refused(f"Triggers of type {loaded.definition.type} look at nothing by themselves")
        return plugin, Poll(self._store, self._files, self._firing, self._clock, loaded, masks, progress)


class Poll:
    """The PollContext of one poll. `started` counts what it fired."""

    def __init__(
        self,
        store: Store,
        files: InternalStorage,
        firing: Firing,
        clock: Clock,
        loaded: Loaded,
        masks: set[str],
        progress: Callable[[], None],
    ) -> None:
        self._store = store
        self._files = files
        self._firing = firing
        self._clock = clock
        self._loaded = loaded
        self._masks = masks
        self.progress = progress
        flow, definition = loaded.compiled.flow, loaded.definition
        self.trigger = TriggerInfo(flow.namespace, flow.id, definition.fields.id, definition.type, definition.dialect)
        self.started = 0
        self._key = (flow.namespace, flow.id, definition.fields.id)
        self._began = clock.now()

    @property
    def ledger(self) -> LedgerStore:
        return self._store.ledger

    @property
    def one_at_a_time(self) -> bool:
        fields = self._loaded.definition.fields
        return "allow_concurrent" in fields.model_fields_set and not fields.allow_concurrent

    def now(self) -> int:
        return self._clock.now()

    def log(self, message: str, level: Level = "INFO") -> None:
        name = f"{self.trigger.namespace}.{self.trigger.flow}.{self.trigger.id}"
        text = f"Trigger {name}: {masked(message, self._masks)}"
        logging.getLogger("tidegate.triggers").log(LOG_LEVELS[level], "%s", text)

    async def keep(self, key: str, name: str, content: AsyncIterable[bytes]) -> str:
        execution = execution_of(self._loaded, Event(key, {}))
        folder = execution_folder(self.trigger.namespace, self.trigger.flow, execution)
        return (await self._files.put(f"{folder}/trigger/{self.trigger.id}/{name}", content)).address

    async def fire(self, key: str, variables: Mapping[str, Any], consumed: Sequence[Consumed] = ()) -> str | None:
        if not await self._firing.wants(self._loaded, variables):
            return None
        execution = await self._firing.fire(self._loaded, Event(key, variables), consumed=consumed)
        self.started += 1
        self.progress()
        self._firing.note(self._key, Outcome.FIRED, execution=execution.id, began=self._began)
        return execution.id

    def passed(self, why: str) -> None:
        """Note that the poll started nothing."""
        self._firing.note(self._key, Outcome.SKIPPED, why, began=self._began)

    async def states(self, executions: Sequence[str]) -> Mapping[str, Status]:
        found: dict[str, Status] = {}
        for start in range(0, len(executions), AT_ONCE):
            ids = [ExecutionId(id) for id in executions[start : start + AT_ONCE]]
            found.update({it.id: it.state for it in await self._store.executions.heads(ids)})
        return found

    async def running(self, most: int) -> int:
        return await self._store.executions.count(self._mine(states=LIVE), most)

    async def fired(self) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
        offset = 0
        while found := await self._store.executions.list(self._mine(limit=AT_ONCE, offset=offset)):
            for execution in found:
                if execution.trigger is not None and execution.original == execution.id:
                    yield execution.id, execution.trigger.variables
            offset += len(found)

    def _mine(self, **more: Any) -> ExecutionFilter:
        where = Condition("trigger", Op.EQUALS, (self.trigger.id,))
        return ExecutionFilter(namespace=self.trigger.namespace, flow=self.trigger.flow, where=where, **more)


LOG_LEVELS: Mapping[Level, int] = {
    "TRACE": logging.DEBUG,
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
}
