"""Decides on the dates of schedules, one after another, each once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from msgspec.structs import replace

from engine.clock import Clock, local_zone, to_datetime, to_millis
from engine.errors import Blocked, Conflict, ExpressionError, InvalidInputs, Refused, TaskError
from engine.plugin import Calendar
from engine.runtime.triggering.firing import Event, Firing, Loaded, execution_of
from engine.state.status import Status
from engine.state.trigger import TriggerState
from engine.store.protocols import TriggerStore
from engine.store.rows import Outcome
from triggers.missed import TICK, Watch, first_due
from triggers.schedule import Dated

# Executions for missed dates begin no faster than this.
PACE = 1000
# So many dates are looked at for one that fits the conditions.
LOOKED_AT = 600
# What says that an execution of this date can't be, so that the next date has its turn.
FAILED = frozenset({Status.FAILED, Status.KILLED, Status.CANCELLED})
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
        """Decide on the first date that wasn't, if it is due, or on one of a backfill.

        since: from when on somebody has been looking at this schedule
        Returns the new state, and before when not to look again. Raises Conflict where somebody else was here; anything
        else leaves the date undecided.
        """
        due = await self._due(state, since)
        now = to_datetime(self._clock.now())
        if state.next is None:
            # Its dates count from now on.
            following = await self._next(due, now)
            if following is not None or not state.backfilling:
                return await self._save(self._passed(state, following)), 0
        else:
            date = first_due(due.calendar, to_datetime(state.next), now, due.watch)
            if date is None or to_millis(date) != state.next:
                upto = "all" if date is None else f"those before {_text(date.astimezone(due.zone))}"
                self._firing.note(
                    state.key, Outcome.SKIPPED, f"dates that were missed are left out: {upto}", state.next
                )
            if date is not None and date <= now:
                return await self._live(due, date.astimezone(due.zone), now)
            if date is None or to_millis(date) != state.next:
                return await self._save(self._passed(state, date)), 0
        return await self._make_up(due, now) if state.backfilling else (state, 0)

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

    async def _live(self, due: Due, date: datetime, now: datetime) -> tuple[TriggerState, int]:
        """Decide on a date that is due."""
        following = await self._next(due, date)
        passed = replace(self._passed(due.state, following), date=to_millis(date))
        if following is not None and due.watch.missed(following):
            passed = replace(passed, recover=due.state.recover)
        missed = due.watch.missed(date)
        event = self._event(due, date, str(to_millis(date)), following)
        event = event._replace(labels={"system.catchup": "true"} if missed else {})
        return await self._settle(due, date, event, passed), to_millis(now) + PACE if missed else 0

    async def _make_up(self, due: Due, now: datetime) -> tuple[TriggerState, int]:
        """Decide on the next date of a backfill."""
        backfill = due.state.backfill
        assert backfill is not None
        found = due.calendar.after(to_datetime(backfill.current) - TICK)
        date, following = found, None if found is None else due.calendar.after(found)
        last = following is None or to_millis(following) > backfill.end
        left = None if last or following is None else replace(backfill, current=to_millis(following))
        passed = replace(self._passed(due.state, None), next=due.state.next, recover=due.state.recover, backfill=left)
        if date is None or to_millis(date) > backfill.end:
            return await self._save(replace(passed, backfill=None)), 0
        event = self._event(due, date, str(to_millis(date)), following)
        if not await self._wanted(due, backfill.mode, event):
            return await self._save(passed), 0
        if backfill.mode != "MISSING":
            # Of a date that was decided on there is an execution already.
            event = event._replace(key=f"backfill {backfill.id} {event.key}")
        event = event._replace(inputs=backfill.inputs, labels=backfill.labels)
        return await self._settle(due, date, event, passed), to_millis(now) + PACE

    async def _wanted(self, due: Due, mode: str, event: Event) -> bool:
        """Whether a backfill of this mode makes up for a date: by what became of the date's own execution."""
        if mode == "ALL":
            return True
        state = await self._firing.state_of(execution_of(due.loaded, event))
        return state is None if mode == "MISSING" else state in FAILED

    async def _settle(self, due: Due, date: datetime, event: Event, passed: TriggerState) -> TriggerState:
        """Start the execution of a date, or pass it over; `passed` is the state that follows in both cases."""
        try:
            if not await self._holds(due, date):
                self._firing.note(due.state.key, Outcome.SKIPPED, "its conditions do not hold", event.date)
                return await self._save(passed)
            if due.conditional and due.plugin.shows_dates:
                event = event._replace(variables=await self._fitting(due, date))
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
                self._firing.note(due.state.key, Outcome.ERROR, str(error), event.date)
                return await self._save(failed)
            await self._firing.fail(due.loaded, event, str(error), failed)
            return failed

    def _event(self, due: Due, date: datetime, key: str, following: datetime | None) -> Event:
        if not due.plugin.shows_dates:
            return Event(key, {}, scheduled=to_millis(date), date=to_millis(date))
        if due.conditional:
            # Which dates are around it is found out when it counts itself.
            return Event(key, {"date": _text(date)}, date=to_millis(date))
        return Event(key, _shown(date, following, self._before(due, date)), date=to_millis(date))

    def _before(self, due: Due, date: datetime) -> datetime | None:
        last = due.state.date
        if last is not None:
            # Most often it was the last one that was decided on, which costs less to see than to find.
            after = due.calendar.after(to_datetime(last))
            if after is not None and to_millis(after) == to_millis(date):
                return to_datetime(last).astimezone(due.zone)
        return due.calendar.before(date)

    async def _holds(self, due: Due, date: datetime) -> bool:
        """Whether a date counts. Raises ExpressionError, TaskError."""
        if not due.conditional:
            return True
        around = _shown(date, due.calendar.after(date), due.calendar.before(date))
        return await self._firing.holds(due.loaded, around)

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

    async def _fitting(self, due: Due, date: datetime) -> dict[str, Any]:
        """The date with those before and after it that count too, where there are any."""
        before, _ = await self._first(due, date, due.calendar.before)
        after, _ = await self._first(due, date, due.calendar.after)
        return _shown(date, after, before)

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


def _shown(date: datetime, following: datetime | None, before: datetime | None) -> dict[str, Any]:
    """What the execution of a date sees as `trigger.*`."""
    dates = {"date": date, "next": following, "previous": before}
    return {name: _text(at) for name, at in dates.items() if at is not None}


def _text(date: datetime) -> str:
    return date.isoformat().replace("+00:00", "Z")
