"""Deletes what is older than it is to be kept: executions that have ended, with all they left, and log files."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from engine.clock import Clock
from engine.errors import Unavailable
from engine.runtime.attempts.stored import StoredExecutions
from engine.settings import Settings
from engine.state.execution import ExecutionKind
from engine.state.status import TERMINAL
from engine.store.protocols import Store
from engine.store.rows import ExecutionFilter

DAY = 86_400_000
BATCH = 200
# An iteration goes with the execution that it is a part of.
KINDS = tuple(kind for kind in ExecutionKind if kind is not ExecutionKind.LOOP)
# What `taskCache` keeps without a lifetime goes when nobody used it for so long.
UNUSED = 30 * DAY
# A trigger that comes back within this time goes on where it was.
GONE = 30 * DAY


class Retention:
    """What is kept for how many days; 0 keeps it for ever."""

    def __init__(self, store: Store, executions: StoredExecutions, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._executions = executions
        self._log_days = settings.logs.retention_days
        self._execution_days = settings.executions.retention_days
        self._audit_days = settings.server.audit.retention_days
        self._clock = clock

    async def apply(self) -> None:
        """Delete what is too old now. What the store can't do is left for the next time."""
        for what, act in (
            ("Old log files", self._drop_logs),
            ("Old executions", self._remove_executions),
            ("Old outputs of taskCache", self._forget_outputs),
            ("Triggers of no flow", self._forget_triggers),
            ("Old entries of the audit log", self._forget_audit),
            ("Tokens that have expired", self._forget_tokens),
        ):
            await _told(what, act)

    async def _drop_logs(self) -> None:
        if self._log_days:
            await self._store.logs.drop_before(self._clock.now() - self._log_days * DAY)

    async def _remove_executions(self) -> None:
        if not self._execution_days:
            return
        before = self._clock.now() - self._execution_days * DAY
        # Files of log lines as old as the executions are gone by themselves.
        logs = not self._log_days or self._log_days > self._execution_days
        kept = 0
        while page := await self._store.executions.list(
            ExecutionFilter(states=tuple(TERMINAL), until=before, kinds=KINDS, limit=BATCH, offset=kept)
        ):
            # Created long ago, and yet it may have ended today.
            old = [execution for execution in page if execution.finished and execution.history[-1].at < before]
            removed = await self._executions.remove(old, logs=logs, metrics=logs)
            kept += len(page) - removed.executions

    async def _forget_outputs(self) -> None:
        await self._store.cached.purge(self._clock.now(), self._clock.now() - UNUSED)

    async def _forget_triggers(self) -> None:
        await self._store.triggers.purge(self._clock.now() - GONE)
        await self._store.ledger.purge(self._clock.now() - GONE)

    async def _forget_audit(self) -> None:
        if self._audit_days:
            await self._store.audit.purge(self._clock.now() - self._audit_days * DAY)

    async def _forget_tokens(self) -> None:
        await self._store.tokens.purge(self._clock.now())


async def _told(what: str, act: Callable[[], Awaitable[None]]) -> None:
    try:
        await act()
    except Unavailable as error:
        logging.getLogger("tidegate").warning("%s are kept for now: %s", what, error)
