"""The driver: what happened, advance, commit, and only then do.

Each execution that something happens to has an inbox; one coroutine at a time drains it. An execution that waits for
nothing in this process is forgotten and read again when something happens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import anyio
import msgspec
from anyio.abc import TaskGroup, TaskStatus

from engine.clock import Clock
from engine.errors import AtLimit, Conflict, TidegateError, Unavailable
from engine.ids import ExecutionId
from engine.runtime.attempts.worker import Worker
from engine.runtime.driving.admission import kept, slot_of, turned_away
from engine.runtime.driving.aftermath import given_up, next_attempt
from engine.runtime.driving.callees import Callees, ManyCallees
from engine.runtime.driving.changes import Changes
from engine.runtime.driving.deciding import Deciding
from engine.runtime.driving.dispatch import Dispatch
from engine.runtime.driving.evaluate import Evaluator
from engine.runtime.driving.hot import Done, Hot
from engine.runtime.driving.in_hand import InHand
from engine.runtime.driving.items import Items
from engine.runtime.driving.iterations import Births, Born
from engine.runtime.driving.recovery import Recovery
from engine.runtime.driving.riding import Rider, counted, may_ride, with_children, without_riders
from engine.runtime.driving.skips import SKIPPED, Skips
from engine.runtime.driving.telling import Telling
from engine.runtime.flows.plans import Compiled, Plans
from engine.runtime.keeping.logs import LogPump
from engine.runtime.rendering.variables import View
from engine.state.command import NewExecution, TellCaller
from engine.state.event import AnyEvent, ChildEnded, Continue, Edited, Started
from engine.state.execution import Execution
from engine.state.ledger import Consumed
from engine.state.record import Record
from engine.state.status import Status
from engine.state.trigger import TriggerState
from engine.store.protocols import Store
from engine.store.rows import Timer, Write

BACKOFF_SECONDS = 0.2


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
        skips: Skips,
    ) -> None:
        self.owner = owner
        self._skips = skips
        self._store = store
        self._worker = worker
        self._clock = clock
        self._tasks: TaskGroup | None = None
        self._hand = hand = InHand(owner, store, plans, worker)
        self._deciding = Deciding(evaluator)
        self._births = Births(items, clock, self._deciding.take_in)
        self._telling = telling = Telling(hand, clock, self.post, self._spawn)
        self.watches, self.finishes = telling.watches, telling.finishes
        self.dispatch = dispatch = Dispatch(
            hand=hand,
            telling=telling,
            worker=worker,
            evaluator=evaluator,
            logs=logs,
            clock=clock,
            post=self.post,
            spawn=self._spawn,
        )
        self.observers = dispatch.observers
        self.recover = Recovery(hand, dispatch, clock, self.post).recover
        self._subflows: Callees | None = None

    def connect(self, subflows: Callees, children: ManyCallees) -> None:
        """Know what sees to the executions that tasks start."""
        self._subflows = self._telling.subflows = self.dispatch.subflows = subflows
        self.dispatch.children = children

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

    async def take_over(self, id: ExecutionId) -> None:
        """Take up an execution of a process that died; returns when what was lost of it is committed."""
        await self.recover(id)
        await self.submit(id, Continue(at=self._clock.now()))

    async def begin(
        self,
        execution: Execution,
        compiled: Compiled,
        event: AnyEvent,
        *,
        latest: bool = False,
        trigger: TriggerState | None = None,
        consumed: Sequence[Consumed] = (),
    ) -> None:
        """Take up a new execution; returns when it is committed.

        latest: only while its revision is the latest of its flow
        trigger: the state that is stored with it, of what starts it; consumed: detected items that it takes with it
        Raises Conflict when it isn't the latest one, the id is taken, the state of the trigger is another one or an
        item is not to be had.
        """
        if self._hand.get(execution.id) is not None:
            raise Conflict(f"execution '{execution.id}' exists already")
        if self._skips.has(execution):
            made = msgspec.structs.replace(execution, version=1)
            await self._store_write(Write(made, owner=SKIPPED, latest=latest, trigger=trigger, consumed=consumed))
            return
        hot = Hot(execution.id, latest, trigger, consumed)
        self._hand.add(hot)
        self._hand.belong(hot, execution)
        await self.resume(Record(execution), compiled, event)

    async def resume(self, record: Record, compiled: Compiled, event: AnyEvent) -> None:
        """Take up a record as it was edited, replacing what is held of it; returns when it is committed."""
        around = await self.around(record.execution)
        hot = self._hand.hold(record.execution.id)
        hot.take(record, compiled, around)
        self._hand.belong(hot, record.execution)
        await self.submit(record.execution.id, event)

    def drives(self, id: ExecutionId) -> bool:
        """Whether this process has the execution in hand and its end is still to come."""
        hot = self._hand.get(id)
        return hot is not None and not hot.ended

    def _put(self, id: ExecutionId, event: AnyEvent, done: Done | None) -> Hot:
        hot = self._hand.hold(id)
        hot.inbox.append((event, done))
        return hot

    def _spawn(self, work: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        assert self._tasks is not None
        self._tasks.start_soon(work, *args)

    def _drain_soon(self, hot: Hot) -> None:
        hot.draining = True
        self._spawn(self._drain_once, hot)

    async def _drain_once(self, hot: Hot) -> None:
        """Handle what is in the inbox now; what comes in meanwhile is left to a task of the driver's own."""
        hot.draining = True
        batch, hot.inbox = hot.inbox, []
        error: Exception | None = None
        try:
            riders = [done for _, done in batch if isinstance(done, Rider)]
            await self._process(hot, [event for event, _ in batch], riders)
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
            self._hand.forget_idle(hot)

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
        self._telling.ended(hot, write.execution)

    async def _process(self, hot: Hot, events: list[AnyEvent], riders: Sequence[Rider] = ()) -> None:
        while True:
            if not hot.loaded:
                await self._hand.load(hot)
            new = hot.record.execution.version == 0
            before = kept(hot, events)
            state = hot.record.execution.state
            changes = self._deciding.take_in(hot, events)
            for command in changes.commands:
                if isinstance(command, NewExecution):
                    # Before the commit that forgets the timer: doing it twice makes the same execution.
                    await self._start_again(hot, command.attempt)
                elif isinstance(command, TellCaller):
                    assert self._subflows is not None
                    await self._subflows.tell(hot.record.execution)
            born = await self._births.next(hot, changes) if changes.starts else []
            along = counted(riders, changes) if riders else []
            try:
                if not along and may_ride(hot, changes, state):
                    await self._ride(hot, changes)
                else:
                    await self._commit(hot, changes, born, along)
            except AtLimit as limit:
                hot.go_back(before)
                events = turned_away(events, limit)
                continue
            except Conflict:
                hot.drop()
                left = await self._not_taken_in(without_riders(events, riders))
                if new or any(isinstance(event, Edited) for event in events):
                    # What was edited or begun is no longer what is stored: whoever did so must look again.
                    hot.inbox[:0] = [(event, None) for event in left if not isinstance(event, Edited | Started)]
                    raise
                events, riders = left, ()
                continue
            for rider in along:
                rider.written = True
            self._telling.paused(hot.record.execution, state)
            self.dispatch.carry_out(hot, changes)
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
        self._hand.add(child.hot)
        child.hot.belong(hot)
        self._telling.paused(child.hot.record.execution, Status.CREATED)
        self.dispatch.carry_out(child.hot, child.changes)
        if child.later is not None:
            self.post(child.hot.id, child.later)
        self._hand.forget_idle(child.hot)

    async def _start_again(self, hot: Hot, attempt: int) -> None:
        """Start the next attempt of an execution that was retried as a whole."""
        before = hot.record.execution
        now = self._clock.now()
        fresh = next_attempt(before, attempt, now)
        try:
            await self.begin(fresh, hot.compiled, Started(at=now))
        except Conflict:
            return

    async def _ride(self, hot: Hot, changes: Changes) -> None:
        """Store the last step of an iteration with the step that counts its end, or else by itself."""
        assert hot.parent is not None
        write = self._write(hot, changes)
        rider = Rider(msgspec.structs.replace(write, timers=()))
        parent = hot.parent
        self._put(parent.id, rider.event, rider)
        if not parent.draining:
            await self._drain_once(parent)
        await rider.over()
        if rider.written:
            changes.timers.clear()
            changes.heard = True
        else:
            await self._store_write(write)

    async def _commit(self, hot: Hot, changes: Changes, born: Sequence[Born], along: Sequence[Rider]) -> None:
        if changes.empty:
            return
        first = [self._write(child.hot, child.changes) for child in born]
        await self._store_write(with_children(self._write(hot, changes), along, first))

    async def _store_write(self, write: Write) -> None:
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
            trigger=hot.trigger if record.execution.version == 1 else None,
            consumed=hot.consumed if record.execution.version == 1 else (),
        )

    async def around(self, execution: Execution) -> View | None:
        """What an iteration of a loop sees besides its own: the variables of the execution around."""
        return await self._hand.around(execution)
