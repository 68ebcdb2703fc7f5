"""The client over a data folder: the engine is in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anyio

from engine.cli.local_files import LocalFiles
from engine.cli.port import FlowHead, Watcher
from engine.ids import ExecutionId
from engine.state.execution import Execution
from engine.state.record import Record
from engine.store.rows import LogLine, StoredFlow

if TYPE_CHECKING:
    from engine.files.protocol import FileInfo
    from engine.runtime.actions.bulk import Bulk
    from engine.runtime.engine import Engine
    from engine.runtime.flows.triggers import Triggers
    from engine.runtime.keeping.keys import Keys
    from engine.runtime.keeping.secrets import Secrets


class LocalFlows:
    """Flows of the data folder."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def list(self, namespace: str | None = None) -> Sequence[FlowHead]:
        found = await self._engine.store.flows.list(namespace)
        return [FlowHead(flow.namespace, flow.id, flow.revision) for flow in found]

    async def get(self, namespace: str, id: str, revision: int | None = None) -> StoredFlow:
        return await self._engine.store.flows.get(namespace, id, revision)

    async def check(self, source: str, file: str) -> tuple[str, str]:
        flow = self._engine.plans.read(source, file)
        return flow.namespace, flow.id

    async def inputs(self, flow: StoredFlow) -> Sequence[str]:
        from engine.definition.forms import leaves

        compiled = await self._engine.plans.get(flow.namespace, flow.id, flow.revision)
        return [leaf.id for leaf in leaves(compiled.flow.inputs or ())]

    async def save(self, source: str, file: str) -> StoredFlow:
        return await self._engine.control.save_flow(source, file)

    async def delete(self, namespace: str, id: str) -> None:
        await self._engine.control.delete_flow(namespace, id)


class LocalExecutions:
    """Executions of the data folder; what this process begins runs in it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._watchers: list[Watcher] = []
        self.list, self.evaluate = engine.store.executions.list, engine.control.evaluate

    async def record(self, id: ExecutionId) -> Record:
        return (await self._engine.store.executions.load(id)).record

    async def lines(
        self, id: ExecutionId, task: str | None = None, levels: Sequence[str] = ()
    ) -> AsyncIterator[LogLine]:
        from engine.runtime.keeping.log_lines import log_lines

        async for line in log_lines(self._engine.store, id, task=task, levels=levels):
            yield line

    async def files(self, execution: Execution) -> Sequence[FileInfo]:
        from engine.files.addresses import execution_folder

        return await self._engine.files.list(execution_folder(execution.namespace, execution.flow, execution.id))

    async def fetch(self, execution: Execution, address: str, path: Path) -> None:
        await self._engine.files.fetch(address, path)

    async def start(self, namespace: str, flow: str, inputs: Mapping[str, str], labels: Mapping[str, str]) -> Execution:
        return await self._engine.control.create(namespace, flow, inputs=inputs, labels=labels)

    @asynccontextmanager
    async def watching(self, watcher: Watcher) -> AsyncIterator[None]:
        """What this process does is told at once; what another one does, while its end is waited for."""
        observers, listeners = self._engine.driver.observers, self._engine.logs.listeners
        self._watchers.append(watcher)
        observers.append(watcher.on_change)
        listeners.append(watcher.on_line)
        try:
            yield
        finally:
            self._watchers.remove(watcher)
            observers.remove(watcher.on_change)
            listeners.remove(watcher.on_line)

    async def until_end(self, id: ExecutionId) -> Execution:
        if await self.goes_on_elsewhere(id):
            return await self._follow(id)
        ended = await self._engine.control.wait(id, wholly=True)
        await self._engine.logs.flushed()
        return ended

    async def goes_on_elsewhere(self, id: ExecutionId) -> bool:
        return (await self._engine.store.executions.head(id))[1] not in ("", self._engine.node.id)

    async def finish(self, ids: Sequence[ExecutionId]) -> None:
        for id in ids:
            if self._engine.driver.drives(id):
                await self._engine.control.wait(id, wholly=True)

    async def _follow(self, id: ExecutionId) -> Execution:
        """Tell what another process does."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tell_lines, id)
            await self._tell_changes(id)
        return (await self._engine.store.executions.head(id))[0]

    async def _tell_changes(self, id: ExecutionId) -> None:
        from engine.cli.decoded import changed

        before: Record | None = None
        async with aclosing(self._engine.following.execution(id)) as records:
            async for record in records:
                if record is not None:
                    for watcher in self._watchers:
                        watcher.on_change(record.execution, changed(before, record))
                    before = record

    async def _tell_lines(self, id: ExecutionId) -> None:
        async with aclosing(self._engine.following.lines(id)) as pages:
            async for page in pages:
                for line in page or ():
                    for watcher in self._watchers:
                        watcher.on_line(line)


class LocalActions:
    """What is done to executions of the data folder, whichever process has them in hand."""

    def __init__(self, engine: Engine) -> None:
        self._control = engine.control
        self.kill, self.pause, self.review = engine.control.kill, engine.control.pause, engine.control.review
        self.unqueue, self.force_run = engine.control.unqueue, engine.control.force_run

    async def resume(
        self, id: ExecutionId, inputs: Mapping[str, str] | None = None, task_run: str | None = None
    ) -> None:
        await self._control.resume(id, inputs, task_run=task_run)

    async def restart(self, id: ExecutionId, revision: int | None = None) -> Execution:
        return await self._control.restart(id, revision=revision)

    async def replay(
        self,
        id: ExecutionId,
        task_run: str | None = None,
        revision: int | None = None,
        inputs: Mapping[str, str] | None = None,
        outputs: Mapping[str, Mapping[str, object]] | None = None,
    ) -> Execution:
        return await self._control.replay(id, task_run, revision, inputs=inputs, outputs=outputs)


class LocalClient(NamedTuple):
    """The engine of this process."""

    flows: LocalFlows
    executions: LocalExecutions
    actions: LocalActions
    bulk: Bulk
    keys: Keys
    secrets: Secrets
    files: LocalFiles
    triggers: Triggers
    here: bool = True


def local_client(engine: Engine) -> LocalClient:
    """The client of an engine that is open in this process."""
    return LocalClient(
        flows=LocalFlows(engine),
        executions=LocalExecutions(engine),
        actions=LocalActions(engine),
        bulk=engine.bulk,
        keys=engine.keys,
        secrets=engine.secrets,
        files=LocalFiles(engine),
        triggers=engine.triggers,
    )
