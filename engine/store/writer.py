"""The one thread that writes the database: steps in groups, everything else one by one.

What waits while a commit is on its way to the disk goes into the next one, so that one sync serves many executions.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import anyio
import anyio.to_thread

from engine.clock import monotonic
from engine.errors import Unavailable
from engine.faults import fault_point
from engine.ids import ExecutionId
from engine.store.connection import foreseen, transaction
from engine.store.rows import Granted, Write
from engine.store.steps import Prepared, prepare_all, write_steps

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class Job(NamedTuple):
    """A step, or other work with a transaction of its own, and who waits for it."""

    step: Write | None
    work: Work[Any] | None
    waiter: asyncio.Future[Any]


class Outcome(NamedTuple):
    """How a job ended."""

    waiter: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


def unmeasured(seconds: float, jobs: int, waiting: int) -> None:
    pass


class Writer:
    """Owns the writing connection of a database.

    committed: told in the writer's thread how many seconds a group took, of how many jobs, and how many wait
    """

    def __init__(
        self, connection: sqlite3.Connection, group: int, committed: Callable[[float, int, int], None] = unmeasured
    ) -> None:
        self._connection = connection
        self._committed = committed
        self._group = group
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._closed = False
        self._granted: list[Granted] = []
        self._triggers = False
        self.on_granted: Callable[[Sequence[Granted]], None] = lambda _granted: None
        self.on_triggers: list[Callable[[], None]] = []
        self._thread.start()

    async def commit(self, step: Write) -> None:
        """Write a step durably. Raises Conflict, AtLimit or Unavailable, and then nothing of it was written."""
        await self._put(step, None)

    async def run(self, work: Work[T]) -> T:
        """Run work in a transaction of its own. Raises Unavailable, and then it had no effect."""
        result: T = await self._put(None, work)
        return result

    async def execute(self, query: str, params: Mapping[str, object]) -> list[Any]:
        """Run one statement in a transaction of its own; returns its rows. Raises Unavailable."""
        return await self.run(lambda connection: connection.execute(query, params).fetchall())

    async def close(self) -> None:
        """Finish what was asked for and stop; whoever waits is told. Takes as long as the last commit."""
        self._closed = True
        self._jobs.put(None)
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._thread.join)
        self._connection.close()

    async def _put(self, step: Write | None, work: Work[Any] | None) -> Any:
        if self._closed:
            raise Unavailable("The store is closed")
        waiter = self._loop.create_future()
        self._jobs.put(Job(step, work, waiter))
        return await waiter

    def _run(self) -> None:
        while True:
            jobs, last = self._take()
            if jobs:
                began = monotonic()
                outcomes = self._do(jobs)
                self._committed(monotonic() - began, len(jobs), self._jobs.qsize())
                try:
                    granted, self._granted = self._granted, []
                    triggers, self._triggers = self._triggers, False
                    self._loop.call_soon_threadsafe(self._tell, outcomes, granted, triggers)
                except RuntimeError:
                    # The loop is gone, and with it everybody who waited.
                    return
            if last:
                return

    def _take(self) -> tuple[list[Job], bool]:
        """The next jobs, and whether they are the last ones."""
        job = self._jobs.get()
        jobs: list[Job] = []
        while job is not None:
            jobs.append(job)
            if len(jobs) >= self._group:
                return jobs, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _do(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Do jobs in their order, neighbouring steps in one transaction."""
        outcomes: list[Outcome] = []
        group: list[tuple[Job, Sequence[Prepared]]] = []
        taken: set[ExecutionId] = set()
        for job in jobs:
            # Two steps of one execution can't go together: the second is made for what the first writes.
            if job.step is None or job.step.execution.id in taken:
                outcomes += self._write(group)
                group, taken = [], set()
            try:
                if job.step is not None:
                    group.append((job, prepare_all(job.step)))
                    taken.add(job.step.execution.id)
                elif job.work is not None:
                    outcomes.append(Outcome(job.waiter, self._transact(job.work)))
            except Exception as error:
                # It belongs to whoever waits; the thread goes on for the others.
                outcomes.append(Outcome(job.waiter, error=error))
        return outcomes + self._write(group)

    def _write(self, group: Sequence[tuple[Job, Sequence[Prepared]]]) -> list[Outcome]:
        """Write steps together; where that fails each half by itself, so that only the guilty ones fail."""
        if not group:
            return []
        try:
            all_steps = [step for _, steps in group for step in steps]
            written = self._transact(lambda connection: write_steps(connection, all_steps))
        except Unavailable as error:
            return [Outcome(job.waiter, error=Unavailable(*error.args)) for job, _ in group]
        except Exception as error:
            if len(group) == 1:
                return [Outcome(group[0][0].waiter, error=error)]
            middle = len(group) // 2
            return self._write(group[:middle]) + self._write(group[middle:])
        self._granted += written.granted
        self._triggers = self._triggers or written.triggers
        return [Outcome(job.waiter, error=written.away.get(steps[0].id)) for job, steps in group]

    def _transact(self, work: Work[T]) -> T:
        with foreseen(), transaction(self._connection):
            result = work(self._connection)
            fault_point("before commit")
        fault_point("after commit")
        return result

    def tell_triggers(self) -> None:
        """Say that states of triggers have changed."""
        for listener in self.on_triggers:
            listener()

    def _tell(self, outcomes: Sequence[Outcome], granted: Sequence[Granted], triggers: bool) -> None:
        _tell(outcomes)
        if triggers:
            self.tell_triggers()
        if granted:
            self.on_granted(granted)


def _tell(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        # A waiter that was cancelled has left: its step is written or not, but nobody asks any more.
        if not outcome.waiter.done():
            if outcome.error is None:
                outcome.waiter.set_result(outcome.result)
            else:
                outcome.waiter.set_exception(outcome.error)
