"""Executions that a task starts, and what its own execution learns of their end.

A child has an id that follows from the attempt that starts it, so starting it twice starts it once. It tells the
attempt of its end by a timer that its last transaction writes; only when it has told is that timer forgotten.
"""

from __future__ import annotations

from typing import Any

from engine.errors import Blocked, InvalidFlow, NotFound, Refused, TaskError
from engine.ids import ExecutionId
from engine.plugin.base import Call
from engine.runtime.callees import child_id
from engine.runtime.control import Child, Control
from engine.state.event import Lost, TaskEnded
from engine.state.execution import Caller, Execution, ExecutionKind, TaskRun, TriggeredBy
from engine.state.status import Status
from engine.store.protocols import Store

# Ends of a child that its task shares; every other end is a success of having started it.
TRANSMITTED = frozenset({Status.FAILED, Status.KILLED, Status.WARNING})


class Subflows:
    """Starts children, stops them, and tells of their end."""

    def __init__(self, store: Store, control: Control) -> None:
        self._store = store
        self._control = control

    async def start(self, parent: Execution, run: TaskRun, type: str, call: Call) -> dict[str, Any]:
        """Start the child of an attempt unless it exists; returns the task's outputs so far. Raises TaskError."""
        id = child_id(parent.id, run)
        if await self._head(id) is None:
            await self._create(id, parent, run, type, call)
        return {"executionId": id}

    async def _create(self, id: ExecutionId, parent: Execution, run: TaskRun, type: str, call: Call) -> None:
        held = {label.key: label.value for label in parent.labels}
        inherited = {key: value for key, value in held.items() if call.inherit_labels or key.startswith("system.")}
        variables = {
            "executionId": parent.id,
            "namespace": parent.namespace,
            "flowId": parent.flow,
            "flowRevision": parent.revision,
            "taskRunId": run.id,
            "taskId": run.node,
        }
        child = Child(
            id=id,
            inherited=inherited,
            caller=Caller(parent.id, run.path, run.attempt, call.transmit_failed, waits=call.wait),
            scheduled=call.schedule_date,
        )
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
        """Tell the attempt that waits for a child how it ended. Told twice it counts once."""
        caller = child.caller
        assert caller is not None
        state = child.state if caller.transmit and child.state in TRANSMITTED else Status.SUCCESS
        outputs = {"executionId": child.id, "state": child.state.value, "outputs": child.outputs or {}}
        ended = TaskEnded(
            at=child.history[-1].at,
            path=caller.path,
            attempt=caller.attempt,
            state=state,
            outputs=outputs,
            error=f"The execution '{child.id}' ended {child.state}" if state is Status.FAILED else None,
        )
        await self._control.tell(caller.execution, ended)

    async def stop(self, parent: ExecutionId, run: TaskRun, at: int) -> None:
        """Kill the child of an attempt, which then tells of its end; where there is none the attempt is lost."""
        id = child_id(parent, run)
        child = await self._head(id)
        if child is None:
            await self._control.tell(parent, Lost(at=at, path=run.path, attempt=run.attempt))
        elif not child.state.terminal:
            await self._control.kill_if_alive(id)

    async def _head(self, id: ExecutionId) -> Execution | None:
        try:
            return (await self._store.executions.head(id))[0]
        except NotFound:
            return None
