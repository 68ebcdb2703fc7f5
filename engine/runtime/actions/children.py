"""Sees to the executions that one task run starts: starts those of a ForEachItem, restarts and stops those of any.

What it does can be done twice: an execution is started under an id that follows from its index, and one that was
restarted already belongs to the later attempt of its parent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio
import msgspec

from engine.clock import Clock
from engine.errors import ExpressionError, NotFound, Refused, TaskError, TidegateError
from engine.executor.draft import Children as Known
from engine.executor.finish import STOPS, calls_many
from engine.executor.names import CALLERS, ITEMS
from engine.executor.outstanding import spared_end
from engine.executor.plan import Node, Plan
from engine.executor.work import attempt_of, child_of
from engine.expressions.masks import masked
from engine.ids import ExecutionId
from engine.plugin.base import Call
from engine.runtime.actions.subflows import Subflows
from engine.runtime.driving.callees import let_many_go
from engine.runtime.driving.hot import Hot
from engine.runtime.driving.items import Items
from engine.runtime.rendering.lookups import LookUps
from engine.runtime.rendering.renderer import Renderer
from engine.runtime.rendering.variables import Variables
from engine.state.command import StopStarted
from engine.state.event import AnyEvent, ChildEnded
from engine.state.execution import Caller, Execution, TaskRun
from engine.state.record import Record
from engine.state.status import TERMINAL, Status
from engine.store.protocols import Store
from engine.store.rows import ExecutionFilter

PAGE = 500
AT_ONCE = 32
ALIVE = tuple(status for status in Status if status not in TERMINAL)


class Children:
    """The executions that task runs of this process start many of."""

    def __init__(
        self,
        *,
        store: Store,
        subflows: Subflows,
        items: Items,
        renderer: Renderer,
        look_ups: LookUps,
        clock: Clock,
        post: Callable[[ExecutionId, AnyEvent], None],
    ) -> None:
        self._store = store
        self._subflows = subflows
        self._items = items
        self._renderer = renderer
        self._look_ups = look_ups
        self._clock = clock
        self._post = post
        self._starting: set[tuple[ExecutionId, str]] = set()

    async def known(self, plan: Plan, record: Record) -> dict[str, Known]:
        """What a restart must know of the executions that task runs started, by path."""
        found: dict[str, Known] = {}
        for run in record.runs.values():
            node = plan.nodes.get(run.node)
            if node is None or node.kind not in CALLERS or run.block is None or run.path not in record.answers:
                continue
            if node.properties.get("restartBehavior") != "NEW_EXECUTION":
                found[run.path] = await self._known(record, run)
        return found

    async def _known(self, record: Record, run: TaskRun) -> Known:
        assert run.block is not None
        ends: Counter[Status] = Counter()
        again = 0
        for begin in range(0, run.block.next, PAGE):
            indices = range(begin, min(begin + PAGE, run.block.next))
            heads = await self._heads(record.execution.id, run, indices)
            for head in heads.values():
                if head.state in STOPS:
                    again += 1
                else:
                    ends[head.state] += 1
            again += len(indices) - len(heads)
        return Known(again, ends)

    async def see_to(self, hot: Hot, path: str, indices: Sequence[int] | None) -> None:
        """Start executions of a task run by their indices, by default those that are missing; or stop them all."""
        run = hot.record.runs.get(path)
        if run is None or not calls_many(hot.compiled.plan.nodes[run.node], run):
            return
        node = hot.compiled.plan.nodes[run.node]
        key = (hot.id, path)
        if _stopping(hot, path) and hot.record.execution.sparing and node.kind is ITEMS:
            for event in let_many_go(run, spared_end(hot.record.execution), self._clock.now()):
                self._post(hot.id, event)
            return
        if indices is not None or key in self._starting:
            if not _stopping(hot, path):
                await self._start(hot, run, node, indices or ())
            else:
                await self._stop(hot, path)
                self._refuse(hot, path, indices or ())
            return
        await (self._stop_missing(hot, run) if _stopping(hot, path) else self._start_missing(hot, run, node))

    async def _start_missing(self, hot: Hot, run: TaskRun, node: Node) -> None:
        """After a crash or an edit: start what is not there, restart what failed before the edit."""
        assert run.block is not None
        block = run.block
        missing: list[int] = []
        for begin in range(0, block.next, PAGE):
            indices = range(begin, min(begin + PAGE, block.next))
            heads = await self._heads(hot.id, run, indices)
            missing += [index for index in indices if index not in heads]
            failed = [
                head
                for head in heads.values()
                if head.state in STOPS and head.caller is not None and head.caller.attempt < block.since
            ]
            await self._each(failed, lambda head: self._subflows.restart(head, block.since))
        if not block.branch:
            # One could not start, so that no other one is.
            self._refuse(hot, run.path, missing[block.unheard :])
        elif node.waits:
            await self._start(hot, run, node, missing)
        else:
            await self._start(hot, run, node, missing)
            self._refuse(hot, run.path, range(block.live - len(missing)), Status.SUCCESS)

    async def _stop_missing(self, hot: Hot, run: TaskRun) -> None:
        assert run.block is not None
        await self._stop(hot, run.path)
        missing: list[int] = []
        for begin in range(0, run.block.next, PAGE):
            indices = range(begin, min(begin + PAGE, run.block.next))
            heads = await self._heads(hot.id, run, indices)
            missing += [index for index in indices if index not in heads]
        if (hot.id, run.path) not in self._starting:
            self._refuse(hot, run.path, missing[run.block.unheard :])

    async def _heads(self, id: ExecutionId, run: TaskRun, indices: Sequence[int]) -> dict[int, Execution]:
        ids = {child_of(id, run, index): index for index in indices}
        return {ids[head.id]: head for head in await self._store.executions.heads(list(ids))}

    async def stop_started(self, id: ExecutionId, command: StopStarted) -> None:
        """Kill what a task run started that an edit has done away with."""
        alive = await self._alive(id, command.path)
        left = [head for head in alive if head.caller is not None and head.caller.attempt < command.before]
        await self._each(left, lambda head: self._subflows.kill(head.id))

    async def _stop(self, hot: Hot, path: str) -> None:
        """Kill what a task run started and has not ended."""
        alive = await self._alive(hot.id, path)
        await self._each(alive, lambda head: self._subflows.kill(head.id, cascade=not hot.record.execution.sparing))

    async def _alive(self, id: ExecutionId, path: str) -> list[Execution]:
        alive: list[Execution] = []
        where = ExecutionFilter(kinds=(), caller=id, caller_path=path, states=ALIVE, limit=PAGE)
        while True:
            page = await self._store.executions.list(msgspec.structs.replace(where, offset=len(alive)))
            alive += page
            if len(page) < PAGE:
                return alive

    async def _start(self, hot: Hot, run: TaskRun, node: Node, indices: Sequence[int]) -> None:
        if node.kind is not ITEMS:
            return
        key = (hot.id, run.path)
        self._starting.add(key)
        try:
            await self._each(indices, lambda index: self._start_one(hot, run, node, index))
        finally:
            self._starting.discard(key)

    async def _start_one(self, hot: Hot, run: TaskRun, node: Node, index: int) -> None:
        if _stopping(hot, run.path):
            self._refuse(hot, run.path, (index,))
            return
        parent = hot.record.execution
        try:
            item = await self._items.get(hot.record.answers[run.path].value, parent.namespace, index)
            shown = {"items": item.value, "iteration": index}
            variables = hot.view.of(run)
            variables = variables.extended({"taskrun": {**variables["taskrun"], **shown}})
            call = await self._call(parent, node, variables)
            attempt = attempt_of(parent, run)
            caller = Caller(parent.id, run.path, attempt, call.transmit_failed, waits=node.waits, index=index)
            more = {"taskRunItems": item.value, "taskRunIteration": index}
            await self._subflows.create(child_of(parent.id, run, index), parent, run, node.type, call, caller, more)
        except (TaskError, TidegateError) as error:
            self._refuse(hot, run.path, (index,), Status.FAILED, str(error))
            return
        if not node.waits:
            self._refuse(hot, run.path, (index,), Status.SUCCESS)
        elif _stopping(hot, run.path) and not parent.sparing:
            await self._subflows.kill(child_of(parent.id, run, index))

    async def _call(self, parent: Execution, node: Node, variables: Variables) -> Call:
        """What to start for an item. Raises TaskError, ExpressionError."""
        masks: set[str] = set()
        look_up = self._look_ups.for_execution(parent, variables)
        try:
            properties: Mapping[str, Any] = await self._renderer.render(
                dict(node.properties), variables, typed=False, look_up=look_up, masks=masks
            )
            made: Call = node.call(properties)
        except ExpressionError as error:
            raise TaskError(masked(str(error), masks)) from None
        except ValueError as error:
            raise TaskError(f"Properties don't fit after rendering: {masked(str(error), masks)}") from None
        return made

    def _refuse(
        self, hot: Hot, path: str, indices: Sequence[int], state: Status = Status.KILLED, error: str | None = None
    ) -> None:
        """Count executions as ended that will not tell of it."""
        for index in indices:
            self._post(hot.id, ChildEnded(at=self._clock.now(), path=path, index=index, state=state, error=error))

    async def _each(self, all: Sequence[Any], work: Any) -> None:
        limiter = anyio.CapacityLimiter(AT_ONCE)

        async def one(item: Any) -> None:
            async with limiter:
                try:
                    await work(item)
                except (NotFound, Refused):
                    return

        async with anyio.create_task_group() as tasks:
            for item in all:
                tasks.start_soon(one, item)


def _stopping(hot: Hot, path: str) -> bool:
    """Whether what a task run started is to be stopped, with its execution or because another task failed beside it."""
    execution, run = hot.record.execution, hot.record.runs.get(path)
    stopping = run is not None and run.block is not None and run.block.stopping is not None
    return execution.killing or execution.requested is not None or stopping
