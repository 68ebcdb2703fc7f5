"""What people do with executions that have ended, or wait: run them again, say how they ended, label, delete."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from engine.clock import Clock
from engine.definition.labels import refuse_labels
from engine.errors import Conflict, Refused
from engine.executor import another, edit
from engine.executor.draft import Children
from engine.executor.plan import Plan
from engine.files.addresses import execution_folder
from engine.files.protocol import InternalStorage
from engine.ids import ExecutionId, random_id
from engine.runtime.actions.inputs import Inputs
from engine.runtime.driving.driver import Driver
from engine.runtime.driving.reach import Reach
from engine.runtime.flows.plans import Compiled, Plans
from engine.runtime.keeping.logs import LogPump
from engine.runtime.keeping.outputs import offload, plain
from engine.runtime.rendering.variables import View
from engine.state.event import Edited, Started
from engine.state.execution import Change, Execution, ExecutionKind, Label
from engine.state.record import Record
from engine.state.status import Status
from engine.store.protocols import Store
from engine.store.rows import Held, LogFilter, Write

# How often a small change is tried anew while the execution is changed by others.
TRIES = 20


class Restarts(Protocol):
    """Knows the executions that task runs started many of."""

    async def known(self, plan: Plan, record: Record) -> dict[str, Children]: ...


class Operations:
    """Edits of executions. `inline_bytes`: what outputs may hold before they are moved to internal storage."""

    def __init__(
        self,
        *,
        store: Store,
        files: InternalStorage,
        logs: LogPump,
        plans: Plans,
        driver: Driver,
        reach: Reach,
        inputs: Inputs,
        clock: Clock,
        inline_bytes: int,
    ) -> None:
        self._store = store
        self._files = files
        self._logs = logs
        self._plans = plans
        self._driver = driver
        self._reach = reach
        self._inputs = inputs
        self._clock = clock
        self._inline_bytes = inline_bytes
        self.children: Restarts | None = None

    async def restart(self, id: ExecutionId, attempt: int | None = None, *, revision: int | None = None) -> Execution:
        """Run again what failed; the same execution goes on. Raises NotFound, Refused.

        attempt: of the task run that waits for it, where that is what asks
        revision: do so in a new execution, with this revision of the flow; the old one stays as it was
        """
        return (await self.restarted(id, attempt, revision=revision)).execution

    async def restarted(self, id: ExecutionId, attempt: int | None = None, *, revision: int | None = None) -> Record:
        """Restart, and see the execution as it is before it goes on."""
        if revision is not None:
            return await self._restart_another(await self._reach.held(id), revision)

        async def edited(plan: Plan, before: Record) -> Record:
            if attempt is None:
                refuse_iteration(before.execution, "restarted")
            now = self._clock.now()
            assert self.children is not None
            known = await self.children.known(plan, before)
            try:
                record = edit.restart(plan, before, now, known)
            except Refused:
                if attempt is None or not before.execution.state.terminal:
                    raise
                # All its task runs did well, and yet it failed: at its outputs, or because an item could not be read.
                record = edit.begin_again(plan, before, now)
            if attempt is not None and record.execution.caller is not None:
                caller = msgspec.structs.replace(record.execution.caller, attempt=attempt)
                record.execution = msgspec.structs.replace(record.execution, caller=caller)
            return record

        return await self._edit(id, edited)

    async def replay(
        self,
        id: ExecutionId,
        task_run: str | None = None,
        revision: int | None = None,
        *,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Mapping[str, Any]] | None = None,
        here: bool = True,
    ) -> Execution:
        """A new execution with the same inputs, from the start or from a task run. Raises NotFound, Refused.

        inputs: values in the place of those of the old one; all are checked anew, which may raise InvalidInputs
        outputs: by task run that is kept (id, path or task id), values in the place of those it gave
        here: whoever asks is a user of this machine, and may name files of it as inputs
        """
        return (await self.replayed(id, task_run, revision, inputs=inputs, outputs=outputs, here=here)).execution

    async def replayed(
        self,
        id: ExecutionId,
        task_run: str | None = None,
        revision: int | None = None,
        *,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Mapping[str, Any]] | None = None,
        here: bool = True,
    ) -> Record:
        """Replay, and see the new execution as it is before it goes on."""
        held = await self._reach.held(id)
        execution = held.record.execution
        refuse_iteration(execution, "replayed")
        compiled = await self._plans.get(execution.namespace, execution.flow, revision or execution.revision)
        new_id = ExecutionId(random_id())
        now = self._clock.now()
        record = another.replay(
            compiled.plan,
            held.record,
            new_id,
            task_run,
            now,
            before=await self._plan_before(held, compiled),
            inputs=await self._changed_inputs(compiled, held.record, new_id, inputs, here) if inputs else None,
            outputs={name: await self._fit(execution, new_id, values) for name, values in (outputs or {}).items()},
        )
        made = _as_is(record)
        await self._driver.resume(record, compiled, Edited(at=now) if record.runs else Started(at=now))
        await self._amend(id, lambda old: edit.labelled(old, another.REPLAYED_LABEL))
        return made

    async def change_status(self, id: ExecutionId, task_run: str, state: Status) -> Execution:
        """Give a task run another state and go on from there. Raises NotFound, Refused."""

        async def edited(plan: Plan, before: Record) -> Record:
            refuse_iteration(before.execution, "changed")
            return edit.change_status(plan, before, task_run, state, self._clock.now())

        return (await self._edit(id, edited)).execution

    async def set_status(self, id: ExecutionId, state: Status) -> Execution:
        """Say that an execution that has ended ended otherwise; nothing runs again. Raises NotFound, Refused."""

        def changed(execution: Execution) -> Execution:
            check_set_status(execution, state)
            if execution.state is state:
                return execution
            good = state in (Status.SUCCESS, Status.WARNING)
            history = (*execution.history, Change(state, self._clock.now()))
            return msgspec.structs.replace(execution, history=history, error=None if good else execution.error)

        return await self._amend(id, changed)

    async def set_labels(self, id: ExecutionId, labels: Mapping[str, str], remove: Sequence[str] = ()) -> Execution:
        """Add labels to an execution that has ended, or change or remove some. Raises NotFound, Refused."""

        def changed(execution: Execution) -> Execution:
            check_set_labels(execution, labels, remove)
            held = {label.key: label.value for label in execution.labels if label.key not in remove}
            merged = tuple(Label(key, value) for key, value in {**held, **labels}.items())
            return msgspec.structs.replace(execution, labels=merged)

        return await self._amend(id, changed)

    async def delete(self, id: ExecutionId, *, logs: bool = True, metrics: bool = True, files: bool = True) -> None:
        """Delete an execution that has ended, with what is chosen of what it left.

        Raises NotFound, Refused, and Conflict where it goes on meanwhile.
        """
        execution, _ = await self._reach.head(id)
        check_delete(execution)
        await self.clear([execution], logs=logs, metrics=metrics, files=files)
        # Last, so that what a crash leaves half done can be found and deleted again.
        await self._store.executions.delete(id, execution.version)

    async def clear(self, executions: Sequence[Execution], *, logs: bool, metrics: bool, files: bool) -> None:
        """Delete what is chosen of what executions left."""
        await self._logs.flushed()
        left = LogFilter(executions=tuple(execution.id for execution in executions))
        if logs:
            await self._store.logs.remove_lines(left)
        if metrics:
            await self._store.logs.remove_metrics(left)
        for execution in executions if files else ():
            await self._files.delete(execution_folder(execution.namespace, execution.flow, execution.id))

    async def _restart_another(self, held: Held, revision: int) -> Record:
        execution = held.record.execution
        refuse_iteration(execution, "restarted with another revision")
        compiled = await self._plans.get(execution.namespace, execution.flow, revision)
        before = await self._plan_before(held, compiled)
        now = self._clock.now()
        record = another.restart(compiled.plan, held.record, ExecutionId(random_id()), now, before=before)
        made = _as_is(record)
        await self._driver.resume(record, compiled, Edited(at=now))
        return made

    async def _edit(self, id: ExecutionId, edited: Callable[[Plan, Record], Awaitable[Record]]) -> Record:
        """Let an execution go on as it is after an edit; what changes in it meanwhile is looked at again."""
        tries = 0
        while True:
            held = await self._reach.to_edit(id)
            compiled = await self._plans.of(held.record.execution)
            record = await edited(compiled.plan, held.record)
            made = _as_is(record)
            await self._reach.claim(held)
            try:
                await self._driver.resume(record, compiled, Edited(at=self._clock.now()))
                return made
            except Conflict:
                tries += 1
                if tries == TRIES:
                    raise

    async def _plan_before(self, held: Held, compiled: Compiled) -> Plan | None:
        """The plan that an execution ran with, where it goes on with another one."""
        if held.record.execution.revision == compiled.plan.revision:
            return None
        return (await self._plans.of(held.record.execution)).plan

    async def _changed_inputs(
        self, compiled: Compiled, record: Record, new_id: ExecutionId, given: Mapping[str, Any], here: bool
    ) -> dict[str, Any]:
        """All inputs of a replay: those given, checked as for a new execution, and the others as they were."""
        seen = View(compiled.plan, Record(record.execution)).of_flow()
        # Files come from whoever asks for the replay, and not from the trigger.
        execution = msgspec.structs.replace(record.execution, id=new_id, trigger=None)
        declared = compiled.flow.inputs or ()
        return await self._inputs.resolve_again(declared, execution, seen, given, record.execution.inputs, here)

    async def _fit(self, execution: Execution, new_id: ExecutionId, values: Mapping[str, Any]) -> dict[str, Any]:
        folder = f"{execution_folder(execution.namespace, execution.flow, new_id)}/given/{random_id()}"
        return await offload(plain(dict(values)), self._inline_bytes, self._files, folder)

    async def _amend(self, id: ExecutionId, change: Callable[[Execution], Execution]) -> Execution:
        """Change an execution and nothing of what it does; whoever drives it looks again."""
        tries = 0
        while True:
            execution, owner = await self._reach.head(id)
            amended = change(execution)
            if amended == execution:
                return execution
            amended = msgspec.structs.replace(amended, version=execution.version + 1)
            try:
                await self._store.executions.commit(Write(execution=amended, owner=owner, released=not owner))
                return amended
            except Conflict:
                tries += 1
                if tries == TRIES:
                    raise


def _as_is(record: Record) -> Record:
    """A record that stays as this one is now."""
    return Record(record.execution, dict(record.runs), dict(record.answers))


def check_set_status(execution: Execution, state: Status) -> None:
    """Raises Refused where an execution can't be said to have ended in a state."""
    refuse_iteration(execution, "changed")
    if not execution.finished:
        raise Refused("You can only change the status of a terminated execution.")
    if not state.terminal or state is Status.SKIPPED:
        raise Refused(f"You can only change the status to a terminal state, and {state} isn't one of an execution")


def check_set_labels(execution: Execution, labels: Mapping[str, str], remove: Sequence[str] = ()) -> None:
    """Raises Refused where the labels of an execution can't be changed so."""
    refuse_iteration(execution, "labelled")
    if not execution.state.terminal:
        raise Refused("The execution is not terminated")
    held = {label.key: label.value for label in execution.labels}
    refuse_labels({key: value for key, value in labels.items() if held.get(key) != value}, frozenset())
    refuse_labels({key: held[key] for key in remove if key in held}, frozenset())


def check_delete(execution: Execution) -> None:
    """Raises Refused for an execution that can't be deleted as it is."""
    if not execution.finished:
        raise Refused(f"The execution is not terminated, its state is {execution.state}: kill it first")
    refuse_iteration(execution, "deleted")


def refuse_iteration(execution: Execution, done: str) -> None:
    """Raises Refused for an iteration of a loop, which is edited with the execution that it is a part of."""
    if execution.kind is ExecutionKind.LOOP:
        raise Refused(f"An iteration of a loop is {done} with its execution, which is '{execution.home}'")
