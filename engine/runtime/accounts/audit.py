"""The audit log: who changed what, from where, and what came of it.

Entries are stored in groups a moment later; what is there at an orderly stop is stored before it.
"""

from __future__ import annotations

import logging

import anyio
from anyio.abc import TaskStatus

from engine.errors import Unavailable
from engine.store.access import AuditStore
from engine.store.rows import AuditEntry

GROUP_SECONDS = 0.2
RETRY_SECONDS = 0.5
LAST_SECONDS = 5
# As many wait at most; whoever adds one more waits with them.
WAITING = 10_000


class Audit:
    """Takes entries and stores them."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store
        self._entries: list[AuditEntry] = []
        self._added = anyio.Event()
        self._stored = anyio.Event()

    async def add(self, entry: AuditEntry) -> None:
        """Add an entry; waits where too many are waiting to be stored."""
        while len(self._entries) >= WAITING:
            await self._stored.wait()
        self._entries.append(entry)
        self._added.set()

    async def flush(self) -> None:
        """Store what was added. Raises Unavailable; it is kept then."""
        entries, self._entries, self._added = self._entries, [], anyio.Event()
        try:
            if entries:
                # Who is cancelled here would not know whether they were stored, and store them twice.
                with anyio.CancelScope(shield=True):
                    await self._store.append(entries)
        except BaseException:
            self._entries = entries + self._entries
            self._added.set()
            raise
        self._stored.set()
        self._stored = anyio.Event()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Store what comes in; at the end store what is left."""
        task_status.started()
        try:
            while True:
                await self._added.wait()
                await anyio.sleep(GROUP_SECONDS)
                await self._flush_surely()
        finally:
            with anyio.move_on_after(LAST_SECONDS, shield=True):
                await self._flush_surely()
            if self._entries:
                logging.getLogger("tidegate").error("%d entries of the audit log are lost", len(self._entries))

    async def _flush_surely(self) -> None:
        while self._entries:
            try:
                await self.flush()
            except Unavailable:
                await anyio.sleep(RETRY_SECONDS)
