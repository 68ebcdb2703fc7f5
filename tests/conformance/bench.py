"""What one case of the tables of flows is run with, and how executions are started, edited and looked at."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import msgspec

from conformance.flow_checks import Seen
from conformance.flow_files import stored
from conformance.tables import Case
from engine.errors import Conflict, NotFound
from engine.ids import ExecutionId, random_id
from engine.runtime.engine import Engine
from engine.runtime.keeping.vault import Vault
from engine.state.event import Started
from engine.state.execution import Change, Execution, Label
from engine.state.record import Record
from engine.state.sealed import is_sealed
from engine.state.status import Status
from engine.store.rows import LogLine, StoredFlow, Timer

POLL_SECONDS = 0.005
CLEANING_SECONDS = 5.0
FAR = 2**62


@dataclass
class Bench:
    """A case on the engine.

    folder: for files that the case needs
    names: what placeholders stand for
    started: executions in the order of their start
    emitted: as what each was created
    revisions: which one of a flow that the case calls by a number of its own
    since: when the case began, in milliseconds
    vault: opens what the engine encrypted
    """

    engine: Engine
    folder: Path
    case: Case
    cases: Mapping[str, Case]
    since: int
    vault: Vault
    names: dict[str, Any] = field(default_factory=dict)
    started: list[ExecutionId] = field(default_factory=list)
    emitted: dict[ExecutionId, Status] = field(default_factory=dict)
    revisions: dict[int, int] = field(default_factory=dict)

    async def create(
        self, flow: StoredFlow, inputs: Mapping[str, Any], labels: Mapping[str, Any], raw: bool
    ) -> ExecutionId:
        """Start an execution; `raw` inputs are neither converted nor checked, defaults stand in for absent ones."""
        if raw:
            execution = await self._create_raw(flow, inputs, labels)
        else:
            execution = await self.engine.control.create(
                flow.namespace, flow.id, revision=flow.revision, inputs=inputs, labels=labels
            )
        self.started.append(execution.id)
        self.emitted[execution.id] = execution.state
        return execution.id

    async def _create_raw(self, flow: StoredFlow, inputs: Mapping[str, Any], labels: Mapping[str, Any]) -> Execution:
        compiled = await self.engine.plans.get(flow.namespace, flow.id, flow.revision)
        defaults = {item.id: item.defaults for item in compiled.flow.inputs or () if item.defaults is not None}
        now = self.since
        id = ExecutionId(random_id())
        merged = {**compiled.flow.label_map(), **labels, "system.correlationId": id}
        execution = Execution(
            id=id,
            namespace=flow.namespace,
            flow=flow.id,
            revision=flow.revision,
            history=(Change(Status.CREATED, now),),
            inputs={**defaults, **inputs},
            labels=tuple(Label(key, str(value)) for key, value in merged.items()),
            original=id,
            created=now,
        )
        await self.engine.driver.begin(execution, compiled, Started(at=now))
        return execution

    async def until(self, id: ExecutionId, state: Status, *, passed: bool = False) -> None:
        """Wait until an execution is in a state, or has ended otherwise; `passed`: it may have left that state."""
        while True:
            execution, _ = await self.engine.store.executions.head(id)
            left = passed and any(change.state is state for change in execution.history)
            if left or execution.state is state or execution.state.terminal:
                return
            await anyio.sleep(POLL_SECONDS)

    async def record(self, id: ExecutionId) -> Record:
        return (await self.engine.store.executions.load(id)).record

    async def look(self, id: ExecutionId, source: Record | None = None, context: bool = False) -> Seen:
        """An execution as it stands now; `context`: with the variable `outputs` of expressions."""
        lines = await self.lines(id)
        outputs = await self.engine.control.evaluate(id, "{{ outputs }}", typed=True) if context else {}
        record = await self.record(id)
        self.names.update(await stored(self.engine.files, record, self.case))
        self.names["open"] = self.vault.open
        due = [timer for timer in await self._timers() if timer.execution == id]
        compiled = await self.engine.plans.get(
            record.execution.namespace, record.execution.flow, record.execution.revision
        )
        return self.seen(self._opened(record), source, lines=lines, context=outputs, scheduled=due, plan=compiled.plan)

    async def lines(self, id: ExecutionId) -> list[LogLine]:
        """The log of an execution."""
        await self.engine.logs.flushed()
        return [line for _, line in await self.engine.store.logs.lines(id)]

    async def _timers(self) -> Sequence[Timer]:
        return await self.engine.store.timers.due(self.engine.node.id, FAR, 1000)

    def _opened(self, record: Record) -> Record:
        """The record with the outputs that were encrypted for holding a secret, as later tasks see them."""
        runs = {
            path: msgspec.structs.replace(run, outputs={name: self._open(it) for name, it in run.outputs.items()})
            if run.outputs
            else run
            for path, run in record.runs.items()
        }
        return Record(record.execution, runs, record.answers)

    def _open(self, value: Any) -> Any:
        # What a task itself encrypts carries no such mark.
        return self.vault.open(value["value"], json=True) if is_sealed(value) and value.get("json") else value

    def seen(self, record: Record, source: Record | None = None, **more: Any) -> Seen:
        """A record with what placeholders mean in it."""
        execution = record.execution
        names = {
            **self.names,
            "execution id": execution.id,
            "started execution id": execution.id,
            **{f"task run id of {run.node}": run.id for run in record.runs.values()},
        }
        if source is not None:
            names["source execution id"] = source.execution.id
        return Seen(record=record, source=source, names=names, **more)

    async def clean(self) -> None:
        """Kill what still runs."""
        for id in self.started:
            with anyio.move_on_after(CLEANING_SECONDS), contextlib.suppress(NotFound, Conflict):
                execution, _ = await self.engine.store.executions.head(id)
                if not execution.state.terminal:
                    await self.engine.control.kill(id)
                    await self.engine.control.wait(id, wholly=True)
