"""Takes up executions of processes that died."""

from __future__ import annotations

from collections.abc import Iterator

from engine.clock import Clock
from engine.executor.outstanding import ending, outstanding, spared_end
from engine.ids import ExecutionId
from engine.runtime.driving.callees import calls, handed, let_go
from engine.runtime.driving.changes import Changes
from engine.runtime.driving.dispatch import Dispatch
from engine.runtime.driving.hot import Hot
from engine.runtime.driving.in_hand import InHand
from engine.runtime.driving.telling import Post
from engine.state.command import Again, Evaluate, RunTask, StartMissing, StopStarted
from engine.state.event import AnyEvent, Continue, Lost, Started
from engine.state.status import Status

# How soon to look again whether an execution may be taken up.
POLL_SECONDS = 0.002


class Recovery:
    """Brings what an execution waits for under way again."""

    def __init__(self, hand: InHand, dispatch: Dispatch, clock: Clock, post: Post) -> None:
        self._hand = hand
        self._dispatch = dispatch
        self._clock = clock
        self._post = post

    async def recover(self, id: ExecutionId) -> None:
        """Take up an execution of a process that died: lost attempts again, unanswered questions again.

        It may be in hand already, for something has happened to it since it was adopted.
        """
        hot = self._hand.hold(id)
        while hot.draining:
            await self._clock.sleep(POLL_SECONDS)
        # What happens meanwhile waits: nobody else may read the execution now.
        hot.draining = True
        now = self._clock.now()
        changes = Changes()
        events: list[AnyEvent] = []
        try:
            if not hot.loaded:
                await self._hand.load(hot)
            events += self._asked_again(hot, changes, now)
            self._dispatch.carry_out(hot, changes)
        finally:
            hot.draining = False
            if hot.inbox:
                self._post(id, Continue(at=now))
        for event in events:
            self._post(id, event)
        self._hand.forget_idle(hot)
        # Its timers came with it, and some may be due.
        self._dispatch.on_timer(now)

    def _asked_again(self, hot: Hot, changes: Changes, now: int) -> Iterator[AnyEvent]:
        """Events for what is lost; what is asked again goes to `changes`, and attempts to the worker."""
        execution = hot.record.execution
        for command in outstanding(hot.compiled.plan, hot.record):
            if isinstance(command, RunTask) and (command.path, command.attempt) in hot.running:
                continue
            if isinstance(command, RunTask) and calls(hot, command.path):
                # What such an attempt has started tells of its end by itself.
                stopping = execution.killing or execution.requested is not None
                if stopping and execution.sparing:
                    yield let_go(command, spared_end(execution), now)
                elif stopping or ending(hot.record, command.path) is not None:
                    self._dispatch.stop_task(hot, command.path, command.attempt, Status.KILLED)
                elif not handed(hot, command.path):
                    self._dispatch.run_task(hot, command)
            elif isinstance(command, RunTask):
                yield Lost(at=now, path=command.path, attempt=command.attempt)
            elif isinstance(command, Evaluate):
                changes.asks.append(command)
            elif isinstance(command, Again):
                yield Continue(at=now)
            elif isinstance(command, StartMissing | StopStarted):
                changes.commands.append(command)
        if execution.block is None and execution.scheduled is None:
            yield Started(at=now)
