"""Whether the process can do its work: what it looks at when somebody asks."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import anyio.to_thread

from engine.errors import TidegateError
from engine.store.protocols import NodeStore

STORE_SECONDS = 5.0
DISK_BYTES = 50 * 1024 * 1024
UP, DOWN = "UP", "DOWN"


class Part(NamedTuple):
    """One thing that was looked at."""

    status: str
    details: dict[str, Any]


class Health:
    """The store, the disk below it, and whether the process takes new work. `accepts` is set by whoever starts it."""

    def __init__(self, folder: Path, nodes: NodeStore) -> None:
        self._folder = folder
        self._nodes = nodes
        self.accepts = True

    async def look(self) -> dict[str, Part]:
        """Look at everything now."""
        return {"store": await self._store(), "diskSpace": await self._disk(), "service": self._service()}

    async def _store(self) -> Part:
        try:
            with anyio.fail_after(STORE_SECONDS):
                processes = await self._nodes.list()
        except TidegateError as error:
            return Part(DOWN, {"error": str(error)})
        except TimeoutError:
            return Part(DOWN, {"error": f"The store did not answer within {STORE_SECONDS:g} seconds"})
        return Part(UP, {"processes": len(processes)})

    async def _disk(self) -> Part:
        usage = await anyio.to_thread.run_sync(shutil.disk_usage, self._folder)
        details = {"total": usage.total, "free": usage.free, "threshold": DISK_BYTES}
        return Part(UP if usage.free >= DISK_BYTES else DOWN, details)

    def _service(self) -> Part:
        return Part(UP, {"state": "RUNNING"}) if self.accepts else Part(DOWN, {"state": "TERMINATING"})
