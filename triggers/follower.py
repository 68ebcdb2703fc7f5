"""Decides on what Flow triggers are told of executions, one state change after another, each once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from engine.clock import Clock, local_zone
from engine.errors import Blocked, Conflict, ExpressionError, InvalidInputs, NotFound, Refused, TaskError, Unavailable
from engine.ids import ExecutionId
from engine.runtime.triggering.firing import Event, Firing, Loaded, Scene, told
from engine.state.execution import Execution
from engine.state.record import Record
from engine.state.status import Status
from engine.state.trigger import TriggerState
from engine.store.protocols import Store
from engine.store.rows import Outcome, StateChange
from plugins.core.condition import MultipleCondition
from triggers.closing import Closer, Closing
from triggers.flow import Flow
from triggers.matching import Waited, waited_of
from triggers.rules import Decision, decide
from triggers.upstream import Sight, as_it_was, inherited, joined_outputs, variables_of

# So many are decided on before others have their turn.
AT_ONCE = 100
# What can't be decided on so many times is passed over.
TRIES = 10
# What says that nothing can be started for this one, so that the next one has its turn.
OF_THE_EVENT = (ExpressionError, TaskError, InvalidInputs, Blocked, Refused, NotFound)


class Following(NamedTuple):
    """A Flow trigger as it is now."""

    loaded: Loaded
    plugin: Flow
    waited: Sequence[Waited]

    @property
    def closing(self) -> Closing | None:
        """What is to be done when a window closes, if anything."""
        if self.plugin.on_miss is None:
            return None
        return Closing(self.loaded, self.plugin, self.waited[-1].rule)


class Follower:
    """Evaluates Flow triggers."""

    def __init__(self, firing: Firing, store: Store, clock: Clock) -> None:
        self._firing = firing
        self._store = store
        self._clock = clock
        self._closer = Closer(firing, store.triggers, clock)
        self._zone = local_zone()
        self._tried: dict[tuple[str, str, str], tuple[int, int]] = {}
        self._log = logging.getLogger("tidegate.triggers")

    async def evaluate(self, state: TriggerState, progress: Callable[[], None]) -> tuple[TriggerState, bool]:
        """Decide on what a trigger was told first. Returns its new state, and whether there may be more.

        progress: called before each decision, for each may take its time
        Raises Conflict where somebody else was here; anything else leaves what comes first undecided.
        """
        changes = await self._store.state_changes.of(*state.key, AT_ONCE)
        loaded = await self._firing.load(*state.key)
        plugin = loaded.definition.plugin
        if not isinstance(plugin, Flow):
            raise ValueError("its properties hold templates that are not rendered")
        following = Following(loaded, plugin, waited_of(plugin, loaded.definition.conditions, self._zone))
        for change in changes:
            progress()
            state = await self._closed(following, state, change.at)
            state = await self._decide(following, state, change)
        more = len(changes) == AT_ONCE
        return state if more else await self._closed(following, state, self._clock.now()), more

    async def _closed(self, following: Following, state: TriggerState, moment: int) -> TriggerState:
        closing = following.closing
        return state if closing is None else await self._closer.close(closing, state, moment)

    async def _decide(self, following: Following, state: TriggerState, change: StateChange) -> TriggerState:
        now = self._clock.now()
        passed = replace(
            state,
            heard=change.serial,
            evaluated=now,
            updated=now,
            failures=0,
            error=None,
            version=state.version + 1,
        )
        tried, times = self._tried.get(state.key, (0, 0))
        times = times + 1 if tried == change.serial else 1
        self._tried[state.key] = change.serial, times
        if times > TRIES:
            why = f"given up after {TRIES} tries: {state.error}"
            made = await self._fail(following, replace(passed, failures=state.failures), change, why, None)
        else:
            try:
                made = await self._start(following, passed, state, change)
            except (Conflict, Unavailable):
                # That is not for what it was told.
                self._tried[state.key] = change.serial, times - 1
                raise
        self._tried.pop(state.key, None)
        return made

    async def _start(
        self, following: Following, passed: TriggerState, before: TriggerState, change: StateChange
    ) -> TriggerState:
        """Start the execution that follows a state change, or pass it over."""
        try:
            record = as_it_was((await self._store.executions.load(change.execution)).record, change)
            loaded = following.loaded
            seen = variables_of(record, record.execution.outputs or {})
            scene = await self._firing.about(loaded, record, seen)
            decision = await self._decision(following, record, scene, before, change)
            if decision is None:
                return await self._skip(passed, change, "conditions do not hold")
            passed = replace(passed, windows=decision.windows)
            if not decision.fires:
                return await self._skip(passed, change, "not all has happened that is waited for")
            event = await self._event(following, record, decision.met, change)
            if event.variables != seen:
                scene = await self._firing.about(loaded, record, event.variables)
            fired = replace(passed, fired=passed.evaluated)
            if following.closing is not None:
                fired = replace(fired, date=following.closing.end(change.at))
        except OF_THE_EVENT as error:
            failed = replace(passed, failures=before.failures + 1)
            return await self._fail(following, failed, change, str(error), None)
        try:
            await self._firing.fire(loaded, event, fired, scene)
            return fired
        except Conflict:
            stored = await self._store.triggers.get(*before.key)
            if stored.version != before.version:
                raise
            # Its execution is there: the trigger heard of this before it was deleted and came back.
            return await self._save(passed)
        except OF_THE_EVENT as error:
            failed = replace(passed, failures=before.failures + 1)
            return await self._fail(following, failed, change, str(error), event)

    async def _decision(
        self, following: Following, record: Record, scene: Scene, before: TriggerState, change: StateChange
    ) -> Decision | None:
        """What becomes of a state change, None where conditions don't hold. Raises ExpressionError, TaskError."""
        definition = following.loaded.definition
        flow = following.loaded.compiled.flow
        sight = Sight(flow.namespace, flow.id, scene, record)
        alone = [it for it in definition.conditions if not isinstance(it, MultipleCondition)]
        if following.plugin.wait_for_all_retries and change.state is Status.RETRIED:
            return None
        if not await told(alone, sight) or not await scene.holds(definition.fields.when):
            return None
        matched = {waited.rule.id: await waited.matched(sight) for waited in following.waited}
        rules = [waited.rule for waited in following.waited]
        return decide(rules, before.windows, matched, record.execution.id, change.at)

    async def _event(
        self, following: Following, record: Record, met: Sequence[ExecutionId], change: StateChange
    ) -> Event:
        others = await self._heads([id for id in met if id != record.execution.id])
        variables = variables_of(record, joined_outputs([*others, record.execution]))
        definition = following.loaded.definition
        lacking = definition.dialect == 1 and definition.fields.inputs is None
        return Event(_key(change), variables, labels=inherited(record.execution), lacking=lacking)

    async def _heads(self, ids: Sequence[ExecutionId]) -> list[Execution]:
        """Executions in the order of their ids, without those that are deleted."""
        found = {it.id: it for it in (await self._store.executions.heads(ids) if ids else ())}
        return [found[id] for id in ids if id in found]

    async def _fail(
        self, following: Following, failed: TriggerState, change: StateChange, why: str, event: Event | None
    ) -> TriggerState:
        """Pass over what nothing can be started for, and say so; `event`: only its inputs can't be."""
        failed = replace(failed, error=f"execution {change.execution} {change.state}: {why}")
        self._log.warning("Trigger %s: %s", ".".join(failed.key), failed.error)
        definition = following.loaded.definition
        inputs_matter = event is not None and definition.dialect == 2
        if not (definition.fields.fail_on_trigger_error or inputs_matter):
            self._firing.note(failed.key, Outcome.ERROR, failed.error)
            return await self._save(failed)
        try:
            await self._firing.fail(following.loaded, event or Event(_key(change), {}), why, failed)
        except OF_THE_EVENT:
            return await self._save(failed)
        return failed

    async def _skip(self, passed: TriggerState, change: StateChange, why: str) -> TriggerState:
        self._firing.note(passed.key, Outcome.SKIPPED, f"execution {change.execution} {change.state}: {why}")
        return await self._save(passed)

    async def _save(self, state: TriggerState) -> TriggerState:
        await self._store.triggers.save(state)
        return state


def _key(change: StateChange) -> str:
    return f"{change.execution}:{change.sequence}"
