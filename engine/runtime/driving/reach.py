"""How what is asked of an execution gets to it: from the store, or to the process that drives it."""

from __future__ import annotations

from engine.errors import NotFound, Refused
from engine.ids import ExecutionId
from engine.runtime.driving.driver import Driver
from engine.runtime.driving.nodes import Nodes
from engine.runtime.driving.skips import SKIPPED, set_aside
from engine.state.event import AnyEvent
from engine.state.execution import Execution
from engine.store.protocols import Store
from engine.store.rows import Held


class Reach:
    """The way to the executions of one data folder, whichever process drives them. `owner`: this one."""

    def __init__(self, store: Store, driver: Driver, nodes: Nodes, owner: str) -> None:
        self._store = store
        self._driver = driver
        self._nodes = nodes
        self._owner = owner

    async def head(self, id: ExecutionId) -> tuple[Execution, str]:
        """An execution without its task runs, and who drives it. Raises NotFound."""
        try:
            return await self._store.executions.head(id)
        except NotFound:
            raise not_found(id) from None

    async def held(self, id: ExecutionId) -> Held:
        """An execution with all that belongs to it. Raises NotFound."""
        try:
            return await self._store.executions.load(id)
        except NotFound:
            raise not_found(id) from None

    async def to_edit(self, id: ExecutionId) -> Held:
        """The same, of an execution that is to be edited: what a process left that is gone is under way again."""
        _, owner = await self.head(id)
        if owner == SKIPPED:
            raise set_aside(id)
        if owner not in ("", self._owner):
            await self._took_over(id, owner)
        return await self.held(id)

    async def tell(self, id: ExecutionId, owner: str, event: AnyEvent) -> None:
        """Bring an event to whoever drives the execution, which is this process when that one is gone."""
        if owner == SKIPPED:
            # Whoever takes it up some day takes up what was sent to it, too.
            await self._nodes.tell(owner, id, event)
            return
        if owner == self._owner or await self._took_over(id, owner):
            await self._driver.submit(id, event)
            return
        await self._nodes.tell(owner, id, event)
        if await self._took_over(id, owner):
            # It died before it could read the message, which came with the execution.
            await self._driver.submit(id, event)

    async def claim(self, held: Held) -> None:
        """Become the owner of an execution that is to be edited: one that ended, or is paused. Raises Refused."""
        id = held.record.execution.id
        if held.owner == self._owner:
            return
        if not await self._store.executions.claim(id, self._owner):
            raise Refused(f"Execution '{id}' is being driven by another process")

    async def _took_over(self, id: ExecutionId, owner: str) -> bool:
        """Become the owner of an execution whose process is gone, and take up all that it left."""
        if not (await self._nodes.gone(owner) and await self._store.executions.claim(id, self._owner, owner)):
            return False
        await self._driver.take_over(id)
        return True


def not_found(id: ExecutionId) -> NotFound:
    return NotFound("execution", id, "`tidegate execution list` shows those that exist")
