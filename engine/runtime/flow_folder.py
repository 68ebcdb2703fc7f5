"""Keeps the stored flows those of a folder while a server runs: `tidegate serve --watch DIR`."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import anyio
import anyio.to_thread
from anyio.abc import TaskStatus

from engine.definition.check_path import is_test, read_flow, yaml_files
from engine.errors import InvalidFlow, NotFound, Unavailable
from engine.runtime.actions.control import Control
from engine.runtime.engine import Engine
from engine.runtime.flows.plans import Plans

# A look in any case, for folders that don't tell of changes: of other machines, of containers.
LOOK_SECONDS = 5.0

FlowName = tuple[str, str]


class Seen(NamedTuple):
    """A file as it was last looked at: when it was written, its size, and the flow that was stored from it."""

    written: int
    size: int
    flow: FlowName | None


class FlowFolder:
    """Stores a changed file at once. One with a mistake is told of and changes nothing; without a file no flow."""

    def __init__(self, plans: Plans, control: Control, folder: Path) -> None:
        self._plans = plans
        self._control = control
        self._folder = folder
        self._seen: dict[Path, Seen] = {}
        self._log = logging.getLogger("tidegate.flows")

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Store what is there, then what changes, until cancelled."""
        await self.look()
        task_status.started()
        async with aclosing(_changes(self._folder, self._log)) as changes:
            async for _ in changes:
                await self.look()

    async def look(self) -> None:
        """Store the files that changed since the last look, delete the flows whose files are gone."""
        found = await anyio.to_thread.run_sync(_files, self._folder)
        if found is None:
            # A folder that was moved away or unmounted says nothing about its flows.
            return
        before = self._names()
        self._seen = {file: seen for file, seen in self._seen.items() if file in found}
        gone = bool(before - self._names())
        for file, (written, size) in found.items():
            seen = self._seen.get(file, Seen(0, -1, None))
            # A file that had the flow of another one may have its turn now.
            if (written, size) != (seen.written, seen.size) or (gone and seen.flow is None):
                await self._store(file, Seen(written, size, seen.flow))
        for namespace, id in before - self._names():
            await self._delete(namespace, id)

    def _names(self) -> set[FlowName]:
        return {seen.flow for seen in self._seen.values() if seen.flow is not None}

    async def _store(self, file: Path, seen: Seen) -> None:
        """Store a file. Where the store can't answer it is looked at again the next time."""
        try:
            if await anyio.to_thread.run_sync(is_test, file):
                return
            source = await anyio.to_thread.run_sync(read_flow, file)
            flow = self._plans.read(source, str(file))
            name = (flow.namespace, flow.id)
            other = next((it for it, known in self._seen.items() if known.flow == name and it != file), None)
            if other is not None:
                self._log.warning(
                    "%s is not stored: the flow %s.%s is in %s already", file, flow.namespace, flow.id, other
                )
            else:
                stored = await self._control.save_flow(source, str(file))
                seen = seen._replace(flow=name)
                self._log.info("%s is stored as %s.%s, revision %s", file, *name, stored.revision)
        except InvalidFlow as error:
            first, *more = [str(item) for item in error.diagnostics]
            self._log.warning("Not stored: %s%s", first, f" (and {len(more)} more)" if more else "")
        except Unavailable as error:
            self._log.warning("%s is not stored yet: %s", file, error)
            return
        self._seen[file] = seen

    async def _delete(self, namespace: str, id: str) -> None:
        try:
            await self._control.delete_flow(namespace, id)
            self._log.info("%s.%s is deleted, as its file is", namespace, id)
        except NotFound:
            # Somebody was faster.
            return
        except Unavailable as error:
            self._log.warning("%s.%s stays, though its file is gone: %s", namespace, id, error)


def _files(folder: Path) -> dict[Path, tuple[int, int]] | None:
    """Flow files with when they were written and their sizes; None where there is no such folder."""
    if not folder.is_dir():
        return None
    found = {}
    for file in yaml_files(folder):
        try:
            info = file.stat()
        except FileNotFoundError:
            continue
        found[file] = (info.st_mtime_ns, info.st_size)
    return found


async def _changes(folder: Path, log: logging.Logger) -> AsyncGenerator[None, None]:
    """One item for each time to look again: when the system tells of a change, and in any case now and then."""
    try:
        from watchfiles import awatch

        told = awatch(folder, debounce=200, rust_timeout=int(LOOK_SECONDS * 1000), yield_on_timeout=True)
        async with aclosing(told) as changes:
            async for _ in changes:
                yield
    except (ImportError, OSError, RuntimeError) as error:
        log.info("%s is looked at every %s seconds, for it can't be watched: %s", folder, LOOK_SECONDS, error)
    while True:
        await anyio.sleep(LOOK_SECONDS)
        yield


@asynccontextmanager
async def following(engine: Engine, folder: Path) -> AsyncIterator[None]:
    """Follow a folder of flows while the block is open."""
    async with anyio.create_task_group() as tasks:
        await tasks.start(FlowFolder(engine.plans, engine.control, folder).run)
        yield
        tasks.cancel_scope.cancel()
