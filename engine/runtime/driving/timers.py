"""Turns rows with a due time into Due events."""

from __future__ import annotations

import logging

import anyio
from anyio.abc import TaskStatus

from engine.clock import Clock
from engine.errors import TidegateError, Unavailable
from engine.runtime.driving.driver import Driver
from engine.state.event import Due
from engine.store.protocols import TimerStore
from engine.store.rows import Timer

LOOK_SECONDS = 5.0
BATCH = 500


class Timers:
    """The timers of this process's executions. Nothing long sleeps in memory: between two it only knows the next."""

    def __init__(self, store: TimerStore, driver: Driver, clock: Clock, owner: str) -> None:
        self._store = store
        self._driver = driver
        self._clock = clock
        self._owner = owner
        self._next: int | None = None
        self._sooner = anyio.Event()

    def hint(self, due: int) -> None:
        """A timer was stored; it may be the next one."""
        if self._next is None or due < self._next:
            self._next = due
            self._sooner.set()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Send what comes due until cancelled."""
        task_status.started()
        while True:
            await self._wait()
            try:
                await self._send_due()
                self._next = await self._store.next_due(self._owner)
            except Unavailable:
                self._next = self._clock.now() + 1000

    async def _wait(self) -> None:
        self._sooner = anyio.Event()
        now = self._clock.now()
        seconds = LOOK_SECONDS if self._next is None else min(LOOK_SECONDS, max(0.0, (self._next - now) / 1000))
        with anyio.move_on_after(seconds):
            await self._sooner.wait()
            # It may be due a little later: wait again, with the new time.
            self._sooner = anyio.Event()
            left = (self._next or now) - self._clock.now()
            if left > 0:
                with anyio.move_on_after(left / 1000):
                    await self._sooner.wait()

    async def _send_due(self) -> None:
        while True:
            timers = await self._store.due(self._owner, self._clock.now(), BATCH)
            async with anyio.create_task_group() as tasks:
                for timer in timers:
                    tasks.start_soon(self._send, timer)
            if len(timers) < BATCH:
                return

    async def _send(self, timer: Timer) -> None:
        try:
            await self._driver.submit(timer.execution, Due(at=self._clock.now(), path=timer.path, kind=timer.kind))
        except TidegateError as error:
            logging.getLogger("tidegate").warning("Timer of execution %s not delivered: %s", timer.execution, error)
