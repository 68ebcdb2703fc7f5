"""Executions that wait for somebody: until when a step looks on, and who lets them go on."""

from __future__ import annotations

import re

import anyio
import msgspec

from conformance.bench import POLL_SECONDS, Bench
from conformance.flow_cases import Unbound
from engine.executor import pause
from engine.executor.advance import advance, apply
from engine.executor.plan import Plan
from engine.ids import ExecutionId
from engine.state.event import Resumed
from engine.state.record import Record
from engine.state.status import Status

UNTIL = re.compile(r"(?:both )?(\w+) ([A-Z]+)")


async def wait_until(bench: Bench, id: ExecutionId, words: str) -> None:
    """Wait for a state of the execution, of a task (`approval PAUSED`), or of two tasks (`both approvals PAUSED`)."""
    if words in Status.__members__:
        await bench.until(id, Status(words), passed=True)
        return
    named = UNTIL.fullmatch(words)
    if named is None or named[2] not in Status.__members__:
        raise Unbound(f"nothing waits until '{words}'")
    wanted = 2 if words.startswith("both ") else 1
    while True:
        record = await bench.record(id)
        there = [run for run in record.runs.values() if run.state == named[2] and (wanted == 2 or run.node == named[1])]
        if len(there) >= wanted or record.execution.state.terminal:
            return
        await anyio.sleep(POLL_SECONDS)


async def plan_of(bench: Bench, record: Record) -> Plan:
    """The plan that a record was made by."""
    execution = record.execution
    return (await bench.engine.plans.get(execution.namespace, execution.flow, execution.revision)).plan


async def resumed(bench: Bench, record: Record) -> Record:
    """A paused record as it stands when it is told to go on, before it does. Raises Refused when it isn't paused."""
    plan = await plan_of(bench, record)
    run = pause.to_resume(plan, record)
    assert run is not None
    after = Record(record.execution, dict(record.runs), dict(record.answers))
    apply(after, advance(plan, after, Resumed(at=bench.since, path=run.path)))
    history = after.execution.history
    told = next(place for place, change in enumerate(history) if change.state is Status.RESTARTED)
    after.execution = msgspec.structs.replace(after.execution, history=history[: told + 1])
    return after
