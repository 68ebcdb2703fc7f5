"""An engine with the host of triggers, whose clock a test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path

import anyio

from engine.clock import ManualClock, to_millis
from engine.ids import ExecutionId
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.execution import Execution
from engine.state.trigger import TriggerState
from engine.store.rows import ExecutionFilter
from triggers.host import LOOK_SECONDS, hosting

SECONDS = 30
STEP_SECONDS = 9


def moment(text: str) -> datetime:
    """`2026-05-04T12:00:00Z` as an aware moment."""
    return datetime.fromisoformat(text)


class Bench:
    """An engine, its clock, and what a test wants to know of both."""

    def __init__(self, engine: Engine, clock: ManualClock) -> None:
        self.engine = engine
        self.clock = clock

    async def save(self, source: str) -> None:
        await self.engine.control.save_flow(source)

    async def state(self, id: str = "tick", flow: str = "flow") -> TriggerState:
        return await self.engine.store.triggers.get("test", flow, id)

    async def started(self, flow: str = "flow") -> list[Execution]:
        """The executions of a flow, the first one first."""
        found = await self.engine.store.executions.list(ExecutionFilter(flow=flow, limit=1000))
        return sorted(found, key=lambda it: (it.created, (it.trigger.variables.get("date", "") if it.trigger else "")))

    async def dates(self, flow: str = "flow") -> list[str]:
        """Hours, minutes and seconds of the dates that executions of a flow were started for."""
        found = [it.trigger.variables["date"] for it in await self.started(flow) if it.trigger]
        return sorted(str(date)[11:19] for date in found)

    async def until(self, holds: Callable[[TriggerState], bool], id: str = "tick", flow: str = "flow") -> TriggerState:
        """Wait until the state of a trigger is so."""
        with anyio.fail_after(SECONDS):
            while True:
                state = await self.state(id, flow)
                if holds(state):
                    return state
                await anyio.sleep(0.005)

    async def next(self, at: str, id: str = "tick", flow: str = "flow") -> TriggerState:
        """Wait until the next date of a trigger is this one, and nothing of it runs."""
        wanted = to_millis(moment(at))
        return await self.until(lambda state: state.next == wanted and state.execution is None, id, flow)

    async def go(self, to: str) -> None:
        """Let time pass, in steps that are no jumps of the clock."""
        while (left := (to_millis(moment(to)) - self.clock.now()) / 1000) > 0:
            self.clock.advance(min(left, STEP_SECONDS))
            await anyio.wait_all_tasks_blocked()

    async def jump(self, to: str) -> None:
        """Let time pass at once, as when a machine sleeps."""
        await self.go_on((to_millis(moment(to)) - self.clock.now()) / 1000)

    async def go_on(self, seconds: float) -> None:
        """Let so much time pass at once, and as much more as the host sleeps where it had just looked at the clock."""
        for passed in (seconds, LOOK_SECONDS):
            self.clock.advance(passed)
            await anyio.wait_all_tasks_blocked()

    async def end(self, id: ExecutionId) -> Execution:
        with anyio.fail_after(SECONDS):
            return await self.engine.control.wait(id)


@asynccontextmanager
async def bench(folder: Path, begin: str, *, hosted: bool = True) -> AsyncIterator[Bench]:
    """A bench over a folder, where it is that time."""
    clock = ManualClock(to_millis(moment(begin)))
    async with open_engine(folder, Settings(), clock=clock, recovers=True) as engine, AsyncExitStack() as stack:
        if hosted:
            await stack.enter_async_context(hosting(engine))
        yield Bench(engine, clock)
