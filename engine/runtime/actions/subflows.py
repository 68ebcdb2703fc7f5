"""Executions that a task starts, and what its own execution learns of their end.

A child has an id that follows from the attempt that starts it, so starting it twice starts it once. It tells the
attempt of its end by a timer that its last transaction writes; only when it has told is that timer forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import Blocked, ExpressionError, InvalidFlow, NotFound, Refused, TaskError
from engine.ids import ExecutionId
from engine.plugin.base import Call
from engine.runtime.actions.control import Control
from engine.runtime.actions.creation import Child
from engine.runtime.attempts.shared import Handed
from engine.runtime.driving.callees import child_ended, child_id
from engine.state.event import AnyEvent, Lost, TaskEnded
from engine.state.execution import Caller, Execution, ExecutionKind, TaskRun, TriggeredBy
from engine.state.status import Status
from engine.store.protocols import Store

# Ends of a child that its task shares; every other end is a success of having started it.
TRANSMITTED = frozenset({Status.FAILED, Status.KILLED, Status.WARNING})


# What a restart of the task runs again.
AGAIN = frozenset({Status.FAILED, Status.KILLED, Status.CANCELLED})


def result_of(child: Status, transmit: bool) -> Status:
    """How the task run ends whose execution ended so."""
    return child if transmit and child in TRANSMITTED else Status.SUCCESS


class Subflows:
    """Starts children, stops them, and tells of their end."""

    def __init__(self, store: Store, control: Control) -> None:
        self._store = store
        self._control = control

    async def start(self, parent: Execution, run: TaskRun, type: str, call: Call) -> Handed:
        """Start the child of an attempt unless it exists, or that of the attempt before again. Raises TaskError."""
        id = child_id(parent.id, run, call.restart)
        outputs = dict(call.outputs) if call.outputs else None
        caller = Caller(parent.id, run.path, run.attempt, call.transmit_failed, waits=call.wait, outputs=outputs)
        child = await self._head(id)
        if child is None:
            await self.create(id, parent, run, type, call, caller)
        elif child.caller is not None and child.caller.attempt != run.attempt and child.state.terminal:
            if child.state not in AGAIN:
                # It ended well; what failed was what the task made of it.
                return Handed({"executionId": id}, await self._ended(child, caller))
            await self.restart(child, run.attempt)
        return Handed({"executionId": id})

    async def restart(self, child: Execution, attempt: int) -> None:
        """Run a child again, for a later attempt of what started it."""
        await self._control.restart(child.id, attempt)

    async def kill(self, id: ExecutionId, *, cascade: bool = True) -> None:
        """Kill an execution unless it has ended; `cascade`: with those that it started."""
        await self._control.kill_if_alive(id, cascade=cascade)

    async def report(self, parent: ExecutionId, event: AnyEvent) -> None:
        """Bring an event to an execution, whoever drives it."""
        await self._control.tell(parent, event)

    async def create(
        self,
        id: ExecutionId,
        parent: Execution,
        run: TaskRun,
        type: str,
        call: Call,
        caller: Caller,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """Start an execution; `more` variables of its trigger. Raises TaskError."""
        held = {label.key: label.value for label in parent.labels}
        inherited = {key: value for key, value in held.items() if call.inherit_labels or key.startswith("system.")}
        variables = {
            "executionId": parent.id,
            "namespace": parent.namespace,
            "flowId": parent.flow,
            "flowRevision": parent.revision,
            "taskRunId": run.id,
            "taskId": run.node,
            **(more or {}),
        }
        child = Child(id=id, inherited=inherited, caller=caller)
        trigger = TriggeredBy(id=run.node, type=type, variables=variables)
        named = f"'{call.namespace}'.'{call.flow}'" + (f" with revision '{call.revision}'" if call.revision else "")
        try:
            await self._control.create(
                call.namespace,
                call.flow,
                revision=call.revision,
                inputs=call.inputs,
                labels=call.labels,
                trigger=trigger,
                child=child,
                scheduled=call.schedule_date,
                kind=ExecutionKind.TEST if parent.kind is ExecutionKind.TEST else ExecutionKind.NORMAL,
            )
        except NotFound as error:
            raise TaskError(f"Unable to find flow {named}" if error.kind == "flow" else str(error)) from None
        except Blocked as error:
            raise TaskError(f"The checks of flow {named} do not hold: {error}") from None
        except Refused:
            raise TaskError(f"Cannot execute a flow which is disabled: {named}") from None
        except InvalidFlow as error:
            raise TaskError(f"Cannot execute an invalid flow: {named}: {error}") from None

    async def tell(self, child: Execution) -> None:
        """Tell the task run that waits for a child how it ended. Told twice it counts once."""
        caller = child.caller
        assert caller is not None
        ended = await self._ended(child, caller) if caller.index is None else child_ended(child, caller)
        await self._control.tell(caller.execution, ended)

    async def _ended(self, child: Execution, caller: Caller) -> TaskEnded:
        state = result_of(child.state, caller.transmit)
        outputs: dict[str, Any] = {"executionId": child.id}
        error = f"The execution '{child.id}' ended {child.state}" if state is Status.FAILED else None
        try:
            given = child.outputs
            if not given and caller.outputs:
                given = await self._control.rendered(child.id, caller.outputs)
            outputs |= {"state": child.state.value, "outputs": given or {}}
        except ExpressionError as problem:
            state = state if state is Status.KILLED else Status.FAILED
            error = f"Failed to extract outputs with the error: '{problem}'"
        at = child.history[-1].at
        return TaskEnded(at=at, path=caller.path, attempt=caller.attempt, state=state, outputs=outputs, error=error)

    async def stop(self, parent: ExecutionId, run: TaskRun, at: int) -> None:
        """Kill the child of an attempt, which then tells of its end; where there is none the attempt is lost."""
        id = ExecutionId((run.outputs or {}).get("executionId") or child_id(parent, run))
        child = await self._head(id)
        if child is None or (child.state.terminal and child.caller and child.caller.attempt != run.attempt):
            await self._control.tell(parent, Lost(at=at, path=run.path, attempt=run.attempt))
        elif not child.state.terminal:
            await self._control.kill_if_alive(id)

    async def _head(self, id: ExecutionId) -> Execution | None:
        try:
            return (await self._store.executions.head(id))[0]
        except NotFound:
            return None
