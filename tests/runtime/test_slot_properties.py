"""Whatever happens to executions of a flow with a limit, in any order: the limit holds and nobody waits for ever."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import Conflict, NotFound, Refused
from engine.executor.limits import GRANTED
from engine.ids import ExecutionId
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings, Sqlite
from engine.state.execution import Execution
from engine.state.status import Status
from engine.store.rows import ExecutionFilter

EXAMPLES = int(os.environ.get("TIDEGATE_SLOT_EXAMPLES", "8"))
RUNS = (Status.RUNNING, Status.PAUSED, Status.RETRYING, Status.RESTARTED, Status.KILLING)

ACTIONS = (
    "create", "create", "create", "create old", "resume", "resume", "kill", "kill", "restart", "delete",
    "unqueue", "force", "limit", "no limit", "reload",
)  # fmt: skip


def source(limit: int | None, number: int) -> str:
    concurrency = "" if limit is None else f"concurrency: {{limit: {limit}}}\n"
    return (
        f"# {number}\nid: limited\nnamespace: shop\n{concurrency}"
        "tasks:\n  - {id: pause, type: core.flow.Pause}\n  - {id: fail, type: core.execution.Fail}\n"
    )


class Course:
    """Acts on an engine as it is told, and knows what may be.

    forced: executions that went beyond the limit by hand
    restarted: executions that were restarted since the last check
    allowed: how many others may run; more than the limit where it was lowered meanwhile
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.limit: int | None = 2
        self.revisions = 0
        self.forced: set[ExecutionId] = set()
        self.killed: set[ExecutionId] = set()
        self.restarted: set[ExecutionId] = set()
        self.allowed: float = 2

    async def save(self, engine: Engine, limit: int | None) -> None:
        self.limit = limit
        self.revisions += 1
        await engine.control.save_flow(source(limit, self.revisions))

    async def act(self, engine: Engine, action: str, number: int) -> None:
        if action == "create":
            await engine.control.create("shop", "limited")
        elif action == "create old":
            await engine.control.create("shop", "limited", revision=1 + number % self.revisions)
        elif action == "limit":
            await self.save(engine, 1 + number % 3)
        elif action == "no limit":
            await self.save(engine, None)
        else:
            found = await engine.store.executions.list(ExecutionFilter(limit=100))
            if found:
                await self._act_on(engine, action, found[number % len(found)])

    async def _act_on(self, engine: Engine, action: str, execution: Execution) -> None:
        control, id = engine.control, execution.id
        if action == "kill":
            await control.kill(id)
            self.killed.add(id)
        elif action == "resume":
            await control.resume(id)
        elif action == "restart":
            await control.restart(id)
            self.restarted.add(id)
        elif action == "delete":
            if execution.state.terminal or execution.state is Status.QUEUED:
                await engine.store.executions.delete(id)
        elif action == "unqueue":
            await control.unqueue(id)
            self.forced.add(id)
        elif action == "force":
            if execution.state is Status.QUEUED:
                self.forced.add(id)
            await control.force_run(id)

    async def check(self, engine: Engine) -> None:
        """Nothing disagrees, the limit holds, who waits can start, what was killed stays so."""
        await engine.slots.check()
        assert engine.slots.repaired == 0
        found = {it.id: it for it in await engine.store.executions.list(ExecutionFilter(limit=100))}
        running = {id for id, it in found.items() if it.state in RUNS} - self.forced
        use = await engine.store.slots.of("shop", "limited")
        told = {
            timer.execution
            for timer in await engine.store.timers.due(engine.node.id, 2**62, 1000)
            if timer.kind == GRANTED
        }
        self.allowed = float("inf") if use.limit is None else max(use.limit, min(self.allowed, len(running)))
        assert len(running) <= self.allowed
        for id, execution in found.items():
            if execution.state is Status.QUEUED and not (id in use.waiting or id in told):
                # It may have begun since it was looked at.
                assert (await engine.store.executions.head(id))[0].state is not Status.QUEUED
        assert not use.waiting or (use.limit is not None and len(use.running) >= use.limit)
        # Of a kill and a restart at once nobody knows which one came last.
        self.killed -= self.restarted
        self.restarted.clear()
        for id in self.killed & found.keys():
            assert found[id].state in (Status.KILLING, Status.KILLED)

    async def finish(self, engine: Engine) -> None:
        """Everybody gets a turn: when all that runs is killed again and again, nobody is left."""
        with anyio.fail_after(20):
            while open_ones := [
                it for it in await engine.store.executions.list(ExecutionFilter(limit=100)) if not it.state.terminal
            ]:
                for execution in open_ones:
                    if execution.state in RUNS:
                        with contextlib.suppress(Conflict, NotFound):
                            await engine.control.kill(execution.id)
                await anyio.sleep(0.001)
        ended = {it.id: it.state for it in await engine.store.executions.list(ExecutionFilter(limit=100))}
        assert {ended[id] for id in self.killed & ended.keys()} <= {Status.KILLED}
        use = await engine.store.slots.of("shop", "limited")
        assert (use.running, use.waiting) == ((), ())
        await engine.slots.check()
        assert engine.slots.repaired == 0


async def go(steps: list[tuple[str, int]], together: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        course = Course(Path(folder))
        left = list(steps)
        saved = False
        while left or not saved:
            async with open_engine(course.folder, Settings(sqlite=Sqlite(synchronous="NORMAL"))) as engine:
                if not saved:
                    await course.save(engine, 2)
                    saved = True
                await engine.nodes.recover()
                await _until_reload(engine, course, left, together)
                if not left:
                    await course.finish(engine)


async def _until_reload(engine: Engine, course: Course, left: list[tuple[str, int]], together: int) -> None:
    """Do steps, some of them at once, up to one that opens the engine anew."""
    while left:
        group: list[tuple[str, int]] = []
        while left and len(group) < together and left[0][0] != "reload":
            group.append(left.pop(0))
        async with anyio.create_task_group() as tasks:
            for action, number in group:
                tasks.start_soon(_try, engine, course, action, number)
        await course.check(engine)
        if left and left[0][0] == "reload":
            left.pop(0)
            return


async def _try(engine: Engine, course: Course, action: str, number: int) -> None:
    # What is no longer as it was when it was chosen is refused, and that is all.
    with contextlib.suppress(Refused, Conflict, NotFound):
        await course.act(engine, action, number)


@pytest.mark.timeout(300)
@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 99)), max_size=40), together=st.integers(1, 5))
def test_the_limit_holds_and_nobody_waits_for_ever(steps: list[tuple[str, int]], together: int) -> None:
    anyio.run(go, steps, together)
