"""Takes up executions of processes that died."""

from __future__ import annotations

from engine.clock import Clock
from engine.executor.outstanding import outstanding
from engine.ids import ExecutionId
from engine.runtime.callees import calls, handed, let_go
from engine.runtime.changes import Changes
from engine.runtime.dispatch import Dispatch
from engine.runtime.in_hand import InHand
from engine.runtime.telling import Post
from engine.state.command import Again, Evaluate, RunTask, StartMissing
from engine.state.event import Continue, Lost, Started
from engine.state.status import Status


class Recovery:
    """Brings what an execution waits for under way again."""

    def __init__(self, hand: InHand, dispatch: Dispatch, clock: Clock, post: Post) -> None:
        self._hand = hand
        self._dispatch = dispatch
        self._clock = clock
        self._post = post

    async def recover(self, id: ExecutionId) -> None:
        """Take up an execution of a process that died: lost attempts again, unanswered questions again."""
        hot = self._hand.hold(id)
        await self._hand.load(hot)
        now = self._clock.now()
        changes = Changes()
        for command in outstanding(hot.compiled.plan, hot.record):
            if isinstance(command, RunTask) and calls(hot, command.path):
                # What such an attempt has started tells of its end by itself.
                if hot.record.execution.violated is not None and not hot.record.execution.killing:
                    self._post(id, let_go(command, hot.record.execution.requested or Status.KILLED, now))
                elif hot.record.execution.killing or hot.record.execution.requested is not None:
                    self._dispatch.stop_task(hot, command.path, command.attempt, Status.KILLED)
                elif not handed(hot, command.path):
                    self._dispatch.run_task(hot, command)
            elif isinstance(command, RunTask):
                self._post(id, Lost(at=now, path=command.path, attempt=command.attempt))
            elif isinstance(command, Evaluate):
                changes.asks.append(command)
            elif isinstance(command, Again):
                self._post(id, Continue(at=now))
            elif isinstance(command, StartMissing):
                changes.commands.append(command)
        if hot.record.execution.block is None and hot.record.execution.scheduled is None:
            self._post(id, Started(at=now))
        self._dispatch.carry_out(hot, changes)
        self._hand.forget_idle(hot)
        # Its timers came with it, and some may be due.
        self._dispatch.on_timer(now)
