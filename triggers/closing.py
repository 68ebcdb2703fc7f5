"""What becomes of windows that close before everything has happened that a Flow trigger waits for."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from engine.clock import Clock, iso
from engine.definition.labels import label_map
from engine.errors import Blocked, Conflict, InvalidInputs, Refused
from engine.runtime.triggering.firing import Event, Firing, Loaded
from engine.state.trigger import TriggerState
from engine.store.protocols import TriggerStore
from triggers.flow import Flow
from triggers.rules import Rule


class Closing(NamedTuple):
    """A trigger that has `onMiss`, and the rule whose windows it is about."""

    loaded: Loaded
    plugin: Flow
    rule: Rule

    def end(self, moment: int) -> int | None:
        """When the window of a moment closes, or the next one where it is in none."""
        return self.rule.frame.ends(moment)


class Closer:
    """Looks after windows that close; `next` of a trigger is when, `date` which one closed after all had happened."""

    def __init__(self, firing: Firing, store: TriggerStore, clock: Clock) -> None:
        self._firing = firing
        self._store = store
        self._clock = clock

    async def close(self, closing: Closing, state: TriggerState, moment: int) -> TriggerState:
        """See to the window that has closed by a moment, if one has. Returns the new state. Raises Conflict.

        Of several that closed while nobody looked it is the first one.
        """
        if state.next is not None and moment < state.next:
            return state
        now = self._clock.now()
        passed = replace(state, next=closing.end(moment), evaluated=now, updated=now, version=state.version + 1)
        known = state.next is not None and closing.end(state.next - 1) == state.next
        if state.next is None or not known or state.date == state.next:
            # Nothing was looked after yet, the windows lie otherwise now, or all had happened.
            return await self._save(passed)
        met = {key for window in state.windows if window.id == closing.rule.id for key in window.met}
        counted = len(met & set(closing.rule.keys))
        why = f"Only {counted} of {closing.rule.needed} had happened when the window closed at {iso(state.next)}"
        labels = label_map(closing.plugin.on_miss.labels) if closing.plugin.on_miss is not None else {}
        event = Event(f"missed:{state.next}", {}, labels=labels)
        kept = tuple(window for window in state.windows if window.id != closing.rule.id)
        missed = replace(passed, fired=now, windows=kept)
        try:
            await self._firing.fail(closing.loaded, event, why, missed)
        except (Blocked, InvalidInputs, Refused) as error:
            return await self._save(replace(passed, windows=kept, failures=state.failures + 1, error=str(error)))
        except Conflict:
            stored = await self._store.get(*state.key)
            if stored.version != state.version:
                raise
            return await self._save(passed)
        return missed

    async def _save(self, state: TriggerState) -> TriggerState:
        await self._store.save(state)
        return state
