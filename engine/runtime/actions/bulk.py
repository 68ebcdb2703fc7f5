"""What people do with many executions at once: those they name, or all that a filter selects.

Named ones are all looked at first, and nothing is done where one does not fit. Of those that a filter selects each is
taken that fits. In both cases what changed meanwhile is told, and the others go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import anyio
import msgspec

from engine.clock import Clock
from engine.errors import NotAll, Refused, TidegateError
from engine.ids import ExecutionId
from engine.runtime.actions.control import ALIVE, Control
from engine.runtime.actions.operations import Operations, check_delete, check_set_labels, check_set_status
from engine.state.execution import Execution
from engine.state.status import TERMINAL, Status
from engine.store.conditions import names
from engine.store.protocols import Store
from engine.store.rows import ExecutionFilter

PAGE = 500
AT_ONCE = 500
ENDED = tuple(TERMINAL)
# What waits comes first: were what runs ended first, it would give its slot to one that is to be ended too.
WAITING = (Status.CREATED, Status.QUEUED, Status.PAUSED)

Which = Sequence[ExecutionId] | ExecutionFilter
Check = Callable[[Execution], None]
T = TypeVar("T")
Act = Callable[[ExecutionId], Awaitable[Any]]


class Outcome(NamedTuple):
    """To which executions it was done, why not to others, and which other ones began by it."""

    done: tuple[ExecutionId, ...]
    refused: Mapping[ExecutionId, str]
    started: tuple[ExecutionId, ...] = ()


class Bulk:
    """Operations on many executions; each raises NotAll for ids that don't fit, Refused for a filter without limits."""

    def __init__(self, store: Store, control: Control, operations: Operations, clock: Clock) -> None:
        self._store = store
        self._control = control
        self._operations = operations
        self._clock = clock
        self._trial = False

    def trial(self) -> Bulk:
        """The same operations, which only tell to which executions they would be done."""
        bulk = Bulk(self._store, self._control, self._operations, self._clock)
        bulk._trial = True
        return bulk

    async def kill(self, which: Which, *, cascade: bool = True) -> Outcome:
        """Ask executions to stop; those without anything running have ended when this returns.

        cascade: also those that their tasks started
        """
        found = await self.chosen(which, ALIVE, not_ended)
        return await self._do(sorted(found, key=_kill_order), not_ended, partial(self._control.kill, cascade=cascade))

    async def pause(self, which: Which) -> Outcome:
        check = in_state(Status.RUNNING, Status.RETRYING)
        return await self._do(await self.chosen(which, (Status.RUNNING,), check), check, self._control.pause)

    async def resume(self, which: Which) -> Outcome:
        check = in_state(Status.PAUSED)
        return await self._do(await self.chosen(which, (Status.PAUSED,), check), check, self._control.resume)

    async def unqueue(self, which: Which, state: Status = Status.RUNNING) -> Outcome:
        check = in_state(Status.QUEUED)
        found = await self.chosen(which, (Status.QUEUED,), check)
        return await self._do(found, check, partial(self._control.unqueue, state=state))

    async def force_run(self, which: Which) -> Outcome:
        found = await self.chosen(which, ALIVE, not_ended)
        return await self._do(found, not_ended, self._control.force_run)

    async def restart(self, which: Which, revision: int | None = None) -> Outcome:
        """Run again what failed; a filter without states means those that failed or were killed."""
        found = await self.chosen(which, (Status.FAILED, Status.KILLED, Status.CANCELLED), restartable)
        return await self._do(found, restartable, partial(self._operations.restart, revision=revision))

    async def replay(self, which: Which, latest: bool = False) -> Outcome:
        """Run executions anew from their start. `latest`: with the latest revision of their flows."""
        found = await self.chosen(which, (), _anything)

        async def act(id: ExecutionId) -> Execution:
            execution, _ = await self._store.executions.head(id)
            revision = None
            if latest:
                revision = (await self._store.flows.get(execution.namespace, execution.flow)).revision
            return await self._operations.replay(id, revision=revision)

        return await self._do(found, _anything, act)

    async def set_status(self, which: Which, state: Status) -> Outcome:
        check = partial(check_set_status, state=state)
        found = await self.chosen(which, ENDED, check)
        return await self._do(found, check, partial(self._operations.set_status, state=state))

    async def set_labels(self, which: Which, labels: Mapping[str, str], remove: Sequence[str] = ()) -> Outcome:
        check = partial(check_set_labels, labels=labels, remove=remove)
        found = await self.chosen(which, ENDED, check)
        return await self._do(found, check, partial(self._operations.set_labels, labels=labels, remove=remove))

    async def delete(self, which: Which, *, logs: bool = True, metrics: bool = True, files: bool = True) -> Outcome:
        found = await self.chosen(which, ENDED, check_delete)
        total = Outcome((), {})
        for page in _pages(found):
            if not self._trial:
                await self._operations.clear(page, logs=logs, metrics=metrics, files=files)
            total = _sum(total, await self._do(page, check_delete, self._store.executions.delete))
        return total

    async def chosen(self, which: Which, states: Sequence[Status] = (), check: Check | None = None) -> list[Execution]:
        """The executions meant, without doing anything: all that are named, or that a filter selects.

        states: where the filter names none
        Raises NotAll for ids that don't exist or don't pass the check, Refused for a filter that selects nothing away.
        """
        if isinstance(which, ExecutionFilter):
            return await self._selected(which, tuple(states))
        found: dict[ExecutionId, Execution] = {}
        for ids in _pages(list(dict.fromkeys(which))):
            found |= {head.id: head for head in await self._store.executions.heads(ids)}
        problems = {str(id): "execution not found" for id in which if id not in found}
        for id, execution in found.items():
            if check is not None and (why := _why_not(execution, check)):
                problems[id] = why
        if problems:
            raise NotAll(problems)
        return [found[id] for id in dict.fromkeys(which)]

    async def _selected(self, where: ExecutionFilter, states: tuple[Status, ...]) -> list[Execution]:
        if msgspec.structs.replace(where, limit=0, offset=0) == ExecutionFilter(limit=0, kinds=where.kinds):
            raise Refused("That would be every execution there is: name a namespace, a flow, states, labels or times")
        until = min(where.until or self._clock.now() + 1, self._clock.now() + 1)
        if where.states or names(where.where, "state"):
            states = where.states
        where = msgspec.structs.replace(where, states=states, until=until, limit=PAGE, offset=0)
        found: dict[ExecutionId, Execution] = {}
        while True:
            page = await self._store.executions.list(where)
            found |= {execution.id: execution for execution in page}
            if len(page) < PAGE:
                return list(found.values())
            where = msgspec.structs.replace(where, offset=where.offset + PAGE)

    async def _do(self, found: Sequence[Execution], check: Check, act: Act) -> Outcome:
        done: list[ExecutionId] = []
        refused: dict[ExecutionId, str] = {}
        started: list[ExecutionId] = []
        limiter = anyio.CapacityLimiter(AT_ONCE)

        async def one(execution: Execution) -> None:
            async with limiter:
                if why := _why_not(execution, check):
                    refused[execution.id] = why
                    return
                try:
                    made = None if self._trial else await act(execution.id)
                except TidegateError as error:
                    refused[execution.id] = str(error)
                else:
                    done.append(execution.id)
                    if isinstance(made, Execution) and made.id != execution.id:
                        started.append(made.id)

        # Steps of executions that are written at the same time share a transaction.
        for page in _pages(found):
            async with anyio.create_task_group() as tasks:
                for execution in page:
                    tasks.start_soon(one, execution)
        return Outcome(tuple(done), refused, tuple(started))


def in_state(*states: Status) -> Check:
    """A check that an execution is in one of some states."""

    def check(execution: Execution) -> None:
        if execution.state not in states:
            raise Refused(f"execution not in state {states[0]}, but {execution.state}")

    return check


def not_ended(execution: Execution) -> None:
    """Raises Refused for an execution that has ended."""
    if execution.finished:
        raise Refused(f"execution already finished, its state is {execution.state}")


def restartable(execution: Execution) -> None:
    """Raises Refused for an execution that still runs."""
    if not execution.state.terminal and execution.state is not Status.PAUSED:
        raise Refused(f"execution not in a terminated state, but {execution.state}")


def _anything(execution: Execution) -> None:
    return


def _why_not(execution: Execution, check: Check) -> str | None:
    try:
        check(execution)
    except Refused as error:
        return str(error)
    return None


def _kill_order(execution: Execution) -> int:
    return WAITING.index(execution.state) if execution.state in WAITING else len(WAITING)


def _pages(items: Sequence[T]) -> list[Sequence[T]]:
    return [items[begin : begin + PAGE] for begin in range(0, len(items), PAGE)]


def _sum(one: Outcome, other: Outcome) -> Outcome:
    return Outcome(one.done + other.done, {**one.refused, **other.refused})
