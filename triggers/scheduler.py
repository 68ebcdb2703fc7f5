"""Decides on the dates of schedules, one after another, each once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from msgspec.structs import replace

from engine.clock import Clock, local_zone, to_datetime, to_millis
from engine.errors import Blocked, Conflict, ExpressionError, InvalidInputs, Refused, TaskError
from engine.runtime.firing import Event, Firing, Loaded, execution_of
from engine.state.trigger import TriggerState
from engine.store.protocols import TriggerStore
from triggers.missed import Watch, first_due
from triggers.schedule import Calendar, Dated

# Executions for missed dates begin no faster than this.
PACE = 1000
# So many dates are looked at for one that fits the conditions.
LOOKED_AT = 600
# What says that an execution of this date can't be, so that the next date has its turn.
OF_THE_DATE = (ExpressionError, TaskError, InvalidInputs, Blocked, Refused)

Step = Callable[[datetime], datetime | None]


class Due(NamedTuple):
    """A schedule to decide on."""

    state: TriggerState
    loaded: Loaded
    plugin: Dated
    zone: tzinfo
    calendar: Calendar
    watch: Watch

    @property
    def conditional(self) -> bool:
        """Whether not all of its dates count."""
        definition = self.loaded.definition
        return bool(definition.conditions) or definition.fields.when is not None


class Scheduler:
    """Evaluates schedules."""

    def __init__(self, firing: Firing, store: TriggerStore, clock: Clock) -> None:
        self._firing = firing
        self._store = store
        self._clock = clock
        self._zone = local_zone()

    async def evaluate(self, state: TriggerState, since: datetime) -> tuple[TriggerState, int]:
        """Decide on the first date that wasn't, if it is due. Returns the new state, and before when not to look again.

        since: from when on somebody has been looking at this schedule
        Raises Conflict where somebody else was here; anything else leaves the date undecided.
        """
        due = await self._due(state, since)
        now = to_datetime(self._clock.now())
        if state.next is None:
            # Its dates count from now on.
            return await self._save(self._passed(state, await self._next(due, now))), 0
        date = first_due(due.calendar, to_datetime(state.next), now, due.watch)
        if date is None or date > now:
            return await self._save(self._passed(state, date)), 0
        return await self._decide(due, date.astimezone(due.zone)), to_millis(now) + PACE if due.watch.missed(
            date
        ) else 0

    async def _due(self, state: TriggerState, since: datetime) -> Due:
        loaded = await self._firing.load(*state.key)
        plugin = loaded.definition.plugin
        if not isinstance(plugin, Dated):
            raise ValueError("its dates hold templates, which are not rendered")
        late = plugin.late_maximum_delay
        recover = state.recover or plugin.recover_missed_schedules or "ALL"
        watch = Watch(since, recover, None if late is None else timedelta(milliseconds=late))
        zone = plugin.zone(self._zone)
        return Due(state, loaded, plugin, zone, plugin.calendar(zone), watch)

    async def _decide(self, due: Due, date: datetime) -> TriggerState:
        """Start the execution of a date, or pass it over."""
        following = await self._next(due, date)
        passed = replace(self._passed(due.state, following), date=to_millis(date))
        if following is not None and due.watch.missed(following):
            passed = replace(passed, recover=due.state.recover)
        event = self._event(due, date)
        try:
            if not await self._holds(due, date):
                return await self._save(passed)
            if due.conditional and due.plugin.shows_dates:
                event = event._replace(variables=await self._fitting(due, date, following))
            fired = replace(passed, fired=passed.evaluated)
            if not due.loaded.definition.fields.allow_concurrent:
                fired = replace(fired, execution=execution_of(due.loaded, event))
            await self._firing.fire(due.loaded, event, fired)
            return fired
        except Conflict:
            stored = await self._store.get(*due.state.key)
            if stored.version != due.state.version:
                raise
            # The date was decided before, by a clock that was set back since or before the trigger came back.
            return await self._save(passed)
        except OF_THE_DATE as error:
            failed = replace(passed, failures=due.state.failures + 1, error=f"{_text(date)}: {error}")
            if not due.loaded.definition.fields.fail_on_trigger_error:
                return await self._save(failed)
            await self._firing.fail(due.loaded, event, str(error), failed)
            return failed

    def _event(self, due: Due, date: datetime) -> Event:
        shown = due.plugin.shows_dates
        return Event(
            key=str(to_millis(date)),
            variables=self._variables(due.calendar, date) if shown else {},
            labels={"system.catchup": "true"} if due.watch.missed(date) else {},
            scheduled=None if shown else to_millis(date),
        )

    def _variables(self, calendar: Calendar, date: datetime) -> dict[str, Any]:
        dates = {"date": date, "next": calendar.after(date), "previous": calendar.before(date)}
        return {name: _text(at) for name, at in dates.items() if at is not None}

    async def _holds(self, due: Due, date: datetime) -> bool:
        """Whether a date counts. Raises ExpressionError, TaskError."""
        return not due.conditional or await self._firing.holds(due.loaded, self._variables(due.calendar, date))

    async def _next(self, due: Due, moment: datetime) -> datetime | None:
        """The first date after a moment that counts, as far as one can see; whether it does is asked again then."""
        found, last = await self._first(due, moment, due.calendar.after)
        return found or last

    async def _first(self, due: Due, moment: datetime, step: Step) -> tuple[datetime | None, datetime | None]:
        """The first date in one direction that counts or can't be told, and the last one that was looked at."""
        date = step(moment)
        for _ in range(LOOKED_AT if due.conditional else 1):
            if date is None:
                break
            try:
                if await self._holds(due, date):
                    return date, date
            except OF_THE_DATE:
                return date, date
            moment, date = date, step(date)
        return None, date

    async def _fitting(self, due: Due, date: datetime, following: datetime | None) -> Mapping[str, Any]:
        """The date with those before and after it that count too, where there are any."""
        before, _ = await self._first(due, date, due.calendar.before)
        after, _ = await self._first(due, date, due.calendar.after)
        dates = {"date": date, "next": after, "previous": before}
        return {name: _text(at) for name, at in dates.items() if at is not None}

    def _passed(self, state: TriggerState, following: datetime | None) -> TriggerState:
        """The state where nothing before a date is left to decide."""
        now = self._clock.now()
        return replace(
            state,
            next=None if following is None else to_millis(following),
            recover=None,
            evaluated=now,
            updated=now,
            failures=0,
            error=None,
            version=state.version + 1,
        )

    async def _save(self, state: TriggerState) -> TriggerState:
        await self._store.save(state)
        return state


def _text(date: datetime) -> str:
    return date.isoformat().replace("+00:00", "Z")
