"""What becomes of an execution that can't simply go on: it is given up, or tried again as another one."""

from __future__ import annotations

import msgspec

from engine.executor.after import DONE
from engine.ids import ExecutionId, derived_id
from engine.state.execution import Change, Execution
from engine.state.record import Record
from engine.state.status import Status
from engine.store.rows import Timer, Write


def given_up(record: Record, fault: Exception, now: int, owner: str) -> Write:
    """The step that ends an execution FAILED because the engine itself can't go on with it."""
    execution = record.execution
    end = Change(Status.FAILED, now)
    tells = execution.caller is not None and execution.caller.waits
    return Write(
        execution=msgspec.structs.replace(
            execution,
            version=execution.version + 1,
            history=(*execution.history, end),
            block=None if execution.block is None else msgspec.structs.replace(execution.block, phase=DONE, live=0),
            error=f"A fault of the engine ended this execution: {type(fault).__name__}: {fault}",
        ),
        owner=owner,
        changed=[
            msgspec.structs.replace(run, history=(*run.history, end))
            for run in record.runs.values()
            if not run.state.terminal
        ],
        timers=(Timer(execution.id, "", "tell", now),) if tells else (),
        released=True,
    )


def next_attempt(before: Execution, attempt: int, now: int) -> Execution:
    """The execution that tries again what `before` was retried as a whole for: always the same one."""
    return Execution(
        id=ExecutionId(derived_id(before.id, "attempt", attempt)),
        namespace=before.namespace,
        flow=before.flow,
        revision=before.revision,
        history=(Change(Status.CREATED, now),),
        tenant=before.tenant,
        inputs=before.inputs,
        labels=before.labels,
        trigger=before.trigger,
        parent=before.parent,
        caller=before.caller,
        original=before.original,
        attempt=attempt,
        created=now,
        tried_since=before.tried_since or before.created or before.started,
    )
