"""Tells whoever waits for an execution of its end, and of its pauses."""

from __future__ import annotations

import logging
from collections.abc import Callable

from engine.clock import Clock
from engine.errors import TidegateError
from engine.ids import ExecutionId
from engine.runtime.driving.callees import Callees, child_ended
from engine.runtime.driving.hot import Hot, Watches
from engine.runtime.driving.in_hand import InHand
from engine.state.event import AnyEvent, ChildPaused
from engine.state.execution import Execution
from engine.state.status import Status

Post = Callable[[ExecutionId, AnyEvent], None]
Spawn = Callable[..., None]


class Telling:
    """`watches` are told of the end of an execution, `finishes` when its afterExecution tasks have ended too."""

    def __init__(self, hand: InHand, clock: Clock, post: Post, spawn: Spawn) -> None:
        self._hand = hand
        self._clock = clock
        self._post = post
        self._spawn = spawn
        self.watches = Watches()
        self.finishes = Watches()
        self.subflows: Callees | None = None

    def ended(self, hot: Hot, execution: Execution, heard: bool = False) -> None:
        """Tell whoever waits for an execution that it has ended. `heard`: its caller knows."""
        hot.ended = True
        self.watches.tell(execution)
        caller = execution.caller
        if not heard and caller is not None and caller.waits and caller.index is not None:
            self._report(caller.execution, child_ended(execution, caller))

    def paused(self, execution: Execution, before: Status) -> None:
        """Let whoever waits for an execution know that it is paused, or goes on."""
        caller = execution.caller
        paused = execution.state is Status.PAUSED
        if caller is None or not (caller.waits and caller.transmit) or (before is Status.PAUSED) is paused:
            return
        self._report(caller.execution, ChildPaused(at=self._clock.now(), path=caller.path, paused=paused))

    def _report(self, parent: ExecutionId, event: AnyEvent) -> None:
        if self._hand.get(parent) is not None:
            self._post(parent, event)
        else:
            self._spawn(self._report_elsewhere, parent, event)

    async def _report_elsewhere(self, parent: ExecutionId, event: AnyEvent) -> None:
        assert self.subflows is not None
        try:
            await self.subflows.report(parent, event)
        except TidegateError as error:
            # An end is told again by its timer.
            logging.getLogger("tidegate").warning("Execution %s is not told: %s", parent, error)
