"""Makes the executions that a Loop runs as its iterations: in the step that starts them, with their own first one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from engine.clock import Clock
from engine.errors import TidegateError
from engine.executor.plan import Kind
from engine.executor.work import attempt_of, child_of
from engine.runtime.driving.changes import Changes
from engine.runtime.driving.hot import Hot
from engine.runtime.driving.items import Items
from engine.state.command import StartChild
from engine.state.event import AnyEvent, Started
from engine.state.execution import Caller, Change, Execution, ExecutionKind, Item, node_of
from engine.state.record import Record
from engine.state.status import Status

Advance = Callable[[Hot, Sequence[AnyEvent]], Changes]


class Born(NamedTuple):
    """A new iteration and its first step. `later`: what is to happen to it once it is stored."""

    hot: Hot
    changes: Changes
    later: AnyEvent | None = None


class Births:
    """Begins iterations. `advance` lets the reducer take in events."""

    def __init__(self, items: Items, clock: Clock, advance: Advance) -> None:
        self._items = items
        self._clock = clock
        self._advance = advance

    async def next(self, parent: Hot, changes: Changes) -> list[Born]:
        """The iterations that a step of `parent` starts."""
        plan = parent.compiled.plan
        return [
            self._begin(parent, await self._execution(parent.record, start), start)
            for start in changes.starts
            if plan.nodes[node_of(start.path)].kind is Kind.LOOP
        ]

    def _begin(self, parent: Hot, execution: Execution, start: StartChild) -> Born:
        compiled = parent.compiled.iteration(node_of(start.path))
        hot = Hot(execution.id)
        hot.take(Record(execution), compiled, parent.view)
        started = Started(at=execution.created)
        if execution.error is not None:
            started = Started(at=execution.created, admission="refused", state=Status.FAILED)
        changes = self._advance(hot, [started])
        if not changes.starts:
            return Born(hot, changes)
        # It begins with a loop itself: that takes its first step alone, lest this one grows without bounds.
        hot.take(Record(execution), compiled, parent.view)
        first = Changes()
        first.empty = False
        return Born(hot, first, started)

    async def _execution(self, record: Record, start: StartChild) -> Execution:
        """A new iteration. One whose item can't be read has an `error` that says why."""
        whole = record.execution
        run = record.runs[start.path]
        now = self._clock.now()
        description = record.answers[start.path].value
        item = self._items.at_once(description, start.index)
        error = None
        if item is None:
            try:
                item = await self._items.get(description, whole.namespace, start.index)
            except TidegateError as cause:
                error = f"Unable to read the item: {cause}"
                item = Item("", start.index)
        return Execution(
            id=child_of(whole.id, run, start.index),
            namespace=whole.namespace,
            flow=whole.flow,
            revision=whole.revision,
            history=(Change(Status.CREATED, now),),
            tenant=whole.tenant,
            parent=whole.id,
            caller=Caller(whole.id, start.path, attempt_of(whole, run), index=start.index),
            created=now,
            error=error,
            kind=ExecutionKind.LOOP,
            item=item,
            whole=whole.home,
        )
