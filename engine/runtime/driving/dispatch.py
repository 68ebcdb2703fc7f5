"""Does what was committed: starts and stops attempts, asks what needs I/O, starts executions, tells of ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from engine.clock import Clock
from engine.errors import TidegateError
from engine.executor.below import is_below
from engine.executor.outstanding import outstanding
from engine.executor.plan import Kind
from engine.faults import fault_point
from engine.runtime.attempts.attempt import Assignment
from engine.runtime.attempts.worker import Worker
from engine.runtime.driving.callees import Callees, ManyCallees, calls, let_go
from engine.runtime.driving.changes import Changes
from engine.runtime.driving.evaluate import Evaluator
from engine.runtime.driving.hot import Hot
from engine.runtime.driving.in_hand import InHand
from engine.runtime.driving.telling import Post, Spawn, Telling
from engine.runtime.keeping.logs import LogPump, said
from engine.state.command import Again, Ended, Evaluate, RunTask, Say, StartMissing, StopBelow, StopStarted, StopTask
from engine.state.event import Continue, Lost
from engine.state.execution import Execution, TaskRun, node_of
from engine.state.status import Status

Observer = Callable[[Execution, Sequence[TaskRun]], None]


class Dispatch:
    """Carries out the commands of steps that are stored."""

    def __init__(
        self,
        *,
        hand: InHand,
        telling: Telling,
        worker: Worker,
        evaluator: Evaluator,
        logs: LogPump,
        clock: Clock,
        post: Post,
        spawn: Spawn,
    ) -> None:
        self._hand = hand
        self._telling = telling
        self._worker = worker
        self._evaluator = evaluator
        self._logs = logs
        self._clock = clock
        self._post = post
        self._spawn = spawn
        self.observers: list[Observer] = []
        self.subflows: Callees | None = None
        self.children: ManyCallees | None = None
        self.on_timer: Callable[[int], None] = lambda _due: None
        self.on_end: Callable[[Execution], None] = lambda _execution: None

    def carry_out(self, hot: Hot, changes: Changes) -> None:
        """Do what was committed."""
        fault_point("before dispatch")
        for command in changes.commands:
            if isinstance(command, RunTask):
                self.run_task(hot, command)
            elif isinstance(command, StopTask):
                self.stop_task(hot, command.path, command.attempt, command.state)
            elif isinstance(command, StopBelow):
                self._stop_below(hot, command)
            elif isinstance(command, Again):
                self._post(hot.id, Continue(at=self._clock.now()))
            elif isinstance(command, Say):
                self._logs.line(said(hot.record, command, self._clock.now()))
            elif isinstance(command, StartMissing):
                self._with_children(hot, command.path)
            elif isinstance(command, StopStarted):
                self._stop_started(hot, command)
            elif isinstance(command, Ended):
                self._telling.ended(hot, hot.record.execution, changes.heard)
                self.on_end(hot.record.execution)
        items: dict[str, list[int]] = {}
        for start in changes.starts:
            if hot.compiled.plan.nodes[node_of(start.path)].kind is Kind.ITEMS:
                items.setdefault(start.path, []).append(start.index)
        for path, indices in items.items():
            self._with_children(hot, path, indices)
        for wake in changes.timers.values():
            self.on_timer(wake.due)
        for ask in changes.asks:
            if (ask.path, ask.ask) not in hot.asking:
                hot.asking.add((ask.path, ask.ask))
                self._spawn(self._answer, hot, ask)
        if hot.loaded and hot.record.execution.finished:
            self._telling.finishes.tell(hot.record.execution)
        if self.observers and hot.loaded:
            for observer in self.observers:
                observer(hot.record.execution, tuple(changes.changed.values()))

    def stop_task(self, hot: Hot, path: str, attempt: int, state: Status) -> None:
        """Stop an attempt, wherever it is; its end is heard of later."""
        if (path, attempt) in hot.running:
            # The end of one that starts an execution is told by its state, lest that goes on.
            self._worker.stop(hot.id, path, attempt, Status.KILLED if calls(hot, path) else state)
        elif path not in hot.record.runs:
            # An edit has taken it out, and nothing of it runs here.
            self._stop_started(hot, StopStarted(path, attempt + 1))
        elif calls(hot, path):
            assert self.subflows is not None
            self._spawn(self.subflows.stop, hot.id, hot.record.runs[path], self._clock.now())
        else:
            # Nothing of it lives here: it was another process's and that one is gone.
            self._post(hot.id, Lost(at=self._clock.now(), path=path, attempt=attempt))

    def _stop_started(self, hot: Hot, command: StopStarted) -> None:
        assert self.children is not None
        self._spawn(self.children.stop_started, hot.id, command)

    def _stop_below(self, hot: Hot, command: StopBelow) -> None:
        for awaited in outstanding(hot.compiled.plan, hot.record):
            if isinstance(awaited, RunTask) and is_below(awaited.path, command.path):
                if command.cascade or not calls(hot, awaited.path):
                    self.stop_task(hot, awaited.path, awaited.attempt, command.state)
                else:
                    self._post(hot.id, let_go(awaited, command.state, self._clock.now()))
            elif isinstance(awaited, StartMissing) and is_below(awaited.path, command.path):
                self._with_children(hot, awaited.path)

    def _with_children(self, hot: Hot, path: str, indices: Sequence[int] | None = None) -> None:
        """Start executions of a task run, by default those that are missing, or stop them where it is being stopped."""
        key = (path, f"children {indices and indices[0]}")
        hot.asking.add(key)
        self._spawn(self._see_to_children, hot, path, indices, key)

    async def _see_to_children(self, hot: Hot, path: str, indices: Sequence[int] | None, key: tuple[str, str]) -> None:
        assert self.children is not None
        try:
            await self.children.see_to(hot, path, indices)
        except TidegateError as error:
            logging.getLogger("tidegate").error("Execution %s: what '%s' starts: %s", hot.id, path, error)
        finally:
            hot.asking.discard(key)
            self._hand.forget_idle(hot)

    def run_task(self, hot: Hot, command: RunTask) -> None:
        """Hand an attempt to the worker, unless it is no longer wanted."""
        run = hot.record.runs.get(command.path)
        if run is None or run.state.terminal or run.attempt != command.attempt:
            return
        node = hot.compiled.plan.nodes[run.node]
        hot.running.add((command.path, command.attempt))
        self._worker.start(
            Assignment(
                execution=hot.record.execution,
                run=run,
                type=node.type,
                prepared=hot.compiled.tasks[node.id],
                timeout=node.timeout,
                log_level=node.log_level,
                view=hot.view,
                log_to_file=node.log_to_file,
                cache=node.cache,
            )
        )

    async def _answer(self, hot: Hot, ask: Evaluate) -> None:
        """Fetch what a question needs and answer it; other events go through meanwhile."""
        answer = await self._evaluator.later(hot.compiled.plan, hot.view, hot.record.execution, ask)
        hot.asking.discard((ask.path, ask.ask))
        self._post(hot.id, answer)
