"""The client over a data folder: the engine is in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.cli.port import FlowHead
from engine.cli.session import session
from engine.store.rows import StoredFlow

if TYPE_CHECKING:
    from engine.runtime.engine import Engine


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

    async def save(self, source: str, file: str) -> StoredFlow:
        return await self._engine.control.save_flow(source, file)

    async def delete(self, namespace: str, id: str) -> None:
        await self._engine.control.delete_flow(namespace, id)


class LocalClient(NamedTuple):
    """The engine of this process."""

    flows: LocalFlows


@asynccontextmanager
async def local_client(data: Path | None, config: Path | None) -> AsyncIterator[LocalClient]:
    """Open the engine of a data folder for one command."""
    async with session(data, config) as engine:
        yield LocalClient(LocalFlows(engine))
