"""The driver: what happened, advance, commit, and only then do.

Each execution that something happens to has an inbox; one coroutine at a time drains it. An execution that waits for
nothing in this process is forgotten and read again when something happens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import anyio
import msgspec
from anyio.abc import TaskGroup, TaskStatus

from engine.clock import Clock
from engine.errors import AtLimit, Conflict, TidegateError, Unavailable
from engine.executor.advance import advance, apply
from engine.executor.outstanding import outstanding
from engine.executor.plan import Kind
from engine.faults import fault_point
from engine.ids import ExecutionId
from engine.runtime.admission import kept, slot_of, turned_away
from engine.runtime.aftermath import given_up, next_attempt
from engine.runtime.attempt import Assignment
from engine.runtime.callees import Callees, ManyCallees, calls, child_ended, handed, let_go, let_many_go
from engine.runtime.changes import Changes
from engine.runtime.evaluate import Evaluator
from engine.runtime.hot import Done, Hot, Watches
from engine.runtime.items import Items
from engine.runtime.iterations import Births, Born
from engine.runtime.logs import LogPump, said
from engine.runtime.plans import Compiled, Plans
from engine.runtime.variables import View
from engine.runtime.worker import Worker, is_below
from engine.state.command import (
    Again,
    Command,
    DropTimer,
    Ended,
    Evaluate,
    NewExecution,
    RunTask,
    Say,
    StartChild,
    StartMissing,
    StopBelow,
    StopTask,
    TakeSlot,
    TellCaller,
    WakeAt,
)
from engine.state.event import (
    AnyEvent,
    ChildEnded,
    ChildPaused,
    Continue,
    Due,
    Edited,
    Lost,
    Started,
    TaskEnded,
    TaskStarted,
)
from engine.state.execution import Execution, ExecutionKind, TaskRun, node_of
from engine.state.record import Record
from engine.state.status import Status
from engine.store.protocols import Store, Timer, Write

BACKOFF_SECONDS = 0.2

Observer = Callable[[Execution, Sequence[TaskRun]], None]


class Driver:
    """The executions of this process."""

    def __init__(
        self,
        *,
        owner: str,
        store: Store,
        plans: Plans,
        worker: Worker,
        evaluator: Evaluator,
        logs: LogPump,
        items: Items,
        clock: Clock,
    ) -> None:
        self.owner = owner
        self._store = store
        self._plans = plans
        self._worker = worker
        self._evaluator = evaluator
        self._logs = logs
        self._clock = clock
        self._births = Births(items, clock, self._advance)
        self._hot: dict[ExecutionId, Hot] = {}
        self.watches = Watches()
        self.finishes = Watches()
        self._tasks: TaskGroup | None = None
        self.observers: list[Observer] = []
        self.subflows: Callees | None = None
        self.children: ManyCallees | None = None
        self.on_timer: Callable[[int], None] = lambda _due: None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Drive until cancelled."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            task_status.started()
            await anyio.sleep_forever()

    def post(self, id: ExecutionId, event: AnyEvent) -> None:
        """Something happened; it is handled soon."""
        hot = self._put(id, event, None)
        if not hot.draining:
            self._drain_soon(hot)

    async def deliver(self, id: ExecutionId, event: AnyEvent) -> None:
        """Something happened; the caller, who has nothing else to do, handles it if nobody is at it."""
        hot = self._put(id, event, None)
        if not hot.draining:
            await self._drain_once(hot)

    async def submit(self, id: ExecutionId, event: AnyEvent) -> None:
        """Something happened; returns when what follows is committed. Raises NotFound."""
        done = Done()
        hot = self._put(id, event, done)
        if not hot.draining:
            # Whoever asked may lose patience; what is being committed goes on.
            with anyio.CancelScope(shield=True):
                await self._drain_once(hot)
        await done.wait()

    async def begin(self, execution: Execution, compiled: Compiled, event: AnyEvent, *, latest: bool = False) -> None:
        """Take up a new execution; returns when it is committed.

        latest: only while its revision is the latest of its flow; raises Conflict when it isn't, or the id is taken
        """
        if execution.id in self._hot:
            raise Conflict(f"execution '{execution.id}' exists already")
        hot = self._hot[execution.id] = Hot(execution.id, latest)
        self._belong(hot, execution)
        await self.resume(Record(execution), compiled, event)

    async def resume(self, record: Record, compiled: Compiled, event: AnyEvent) -> None:
        """Take up a record as it was edited, replacing what is held of it; returns when it is committed."""
        around = await self.around(record.execution)
        hot = self._hot.setdefault(record.execution.id, Hot(record.execution.id))
        hot.take(record, compiled, around)
        self._belong(hot, record.execution)
        await self.submit(record.execution.id, event)

    async def recover(self, id: ExecutionId) -> None:
        """Take up an execution of a process that died: lost attempts again, unanswered questions again."""
        hot = self._hot.setdefault(id, Hot(id))
        await self._load(hot)
        now = self._clock.now()
        changes = Changes()
        for command in outstanding(hot.compiled.plan, hot.record):
            if isinstance(command, RunTask) and calls(hot, command.path):
                # What such an attempt has started tells of its end by itself.
                if hot.record.execution.violated is not None and not hot.record.execution.killing:
                    self.post(id, let_go(command, hot.record.execution.requested or Status.KILLED, now))
                elif hot.record.execution.killing or hot.record.execution.requested is not None:
                    self._stop_task(hot, command.path, command.attempt, Status.KILLED)
                elif not handed(hot, command.path):
                    self._run_task(hot, command)
            elif isinstance(command, RunTask):
                self.post(id, Lost(at=now, path=command.path, attempt=command.attempt))
            elif isinstance(command, Evaluate):
                changes.asks.append(command)
            elif isinstance(command, Again):
                self.post(id, Continue(at=now))
            elif isinstance(command, StartMissing):
                changes.commands.append(command)
        if hot.record.execution.block is None and hot.record.execution.scheduled is None:
            self.post(id, Started(at=now))
        self._dispatch(hot, changes)
        self._forget_idle(hot)
        # Its timers came with it, and some may be due.
        self.on_timer(now)

    def drives(self, id: ExecutionId) -> bool:
        """Whether this process has the execution in hand and its end is still to come."""
        hot = self._hot.get(id)
        return hot is not None and not hot.ended

    def _put(self, id: ExecutionId, event: AnyEvent, done: Done | None) -> Hot:
        hot = self._hot.get(id)
        if hot is None:
            hot = self._hot[id] = Hot(id)
        hot.inbox.append((event, done))
        return hot

    def _drain_soon(self, hot: Hot) -> None:
        hot.draining = True
        assert self._tasks is not None
        self._tasks.start_soon(self._drain_once, hot)

    async def _drain_once(self, hot: Hot) -> None:
        """Handle what is in the inbox now; what comes in meanwhile is left to a task of the driver's own."""
        hot.draining = True
        batch, hot.inbox = hot.inbox, []
        error: Exception | None = None
        try:
            await self._process(hot, [event for event, _ in batch])
        except TidegateError as problem:
            error = problem
            hot.drop()
        except Exception as fault:
            # A fault in one execution must not stop the others; it is told to whoever waits and to the operator.
            logging.getLogger("tidegate").exception("Execution %s: %s", hot.id, fault)
            error = fault
            await self._give_up(hot, fault)
        for _, done in batch:
            if done is not None:
                done.set(error)
        hot.draining = False
        if hot.inbox:
            self._drain_soon(hot)
        else:
            self._forget_idle(hot)

    async def _give_up(self, hot: Hot, fault: Exception) -> None:
        """End an execution that the engine itself can't go on with, so that nobody waits for it for ever."""
        hot.drop()
        self._worker.stop_below(hot.id, "", Status.FAILED)
        try:
            held = await self._store.executions.load(hot.id)
            execution = held.record.execution
            if execution.finished or held.owner not in ("", self.owner):
                return
            write = given_up(held.record, fault, self._clock.now(), self.owner)
            await self._store.executions.commit(write)
        except TidegateError as error:
            logging.getLogger("tidegate").error("Execution %s can't be ended: %s", hot.id, error)
            return
        self._end(hot, write.execution)

    async def _process(self, hot: Hot, events: list[AnyEvent]) -> None:
        while True:
            if not hot.loaded:
                await self._load(hot)
            new = hot.record.execution.version == 0
            before = kept(hot, events)
            state = hot.record.execution.state
            changes = self._advance(hot, events)
            for command in changes.commands:
                if isinstance(command, NewExecution):
                    # Before the commit that forgets the timer: doing it twice makes the same execution.
                    await self._start_again(hot, command.attempt)
                elif isinstance(command, TellCaller):
                    assert self.subflows is not None
                    await self.subflows.tell(hot.record.execution)
            born = await self._births.next(hot, changes) if changes.starts else []
            try:
                await self._commit(hot, changes, born)
            except AtLimit as limit:
                hot.go_back(before)
                events = turned_away(events, limit)
                continue
            except Conflict:
                hot.drop()
                if new or any(isinstance(event, Edited) for event in events):
                    # What was edited or begun is no longer what is stored: whoever did so must look again.
                    raise
                events = await self._not_taken_in(events)
                continue
            self._tell_of_pause(hot.record.execution, state)
            self._dispatch(hot, changes)
            for child in born:
                self._take_in(hot, child)
            return

    async def _not_taken_in(self, events: list[AnyEvent]) -> list[AnyEvent]:
        """Events without ends of children that were taken in before."""
        ids = [ExecutionId(event.child) for event in events if isinstance(event, ChildEnded) and event.child]
        left = await self._store.timers.telling(ids) if ids else set()
        return [it for it in events if not isinstance(it, ChildEnded) or it.child is None or it.child in left]

    def _take_in(self, hot: Hot, child: Born) -> None:
        """Go on with an execution that began in a step of another one."""
        self._hot[child.hot.id] = child.hot
        child.hot.belong(hot)
        self._tell_of_pause(child.hot.record.execution, Status.CREATED)
        self._dispatch(child.hot, child.changes)
        if child.later is not None:
            self.post(child.hot.id, child.later)
        self._forget_idle(child.hot)

    def _advance(self, hot: Hot, events: Sequence[AnyEvent]) -> Changes:
        """Let the reducer take in events, with the answers that can be had at once."""
        plan, record = hot.compiled.plan, hot.record
        changes = Changes()
        todo = list(reversed(events))
        while todo:
            event = todo.pop()
            if isinstance(event, TaskEnded) or (isinstance(event, TaskStarted) and event.outputs is not None):
                hot.running.discard((event.path, event.attempt))
                if isinstance(event, TaskEnded) and event.state is Status.KILLED and calls(hot, event.path):
                    # It may have started another execution in the moment in which it was stopped.
                    changes.commands.append(StopTask(event.path, event.attempt))
            elif isinstance(event, Due):
                changes.drop(event.path, event.kind)
            step = advance(plan, record, event)
            if step.empty:
                continue
            if isinstance(event, ChildEnded) and event.child is not None:
                changes.told.append(ExecutionId(event.child))
            apply(record, step)
            changes.add(step)
            if step.removed or isinstance(event, Edited):
                hot.look_again()
            else:
                for run in step.changed.values():
                    hot.view.add(run)
            answers = [self._take(hot, command, changes) for command in step.commands]
            todo.extend(answer for answer in reversed(answers) if answer is not None)
        return changes

    def _take(self, hot: Hot, command: Command, changes: Changes) -> AnyEvent | None:
        """Note a command for after the commit; the answer to a question that needs no I/O."""
        if isinstance(command, Evaluate):
            answer = self._evaluator.now(hot.compiled.plan, hot.view, command)
            if answer is None:
                changes.asks.append(command)
            return answer
        if isinstance(command, WakeAt):
            changes.wake(command)
        elif isinstance(command, StartChild):
            changes.starts.append(command)
        elif isinstance(command, DropTimer):
            changes.drop(command.path, command.kind)
        elif isinstance(command, TakeSlot):
            changes.slot = command
        else:
            changes.commands.append(command)
        return None

    async def _start_again(self, hot: Hot, attempt: int) -> None:
        """Start the next attempt of an execution that was retried as a whole."""
        before = hot.record.execution
        now = self._clock.now()
        fresh = next_attempt(before, attempt, now)
        try:
            await self.begin(fresh, hot.compiled, Started(at=now))
        except Conflict:
            return

    async def _commit(self, hot: Hot, changes: Changes, born: Sequence[Born] = ()) -> None:
        if changes.empty:
            return
        children = tuple(self._write(child.hot, child.changes) for child in born)
        write = msgspec.structs.replace(self._write(hot, changes), children=children)
        while True:
            try:
                await self._store.executions.commit(write)
                return
            except Unavailable:
                await self._clock.sleep(BACKOFF_SECONDS)

    def _write(self, hot: Hot, changes: Changes) -> Write:
        record = hot.record
        record.execution = msgspec.structs.replace(record.execution, version=record.execution.version + 1)
        return Write(
            execution=record.execution,
            owner=self.owner,
            changed=tuple(changes.changed.values()),
            removed=tuple(changes.removed),
            answers=changes.answers,
            timers=tuple(Timer(hot.id, wake.path, wake.kind, wake.due) for wake in changes.timers.values()),
            dropped=tuple(changes.dropped),
            released=record.execution.finished and all(kind == "tell" for _, kind in changes.timers),
            latest=hot.latest,
            slot=slot_of(hot, changes.slot),
            told=changes.told,
        )

    def _dispatch(self, hot: Hot, changes: Changes) -> None:
        """Do what was committed."""
        fault_point("before dispatch")
        for command in changes.commands:
            if isinstance(command, RunTask):
                self._run_task(hot, command)
            elif isinstance(command, StopTask):
                self._stop_task(hot, command.path, command.attempt, command.state)
            elif isinstance(command, StopBelow):
                self._stop_below(hot, command)
            elif isinstance(command, Again):
                self.post(hot.id, Continue(at=self._clock.now()))
            elif isinstance(command, Say):
                self._logs.line(said(hot.record, command, self._clock.now()))
            elif isinstance(command, StartMissing):
                self._with_children(hot, command.path)
            elif isinstance(command, Ended):
                self._end(hot, hot.record.execution)
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
                assert self._tasks is not None
                self._tasks.start_soon(self._answer, hot, ask)
        if hot.loaded and hot.record.execution.finished:
            self.finishes.tell(hot.record.execution)
        if self.observers and hot.loaded:
            for observer in self.observers:
                observer(hot.record.execution, tuple(changes.changed.values()))

    def _stop_task(self, hot: Hot, path: str, attempt: int, state: Status) -> None:
        if (path, attempt) in hot.running:
            self._worker.stop(hot.id, path, attempt, state)
        elif calls(hot, path):
            assert self._tasks is not None
            assert self.subflows is not None
            self._tasks.start_soon(self.subflows.stop, hot.id, hot.record.runs[path], self._clock.now())
        else:
            # Nothing of it lives here: it was another process's and that one is gone.
            self.post(hot.id, Lost(at=self._clock.now(), path=path, attempt=attempt))

    def _stop_below(self, hot: Hot, command: StopBelow) -> None:
        for awaited in outstanding(hot.compiled.plan, hot.record):
            if isinstance(awaited, RunTask) and is_below(awaited.path, command.path):
                if command.cascade or not calls(hot, awaited.path):
                    self._stop_task(hot, awaited.path, awaited.attempt, command.state)
                else:
                    self.post(hot.id, let_go(awaited, command.state, self._clock.now()))
            elif isinstance(awaited, StartMissing) and is_below(awaited.path, command.path):
                run = hot.record.runs[awaited.path]
                if command.cascade or hot.compiled.plan.nodes[run.node].kind is Kind.LOOP:
                    self._with_children(hot, awaited.path)
                else:
                    for event in let_many_go(run, command.state, self._clock.now()):
                        self.post(hot.id, event)

    def _with_children(self, hot: Hot, path: str, indices: Sequence[int] | None = None) -> None:
        """Start executions of a task run, by default those that are missing, or stop them where it is being stopped."""
        assert self._tasks is not None
        key = (path, f"children {indices and indices[0]}")
        hot.asking.add(key)
        self._tasks.start_soon(self._see_to_children, hot, path, indices, key)

    async def _see_to_children(self, hot: Hot, path: str, indices: Sequence[int] | None, key: tuple[str, str]) -> None:
        assert self.children is not None
        try:
            await self.children.see_to(hot, path, indices)
        except TidegateError as error:
            logging.getLogger("tidegate").error("Execution %s: what '%s' starts: %s", hot.id, path, error)
        finally:
            hot.asking.discard(key)
            self._forget_idle(hot)

    def _run_task(self, hot: Hot, command: RunTask) -> None:
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
        self.post(hot.id, answer)

    def _end(self, hot: Hot, execution: Execution) -> None:
        hot.ended = True
        self.watches.tell(execution)
        caller = execution.caller
        if caller is not None and caller.waits and caller.index is not None:
            self._report(caller.execution, child_ended(execution, caller))

    def _tell_of_pause(self, execution: Execution, before: Status) -> None:
        """Let whoever waits for an execution know that it is paused, or goes on."""
        caller = execution.caller
        paused = execution.state is Status.PAUSED
        if caller is None or not (caller.waits and caller.transmit) or (before is Status.PAUSED) is paused:
            return
        self._report(caller.execution, ChildPaused(at=self._clock.now(), path=caller.path, paused=paused))

    def _report(self, parent: ExecutionId, event: AnyEvent) -> None:
        if parent in self._hot:
            self.post(parent, event)
        else:
            assert self._tasks is not None
            self._tasks.start_soon(self._report_elsewhere, parent, event)

    async def _report_elsewhere(self, parent: ExecutionId, event: AnyEvent) -> None:
        assert self.subflows is not None
        try:
            await self.subflows.report(parent, event)
        except TidegateError as error:
            # An end is told again by its timer.
            logging.getLogger("tidegate").warning("Execution %s is not told: %s", parent, error)

    async def _load(self, hot: Hot) -> None:
        held = await self._store.executions.load(hot.id)
        if held.owner not in ("", self.owner):
            self._worker.stop_below(hot.id, "", held.record.execution.state)
            raise Conflict(f"execution '{hot.id}' is driven by another process")
        execution = held.record.execution
        hot.take(held.record, await self._plans.of(execution), await self.around(execution))
        self._belong(hot, execution)

    async def around(self, execution: Execution) -> View | None:
        """What an iteration of a loop sees besides its own: the variables of the execution around."""
        if execution.kind is not ExecutionKind.LOOP:
            return None
        assert execution.caller is not None
        id = execution.caller.execution
        hot = self._hot.get(id)
        if hot is not None and hot.loaded:
            return hot.view
        record = (await self._store.executions.load(id)).record
        compiled = await self._plans.of(record.execution)
        return View(compiled.plan, record, await self.around(record.execution))

    def _belong(self, hot: Hot, execution: Execution) -> None:
        caller = execution.caller
        if caller is not None and caller.index is not None and (parent := self._hot.get(caller.execution)) is not None:
            hot.belong(parent)

    def _forget_idle(self, hot: Hot) -> None:
        if hot.idle and self._hot.get(hot.id) is hot:
            del self._hot[hot.id]
            if (parent := hot.leave()) is not None:
                self._forget_idle(parent)
