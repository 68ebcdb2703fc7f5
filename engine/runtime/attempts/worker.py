"""Runs attempts side by side, within a limit, and stops them when told to."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import NewType

import anyio
from anyio.abc import TaskGroup, TaskStatus

from engine.clock import Clock
from engine.executor.below import is_below
from engine.ids import ExecutionId
from engine.runtime.attempts.attempt import Assignment, run_attempt
from engine.runtime.attempts.shared import Services
from engine.state.event import AnyEvent, TaskEnded, TaskStarted
from engine.state.status import Status

# A body that ends sooner is reported started and ended in one step.
REPORT_SECONDS = 0.05

AttemptKey = NewType("AttemptKey", tuple[ExecutionId, str, int])
Post = Callable[[ExecutionId, AnyEvent], None]
Deliver = Callable[[ExecutionId, AnyEvent], Awaitable[None]]


class StopReason(StrEnum):
    """Why an attempt is cancelled."""

    KILL = "kill"
    SHUTDOWN = "shutdown"


class Live:
    """An attempt that was handed to this worker and has not ended."""

    __slots__ = ("assignment", "began", "came", "reason", "reported", "scope", "state")

    # Made when there is room: thousands may wait for it.
    scope: anyio.CancelScope

    def __init__(self, assignment: Assignment, came: int) -> None:
        self.assignment = assignment
        self.came = came
        self.began = 0
        self.reported = False
        self.reason: StopReason | None = None
        self.state = Status.KILLED


class Worker:
    """The attempts of this process."""

    def __init__(self, services: Services, clock: Clock, concurrency: int) -> None:
        self._services = services
        self._measures = services.measures
        self._clock = clock
        self.concurrency = self._free = concurrency
        self._waiting: deque[AttemptKey] = deque()
        self._holds = False
        self._busy = 0
        self._calm = anyio.Event()
        self._live: dict[AttemptKey, Live] = {}
        self._tasks: TaskGroup | None = None
        self._slow: deque[Live] = deque()
        self.post: Post = _nowhere
        self.deliver: Deliver = _unheard

    @property
    def running(self) -> int:
        return len(self._live) - len(self._waiting)

    @property
    def waiting(self) -> int:
        """Attempts for which there is no room yet."""
        return len(self._waiting)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Run attempts until cancelled; those still running then are stopped and not reported."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            task_status.started()
            try:
                await self._report_started()
            finally:
                for live in self._live.values():
                    live.reason = live.reason or StopReason.SHUTDOWN

    def start(self, assignment: Assignment) -> None:
        """Take an attempt; it runs as soon as there is room."""
        key = _key(assignment)
        if key in self._live:
            return
        self._live[key] = Live(assignment, self._clock.now())
        if self._free > 0 and not self._holds:
            self._launch(key)
        else:
            self._waiting.append(key)

    async def drain(self, seconds: float) -> int:
        """Begin no more attempts, and let those that run end for some seconds; returns how many still run.

        Whoever recovers their executions takes up the others.
        """
        self._holds = True
        with anyio.move_on_after(seconds):
            while self._busy:
                self._calm = anyio.Event()
                await self._calm.wait()
        return self._busy

    def stop(self, execution: ExecutionId, path: str, attempt: int, state: Status) -> None:
        """Cancel an attempt; it ends in `state` unless it had ended already."""
        key = AttemptKey((execution, path, attempt))
        live = self._live.get(key)
        if live is None or live.reason is not None:
            return
        live.reason = StopReason.KILL
        live.state = state
        if live.began:
            live.scope.cancel()
        else:
            # It never ran: there is nothing to stop.
            self._waiting = deque(waiting for waiting in self._waiting if waiting != key)
            del self._live[key]
            self._killed(live)

    def stop_below(self, execution: ExecutionId, path: str, state: Status) -> None:
        """Cancel the attempts of an execution that lie below a path; all of them for the empty path."""
        for of, run_path, attempt in list(self._live):
            if of == execution and is_below(run_path, path):
                self.stop(of, run_path, attempt, state)

    def _launch(self, key: AttemptKey) -> None:
        assert self._tasks is not None
        live = self._live[key]
        self._free -= 1
        live.scope = anyio.CancelScope()
        live.began = self._clock.now()
        self._measures.started.add(live.assignment.type)
        self._measures.queued.seen((live.began - live.came) / 1000)
        self._slow.append(live)
        self._tasks.start_soon(self._attempt, key, live)

    async def _attempt(self, key: AttemptKey, live: Live) -> None:
        self._busy += 1
        try:
            await self._run_attempt(key, live)
        finally:
            self._busy -= 1
            if not self._busy:
                self._calm.set()

    async def _run_attempt(self, key: AttemptKey, live: Live) -> None:
        ended: TaskEnded | TaskStarted | None = None
        try:
            with live.scope:
                ended = await run_attempt(self._services, live.assignment)
        finally:
            del self._live[key]
            self._free += 1
            live.reported = True
            self._measure_end(live, ended)
            while self._waiting and self._free > 0 and not self._holds:
                self._launch(self._waiting.popleft())
        if ended is not None:
            await self.deliver(live.assignment.execution.id, ended)
        elif live.reason is StopReason.KILL:
            self._killed(live)

    def _measure_end(self, live: Live, ended: TaskEnded | TaskStarted | None) -> None:
        state = ended.state if isinstance(ended, TaskEnded) else live.state if ended is None else Status.RUNNING
        labels = (live.assignment.type, state.value)
        self._measures.attempts.add(*labels)
        self._measures.took.seen((self._clock.now() - live.began) / 1000, *labels)

    def _killed(self, live: Live) -> None:
        run = live.assignment.run
        self.post(
            live.assignment.execution.id,
            TaskEnded(
                at=self._clock.now(),
                path=run.path,
                attempt=run.attempt,
                state=live.state,
                started=live.began,
                log_file=live.assignment.log_file if live.began else None,
            ),
        )

    async def _report_started(self) -> None:
        """Say of each attempt that takes a while that it began."""
        while True:
            await anyio.sleep(REPORT_SECONDS)
            late = self._clock.now() - int(REPORT_SECONDS * 1000)
            while self._slow and self._slow[0].began <= late:
                live = self._slow.popleft()
                if not live.reported:
                    live.reported = True
                    run = live.assignment.run
                    self.post(
                        live.assignment.execution.id, TaskStarted(at=live.began, path=run.path, attempt=run.attempt)
                    )


def _nowhere(id: ExecutionId, event: AnyEvent) -> None:
    raise RuntimeError(f"the worker was not told where to report {event} of {id}")


async def _unheard(id: ExecutionId, event: AnyEvent) -> None:
    _nowhere(id, event)


def _key(assignment: Assignment) -> AttemptKey:
    return AttemptKey((assignment.execution.id, assignment.run.path, assignment.run.attempt))
