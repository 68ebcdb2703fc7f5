"""What commands ask of an engine, wherever it is: in this process over a data folder, or a server's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from engine.store.rows import StoredFlow


class FlowHead(NamedTuple):
    """A flow in a list: its name and its latest revision."""

    namespace: str
    id: str
    revision: int

    @property
    def name(self) -> str:
        return f"{self.namespace}.{self.id}"


class FlowsPort(Protocol):
    """Flows and their sources."""

    async def list(self, namespace: str | None = None) -> Sequence[FlowHead]:
        """Flows that are not deleted, by namespace and id; with a namespace, those of exactly that one."""
        ...

    async def get(self, namespace: str, id: str, revision: int | None = None) -> StoredFlow:
        """A revision, by default the latest. Raises NotFound."""
        ...

    async def check(self, source: str, file: str) -> tuple[str, str]:
        """Namespace and id of a source without mistakes. Raises InvalidFlow with all of them; `file` names it."""
        ...

    async def save(self, source: str, file: str) -> StoredFlow:
        """Store a source as the latest revision; one that is stored already stays. Raises InvalidFlow."""
        ...

    async def delete(self, namespace: str, id: str) -> None:
        """Delete a flow; its executions stay. Raises NotFound."""
        ...


class Client(Protocol):
    """Everything that commands ask of an engine."""

    @property
    def flows(self) -> FlowsPort: ...
