"""What is measured of the engine, under the names that dashboards know from elsewhere.

`executor_*` counts what the executor does with executions and task runs, `worker_*` what becomes of attempts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskStatus

from engine.clock import monotonic
from engine.observe.metrics import Registry
from engine.observe.process import watch_process
from engine.state.execution import Execution, ExecutionKind, TaskRun

if TYPE_CHECKING:
    from engine.runtime.attempts.worker import Worker
    from engine.runtime.driving.driver import Driver
    from engine.runtime.keeping.logs import LogPump

LAG_SECONDS = 0.25
OF_FLOW = ("tenant_id", "namespace_id", "flow_id")
STEPS = (1, 2, 5, 10, 25, 50, 100, 250, 500)


class Measures:
    """The instruments of an engine."""

    def __init__(self, prefix: str) -> None:
        self.registry = registry = Registry(prefix)
        self._begun = registry.counter("executor_execution_started_count", "Executions that began.", *OF_FLOW)
        self._ended = registry.counter("executor_execution_end_count", "Executions that ended.", *OF_FLOW, "state")
        self._took = registry.histogram(
            "executor_execution_duration_seconds", "From creation to end.", *OF_FLOW, "state"
        )
        self._runs = registry.counter("executor_taskrun_ended_count", "Task runs that ended.", *OF_FLOW, "state")
        self._run_took = registry.histogram(
            "executor_taskrun_ended_duration_seconds", "Task runs, from creation to end.", *OF_FLOW, "state"
        )
        self.started = registry.counter("worker_started_count", "Attempts that began.", "task_type")
        self.attempts = registry.counter("worker_ended_count", "Attempts that ended.", "task_type", "state")
        self.queued = registry.histogram("worker_queued_duration_seconds", "Attempts, until there was room.")
        self.took = registry.histogram(
            "worker_ended_duration_seconds", "Attempts, from begin to end.", "task_type", "state"
        )
        self.commits = registry.histogram("store_commit_duration_seconds", "Commits of groups of steps.")
        self.groups = registry.histogram("store_commit_jobs", "Steps and other work done in one go.", bounds=STEPS)
        self._lag = registry.histogram("event_loop_lag_seconds", "How much later than asked the loop goes on.")
        self.requests = registry.bare_histogram(
            "http_server_requests_seconds", "Requests, from first to last byte.", "method", "uri", "status"
        )
        self.writes_waiting = 0
        self.states: Mapping[str, float] = {}
        registry.gauges("executor_execution_count", "Executions that have not ended.", "state", lambda: self.states)
        watch_process(registry)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Measure how late the loop is, until cancelled."""
        task_status.started()
        while True:
            before = monotonic()
            await anyio.sleep(LAG_SECONDS)
            self._lag.seen(max(0.0, monotonic() - before - LAG_SECONDS))

    def watch(self, driver: Driver, worker: Worker, logs: LogPump) -> None:
        """Count what these do, and how much waits for them."""
        driver.observers.append(self.changed)
        driver.dispatch.on_end = self.ended
        queues: dict[str, Callable[[], float]] = {
            "store": lambda: self.writes_waiting,
            "worker": lambda: worker.waiting,
            "logs": lambda: logs.waiting,
        }
        self.registry.gauges(
            "queue_length",
            "What waits to be written or run.",
            "queue",
            lambda: {name: it() for name, it in queues.items()},
        )
        self.registry.gauge("worker_running_count", "Attempts that run now.", lambda: worker.running)
        self.registry.gauge("worker_job_running", "Attempts that run now.", lambda: worker.running)
        self.registry.gauge("worker_job_pending", "Attempts for which there is no room.", lambda: worker.waiting)
        self.registry.gauge("worker_job_thread", "How many attempts may run at once.", lambda: worker.concurrency)

    def committed(self, seconds: float, jobs: int, waiting: int) -> None:
        """A group was written; called in the writer's thread, which alone does."""
        self.commits.seen(seconds)
        self.groups.seen(jobs)
        self.writes_waiting = waiting

    def changed(self, execution: Execution, runs: Sequence[TaskRun]) -> None:
        """A step of an execution was committed."""
        if execution.version == 1 and execution.kind is not ExecutionKind.LOOP:
            self._begun.add(execution.tenant, execution.namespace, execution.flow)
        for run in runs:
            if run.state.terminal:
                labels = (execution.tenant, execution.namespace, execution.flow, run.state.value)
                self._runs.add(*labels)
                self._run_took.seen((run.history[-1].at - run.history[0].at) / 1000, *labels)

    def ended(self, execution: Execution) -> None:
        """An execution has ended."""
        if execution.kind is not ExecutionKind.LOOP:
            labels = (execution.tenant, execution.namespace, execution.flow, execution.state.value)
            self._ended.add(*labels)
            self._took.seen((execution.history[-1].at - execution.history[0].at) / 1000, *labels)
