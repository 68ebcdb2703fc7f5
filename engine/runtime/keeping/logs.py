"""Log lines and metrics on their way to the store.

Lines of all attempts are committed in groups, in order; who must be sure of its lines waits for `flushed`. Metrics that
come without lines wait a moment for others.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio
from anyio.abc import TaskStatus

from engine.clock import Clock
from engine.errors import Unavailable
from engine.state.command import Say
from engine.state.record import Record
from engine.store.protocols import LogStore
from engine.store.rows import Evaluation, LogLine, Metric

METRICS_SECONDS = 0.1
METRICS_AT_MOST = 1000
RETRY_SECONDS = 0.5

Listener = Callable[[LogLine], None]


def said(record: Record, command: Say, at: int) -> LogLine:
    """The line of an execution that the executor wants in its log."""
    execution = record.execution
    run = record.runs.get(command.path)
    return LogLine(
        at=at,
        level=command.level,
        message=command.message,
        namespace=execution.namespace,
        flow=execution.flow,
        execution=execution.home,
        task=run.node if run else None,
        task_run=run.id if run else None,
    )


class LogPump:
    """Collects lines and metrics and stores them; listeners see each line at once."""

    def __init__(self, store: LogStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lines: list[LogLine] = []
        self._metrics: list[Metric] = []
        self._evaluations: list[Evaluation] = []
        self._wanted = anyio.Event()
        self._added = anyio.Event()
        self._batch = anyio.Event()
        self.listeners: list[Listener] = []

    @property
    def waiting(self) -> int:
        """Lines, metrics and evaluations that are not stored yet."""
        return len(self._lines) + len(self._metrics) + len(self._evaluations)

    def line(self, line: LogLine) -> None:
        self._lines.append(line)
        self._urgent()
        self.show(line)

    def show(self, line: LogLine) -> None:
        """Let listeners see a line that is stored elsewhere."""
        for listener in self.listeners:
            listener(line)

    def metric(self, metric: Metric) -> None:
        self._metrics.append(metric)
        self._added.set()
        if len(self._metrics) >= METRICS_AT_MOST:
            self._wanted.set()

    def evaluation(self, evaluation: Evaluation) -> None:
        self._evaluations.append(evaluation)
        self._added.set()

    async def flushed(self) -> None:
        """Wait until everything added so far is committed."""
        batch = self._batch
        self._urgent()
        await batch.wait()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Store what comes in; at the end store what is left."""
        task_status.started()
        try:
            while True:
                await self._added.wait()
                with anyio.move_on_after(METRICS_SECONDS):
                    await self._wanted.wait()
                await self._store_batch()
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(5, shield=True):
                await self._store_batch()

    def _urgent(self) -> None:
        self._added.set()
        self._wanted.set()

    async def _store_batch(self) -> None:
        lines, self._lines = self._lines, []
        metrics, self._metrics = self._metrics, []
        evaluations, self._evaluations = self._evaluations, []
        batch, self._batch = self._batch, anyio.Event()
        self._added, self._wanted = anyio.Event(), anyio.Event()
        while lines or metrics or evaluations:
            try:
                await self._store.append(lines, metrics, evaluations)
                break
            except Unavailable:
                await self._clock.sleep(RETRY_SECONDS)
        batch.set()
