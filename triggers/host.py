"""The trigger host: knows when each trigger of the installation is due, and lets it be evaluated then.

Who is due lies on one heap; nothing looks at all triggers. Each evaluation is by itself: one that fails or hangs costs
no other trigger anything.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup, TaskStatus
from msgspec.structs import replace

from engine.clock import Clock, to_datetime
from engine.errors import Conflict, TidegateError, Unavailable
from engine.plugin import PollingTrigger, Trigger
from engine.runtime.triggering.firing import Firing
from engine.runtime.triggering.polling import Polls
from engine.state.trigger import TriggerState
from engine.store.protocols import Store
from engine.store.rows import Outcome
from triggers.flow import Flow
from triggers.follower import Follower
from triggers.poller import Poller
from triggers.schedule import Dated
from triggers.scheduler import Scheduler

if TYPE_CHECKING:
    from engine.runtime.engine import Engine

# Changes by other processes are looked for, and the clock is compared with where it should be, each so many seconds.
LOOK_SECONDS = 1.0
# A clock that goes further than this beyond what passed was set, or the machine slept.
JUMP_MILLISECONDS = 10_000
# An evaluation may take so long.
EVALUATION_SECONDS = 600.0
# How long a trigger waits after a failure: twice as long each time, up to the most.
FIRST_WAIT, MOST_WAIT = 1000, 900_000
AT_ONCE = 1000

Key = tuple[str, str, str]


class Host:
    """The triggers of this installation, as one process evaluates them."""

    def __init__(self, store: Store, firing: Firing, polls: Polls, clock: Clock) -> None:
        self._store = store.triggers
        self._changes = store.state_changes
        self._firing = firing
        self._clock = clock
        self._scheduler = Scheduler(firing, store.triggers, clock)
        self._follower = Follower(firing, store, clock)
        self._poller = Poller(polls, firing, store.triggers, clock)
        self._told: set[Key] = set()
        self._told_serial = 0
        self._looked = False
        self._known: dict[Key, TriggerState] = {}
        self._since: dict[Key, int] = {}
        self._busy: set[Key] = set()
        self._waits: dict[Key, int] = {}
        self._heap: list[tuple[int, Key, int]] = []
        self._serial = 0
        self._began = clock.now()
        self._changed = anyio.Event()
        self._limiter = anyio.CapacityLimiter(AT_ONCE)
        self._log = logging.getLogger("tidegate.triggers")

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Evaluate what is due until cancelled."""
        self._store.listen(self._hint)
        async with anyio.create_task_group() as tasks:
            self._began = self._clock.now()
            await self._look()
            self._looked = True
            task_status.started()
            while True:
                self._start_due(tasks)
                await self._sleep()
                await self._look()

    def _hint(self) -> None:
        self._changed.set()

    async def _sleep(self) -> None:
        """Wait until something is due or has changed."""
        now = self._clock.now()
        due = self._heap[0][0] - now if self._heap else LOOK_SECONDS * 1000
        seconds = min(LOOK_SECONDS, max(0.0, due / 1000))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._wake_after, seconds, tasks)
            await self._changed.wait()
            tasks.cancel_scope.cancel()
        self._changed = anyio.Event()
        if self._clock.now() - now > seconds * 1000 + JUMP_MILLISECONDS:
            # What was due meanwhile nobody could see to.
            self._began = self._clock.now()

    async def _wake_after(self, seconds: float, tasks: TaskGroup) -> None:
        await self._clock.sleep(seconds)
        tasks.cancel_scope.cancel()

    async def _look(self) -> None:
        """Take in what changed since the last look."""
        try:
            for state in await self._store.changed(self._serial):
                self._serial = state.serial
                self._take_in(state)
            for told in await self._changes.told(self._told_serial):
                self._told_serial = told.serial
                self._tell(told.key)
        except Unavailable as error:
            self._log.warning("Changes of triggers can't be read for now: %s", error)

    def _take_in(self, state: TriggerState) -> None:
        known = self._known.get(state.key)
        if known is not None and known.version >= state.version:
            return
        if known is None or known.fingerprint != state.fingerprint or state.gone is not None:
            self._firing.outdated(state.namespace, state.flow)
        if not state.active:
            self._forget(state.key)
            return
        if known is None:
            self._since[state.key] = self._clock.now()
            if self._looked and self._is(state, Flow):
                # What it was told before it was switched off waits for it.
                self._told.add(state.key)
        if known is None or known.fingerprint != state.fingerprint:
            self._waits.pop(state.key, None)
        self._know(state)

    def _forget(self, key: Key) -> None:
        for of in (self._known, self._since, self._waits):
            of.pop(key, None)

    def _tell(self, key: Key) -> None:
        """A trigger was told of an execution."""
        self._told.add(key)
        if key in self._known:
            self._know(self._known[key])

    def _know(self, state: TriggerState) -> None:
        """Remember a state, and when to look at it next: at once where its next date is to be found out."""
        self._known[state.key] = state
        told = state.key in self._told
        expects = state.next is not None and self._is(state, Flow)
        if told or expects or (state.execution is None and self._is(state, Dated, PollingTrigger)):
            next = 0 if told or state.backfilling else state.next or 0
            due = max(next, self._waits.get(state.key, 0))
            heapq.heappush(self._heap, (due, state.key, state.version))

    def _is(self, state: TriggerState, *kinds: type[Trigger]) -> bool:
        plugin = self._firing.plugin(state.type)
        return plugin is not None and issubclass(plugin, kinds)

    def _start_due(self, tasks: TaskGroup) -> None:
        now = self._clock.now()
        while self._heap and self._heap[0][0] <= now:
            _, key, version = heapq.heappop(self._heap)
            state = self._known.get(key)
            if state is not None and state.version == version and key not in self._busy:
                self._busy.add(key)
                tasks.start_soon(self._evaluate, state)

    async def _evaluate(self, state: TriggerState) -> None:
        """Evaluate one trigger; whatever goes wrong is its own affair."""
        key = state.key
        try:
            async with self._limiter:
                with anyio.fail_after(EVALUATION_SECONDS) as time_out:
                    new, self._waits[key] = await self._ask(state, time_out)
            if new.next is None and not new.backfilling and self._is_latest(new) and key not in self._told:
                # It has no more dates.
                self._known[key] = new
                return
        except Conflict:
            # Somebody else was here: what is stored is what counts.
            new = await self._stored(state)
        except Exception as error:
            new = await self._failed(state, error)
        finally:
            self._busy.discard(key)
        if key not in self._known:
            return
        if not new.active:
            self._forget(key)
            return
        self._know(new if self._is_latest(new) else self._known[key])
        self._changed.set()

    async def _ask(self, state: TriggerState, time_out: anyio.CancelScope) -> tuple[TriggerState, int]:
        """Let a trigger decide. Returns its new state, and before when not to look again. Raises what goes wrong."""

        def progress() -> None:
            time_out.deadline = anyio.current_time() + EVALUATION_SECONDS

        if self._is(state, PollingTrigger):
            return await self._poller.evaluate(state, progress), 0
        if not self._is(state, Flow):
            since = max(self._began, self._since.get(state.key, 0))
            return await self._scheduler.evaluate(state, to_datetime(since))
        self._told.discard(state.key)
        more = True
        try:
            new, more = await self._follower.evaluate(state, progress)
        finally:
            if more:
                self._told.add(state.key)
        return new, 0

    def _is_latest(self, state: TriggerState) -> bool:
        known = self._known.get(state.key)
        return known is not None and state.version >= known.version

    async def _stored(self, state: TriggerState) -> TriggerState:
        try:
            return await self._store.get(*state.key)
        except TidegateError:
            self._wait(state)
            return state

    async def _failed(self, state: TriggerState, error: Exception) -> TriggerState:
        """Note a failure, and try again later, the later the more there were."""
        name = ".".join(state.key)
        if isinstance(error, TidegateError | TimeoutError | ValueError):
            text = str(error) or f"it took longer than {EVALUATION_SECONDS:g} s"
            self._log.warning("Trigger %s can't be evaluated: %s", name, text)
        else:
            text = f"{type(error).__name__}: {error}"
            self._log.error("Trigger %s can't be evaluated", name, exc_info=error)
        self._wait(state)
        self._firing.note(state.key, Outcome.ERROR, text)
        now = self._clock.now()
        failed = replace(
            state, failures=state.failures + 1, error=text, evaluated=now, updated=now, version=state.version + 1
        )
        try:
            await self._store.save(failed)
        except TidegateError:
            return await self._stored(state)
        return failed

    def _wait(self, state: TriggerState) -> None:
        wait = min(MOST_WAIT, FIRST_WAIT << min(state.failures, 20))
        self._waits[state.key] = self._clock.now() + wait


@asynccontextmanager
async def hosting(engine: Engine) -> AsyncIterator[None]:
    """Let triggers start executions while the block is open."""
    host = Host(engine.store, engine.firing, engine.polls, engine.clock)
    async with anyio.create_task_group() as tasks:
        await tasks.start(host.run)
        yield
        tasks.cancel_scope.cancel()
