"""Opens the store of a data folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import anyio.to_thread

from engine.settings import Settings
from engine.store.cached import Cached
from engine.store.database import open_database
from engine.store.ledger import Ledger
from engine.store.logs import Logs
from engine.store.migrate import FOLDER
from engine.store.reader import Reader
from engine.store.repositories import Executions, Flows, Nodes, Slots, Timers
from engine.store.state_changes import StateChanges
from engine.store.triggers import Triggers
from engine.store.users import Accounts, Audit, Tokens
from engine.store.values import Namespaces, Secrets, Values
from engine.store.writer import Writer, unmeasured

DATABASE = "tidegate.db"


class SqliteStore(NamedTuple):
    """The store in SQLite."""

    flows: Flows
    executions: Executions
    slots: Slots
    timers: Timers
    triggers: Triggers
    state_changes: StateChanges
    ledger: Ledger
    nodes: Nodes
    kv: Values
    cached: Cached
    secrets: Secrets
    namespaces: Namespaces
    accounts: Accounts
    tokens: Tokens
    audit: Audit
    logs: Logs


@asynccontextmanager
async def open_store(
    folder: Path, settings: Settings, committed: Callable[[float, int, int], None] = unmeasured
) -> AsyncIterator[SqliteStore]:
    """Open `folder/tidegate.db` and the log files beside it; made or brought up to date as needed.

    `committed` is told of each group that the writer commits.
    Raises Refused for a database of a newer version, Unavailable for one that can't be opened.
    """
    async with AsyncExitStack() as stack:
        connection = await anyio.to_thread.run_sync(open_database, folder / DATABASE, FOLDER / "main", settings.sqlite)
        writer = Writer(connection, settings.sqlite.group, committed)
        stack.push_async_callback(writer.close)
        reader = Reader(folder / DATABASE, settings.sqlite)
        stack.callback(reader.close)
        logs = Logs(folder / "logs", settings.sqlite)
        stack.callback(logs.close)
        yield SqliteStore(
            Flows(reader, writer),
            Executions(reader, writer),
            Slots(reader, writer),
            Timers(reader),
            Triggers(reader, writer),
            StateChanges(reader),
            Ledger(reader, writer),
            Nodes(reader, writer),
            Values(reader, writer),
            Cached(reader, writer),
            Secrets(reader, writer),
            Namespaces(reader, writer),
            Accounts(reader, writer),
            Tokens(reader, writer),
            Audit(reader, writer),
            logs,
        )
