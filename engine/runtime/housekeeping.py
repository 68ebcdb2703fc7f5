"""Clears away what nobody needs any more: old log files and outputs, working folders of processes that died."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import TaskStatus

from engine.clock import Clock
from engine.errors import Unavailable
from engine.runtime.nodes import Node
from engine.store.protocols import CachedStore, LogStore

EVERY_SECONDS = 3600.0
DAY = 86_400_000
# What `taskCache` keeps without a lifetime goes when nobody used it for so long.
UNUSED = 30 * DAY


class Housekeeping:
    """Looks once at the start, and then every hour."""

    def __init__(
        self, work: Path, node: Node, logs: LogStore, cached: CachedStore, retention_days: int, clock: Clock
    ) -> None:
        self._work = work
        self._node = node
        self._logs = logs
        self._cached = cached
        self._retention = retention_days * DAY
        self._clock = clock

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Clear away until cancelled."""
        task_status.started()
        while True:
            await self.clear()
            await self._clock.sleep(EVERY_SECONDS)

    async def clear(self) -> None:
        """Clear away now."""
        await anyio.to_thread.run_sync(self._clear_folders)
        try:
            await self._logs.drop_before(self._clock.now() - self._retention)
        except Unavailable as error:
            logging.getLogger("tidegate").warning("Old log files are kept for now: %s", error)
        try:
            await self._cached.purge(self._clock.now(), self._clock.now() - UNUSED)
        except Unavailable as error:
            logging.getLogger("tidegate").warning("Old outputs of taskCache are kept for now: %s", error)

    def _clear_folders(self) -> None:
        if self._work.is_dir():
            for folder in self._work.iterdir():
                if self._node.gone(folder.name):
                    shutil.rmtree(folder, ignore_errors=True)
