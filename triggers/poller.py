"""Polls triggers when they are due."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from engine.clock import Clock
from engine.errors import TidegateError
from engine.runtime.triggering.firing import Event, Firing
from engine.runtime.triggering.polling import Polls
from engine.state.trigger import TriggerState
from engine.store.protocols import TriggerStore


class Poller:
    """Evaluates triggers that look at something."""

    def __init__(self, polls: Polls, firing: Firing, store: TriggerStore, clock: Clock) -> None:
        self._polls = polls
        self._firing = firing
        self._store = store
        self._clock = clock

    async def evaluate(self, state: TriggerState, progress: Callable[[], None]) -> TriggerState:
        """Poll a trigger; returns its new state, which is stored.

        Raises Conflict where somebody else was here; anything else lets the poll count as failed.
        """
        loaded = await self._firing.load(*state.key)
        try:
            polled = await self._polls.poll(loaded, progress)
        except TidegateError as error:
            if loaded.definition.fields.fail_on_trigger_error:
                await self._firing.fail(loaded, Event(f"failed at {self._clock.now()}", {}), str(error))
            raise
        now = self._clock.now()
        soon = now + polled.interval if polled.again is None else polled.again
        new = replace(
            state,
            evaluated=now,
            fired=now if polled.started else state.fired,
            next=max(now + 1, min(now + polled.interval, soon)),
            failures=0,
            error=None,
            updated=now,
            version=state.version + 1,
        )
        await self._store.save(new)
        return new
