"""Tells executions that they have got a slot, and sees that slots and executions agree."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import anyio
from anyio.abc import TaskGroup, TaskStatus

from engine.clock import Clock
from engine.errors import Unavailable
from engine.executor.limits import GRANTED
from engine.runtime.driving.driver import Driver
from engine.runtime.driving.nodes import Nodes
from engine.state.event import Due
from engine.store.protocols import SlotStore
from engine.store.rows import Granted

CHECK_SECONDS = 60.0


class Slots:
    """Where flows limit how many of their executions run at once.

    repaired: slots that did not agree with executions since the start; anything but 0 is a fault of the engine
    """

    def __init__(self, store: SlotStore, driver: Driver, nodes: Nodes, clock: Clock, owner: str) -> None:
        self._store = store
        self._driver = driver
        self._nodes = nodes
        self._clock = clock
        self._owner = owner
        self.repaired = 0

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Tell of slots and compare them with executions until cancelled."""
        async with anyio.create_task_group() as tasks:
            self._store.listen(lambda granted: self._tell(tasks, granted))
            task_status.started()
            try:
                while True:
                    await self._clock.sleep(CHECK_SECONDS)
                    await self.check()
            finally:
                # Whoever is granted a slot from now on learns of it by its timer.
                self._store.listen(lambda granted: None)

    async def check(self) -> None:
        """Compare slots with executions now, and put right what is wrong."""
        try:
            wrong = await self._store.repair()
        except Unavailable as error:
            logging.getLogger("tidegate").warning("Slots can't be compared with executions for now: %s", error)
            return
        if wrong:
            self.repaired += wrong
            logging.getLogger("tidegate").error("%d concurrency slots did not agree with executions", wrong)

    def _tell(self, tasks: TaskGroup, granted: Sequence[Granted]) -> None:
        others = []
        for one in granted:
            if one.owner == self._owner:
                self._driver.post(one.execution, self._due())
            else:
                others.append(one)
        if others:
            tasks.start_soon(self._tell_others, others)

    async def _tell_others(self, granted: Sequence[Granted]) -> None:
        """A message is quicker than the look at their timers that other processes take now and then."""
        for execution, owner in granted:
            try:
                await self._nodes.tell(owner, execution, self._due())
            except Unavailable:
                return

    def _due(self) -> Due:
        return Due(at=self._clock.now(), path="", kind=GRANTED)
