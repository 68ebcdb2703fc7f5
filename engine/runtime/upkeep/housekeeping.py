"""Clears away what nobody needs any more: what is kept no longer, working folders of processes that died."""

from __future__ import annotations

import shutil
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import TaskStatus

from engine.clock import Clock
from engine.runtime.driving.nodes import Node
from engine.runtime.upkeep.retention import Retention

EVERY_SECONDS = 3600.0


class Housekeeping:
    """Looks once at the start, and then every hour."""

    def __init__(self, work: Path, node: Node, retention: Retention, clock: Clock) -> None:
        self._work = work
        self._node = node
        self._retention = retention
        self._clock = clock

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Clear away until cancelled."""
        task_status.started()
        while True:
            await anyio.to_thread.run_sync(self._clear_folders)
            await self._retention.apply()
            await self._clock.sleep(EVERY_SECONDS)

    def _clear_folders(self) -> None:
        if self._work.is_dir():
            for folder in self._work.iterdir():
                if self._node.gone(folder.name):
                    shutil.rmtree(folder, ignore_errors=True)
