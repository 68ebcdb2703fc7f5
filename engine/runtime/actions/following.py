"""Follows executions and their logs as they go on, woken by what the engine does and not by looking again and again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import anyio

from engine.clock import monotonic
from engine.ids import ExecutionId
from engine.runtime.driving.driver import Driver
from engine.runtime.keeping.logs import LogPump
from engine.state.execution import Execution, ExecutionKind, TaskRun
from engine.state.record import Record
from engine.state.status import Status
from engine.store.protocols import Store
from engine.store.rows import ExecutionFilter, LogLine

TICK_SECONDS = 1.0
"""How often whoever follows is told that nothing happened, and executions of other processes are looked at."""
LEAST_SECONDS = 0.05
SHARE = 10
"""What is read of an execution takes at most one part in so many of the time."""
LINES = 1000
MEMBERS = 1000
"""How many executions are followed together."""

Lines = Sequence[LogLine]


class Bell:
    """Rings when something happened since it was last heard."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = anyio.Event()

    def ring(self) -> None:
        self._event.set()

    def silence(self) -> None:
        if self._event.is_set():
            self._event = anyio.Event()

    async def heard(self, seconds: float) -> bool:
        """Wait for it, at most so long; False where it did not ring."""
        with anyio.move_on_after(seconds):
            await self._event.wait()
            return True
        return False


class Following:
    """Who follows which execution in this process."""

    def __init__(self, store: Store, driver: Driver, logs: LogPump, owner: str) -> None:
        self._store = store
        self._logs = logs
        self._owner = owner
        self._bells: dict[ExecutionId, list[Bell]] = {}
        driver.observers.append(self._changed)
        logs.listeners.append(self._said)

    @property
    def open(self) -> int:
        """How many follow something."""
        return sum(map(len, self._bells.values()))

    async def execution(self, id: ExecutionId) -> AsyncGenerator[Record | None, None]:
        """An execution as it is, and again whenever it changed, until it has ended wholly; None: nothing happened.

        To be closed by whoever asks. Raises NotFound, also when it is deleted meanwhile.
        """
        seen = 0
        with self._listening(id) as bell:
            while True:
                bell.silence()
                before = monotonic()
                head, owner = await self._store.executions.head(id)
                if head.version != seen:
                    record = (await self._store.executions.load(id)).record
                    seen = record.execution.version
                    yield record
                    if record.execution.finished:
                        return
                    await anyio.sleep(max(LEAST_SECONDS, (monotonic() - before) * SHARE))
                if not await self._heard(bell, owner):
                    yield None

    async def family(self, id: ExecutionId, *, below: bool = False) -> AsyncGenerator[Execution | None, None]:
        """An execution and those connected with it by having started each other, each whenever its state changed.

        Until all of them have ended; None: nothing happened. To be closed by whoever asks. Raises NotFound.

        below: only those that it started, and that these did
        """
        top = id if below else await self._top(id)
        seen: dict[ExecutionId, Status] = {}
        listened: set[ExecutionId] = set()
        bell = Bell()
        with ExitStack() as listening:
            while True:
                bell.silence()
                before = monotonic()
                members = await self._members(top)
                for member in members:
                    if member.id not in listened:
                        listened.add(member.id)
                        listening.enter_context(self._listening(member.id, bell))
                    if member.kind is not ExecutionKind.LOOP and seen.get(member.id) is not member.state:
                        seen[member.id] = member.state
                        yield member
                if all(member.finished for member in members):
                    return
                await anyio.sleep(max(LEAST_SECONDS, (monotonic() - before) * SHARE))
                if not await bell.heard(TICK_SECONDS):
                    yield None

    async def _top(self, id: ExecutionId) -> ExecutionId:
        """The execution that nobody started, of those above one."""
        while (caller := (await self._store.executions.head(id))[0].caller) is not None:
            if not await self._store.executions.heads([caller.execution]):
                break
            id = caller.execution
        return id

    async def _members(self, top: ExecutionId) -> list[Execution]:
        found = [(await self._store.executions.head(top))[0]]
        for member in found:
            if len(found) < MEMBERS:
                where = ExecutionFilter(kinds=(), caller=member.id, limit=MEMBERS)
                found += await self._store.executions.list(where)
        return found

    async def lines(
        self, id: ExecutionId, levels: Sequence[str] = ()
    ) -> AsyncGenerator[Sequence[LogLine] | None, None]:
        """The log lines of an execution as they come, until it has ended wholly; None: nothing happened.

        To be closed by whoever asks. Raises NotFound.
        """
        home = (await self._store.executions.head(id))[0].home
        after = 0
        with self._listening(id) as bell, self._listening(home, bell):
            while True:
                bell.silence()
                head, owner = await self._store.executions.head(id)
                await self._logs.flushed()
                while page := await self._store.logs.lines(home, levels=levels, after=after, limit=LINES):
                    after = page[-1][0]
                    yield [line for _, line in page]
                if head.finished:
                    return
                if await self._heard(bell, owner):
                    await anyio.sleep(LEAST_SECONDS)
                else:
                    yield None

    async def _heard(self, bell: Bell, owner: str) -> bool:
        """Wait for a change; False where a moment passed without one, as far as this process knows."""
        return await bell.heard(TICK_SECONDS if owner == self._owner else TICK_SECONDS / 4)

    @contextmanager
    def _listening(self, id: ExecutionId, bell: Bell | None = None) -> Iterator[Bell]:
        bell = bell or Bell()
        self._bells.setdefault(id, []).append(bell)
        try:
            yield bell
        finally:
            self._bells[id].remove(bell)
            if not self._bells[id]:
                del self._bells[id]

    def _changed(self, execution: Execution, runs: Sequence[TaskRun]) -> None:
        for bell in self._bells.get(execution.id, ()):
            bell.ring()

    def _said(self, line: LogLine) -> None:
        for bell in self._bells.get(line.execution, ()):
            bell.ring()
