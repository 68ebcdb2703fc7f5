"""Opens what a command needs, runs its coroutine, closes everything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio.to_thread
import msgspec

from engine.cli.contexts import chosen
from engine.errors import InvalidFlow, Refused
from engine.settings import Settings, data_folder, load_settings

if TYPE_CHECKING:
    from engine.runtime.engine import Engine

T = TypeVar("T")


def run_async(work: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine on a fresh event loop."""
    return anyio.run(work, backend="asyncio", backend_options={"use_uvloop": True})


@asynccontextmanager
async def session(
    data: Path | None, config: Path | None = None, flows: Path | None = None, *, recovers: bool = False
) -> AsyncIterator[Engine]:
    """The engine over the data folder, with the flows of a folder stored.

    recovers: as a server it takes up what processes that died left behind; else it is a person's command
    """
    if not recovers and (context := chosen(None, data)) is not None:
        raise Refused(
            f"This does not go to a server yet, and commands go to {context.server}: name the data folder with --data, "
            "or say `tidegate context use local`"
        )
    # Imported here so that `--help` and a usage mistake answer at once.
    from engine.cli.faults import watch_logs
    from engine.runtime.engine import open_engine

    watch_logs()
    folder = data_folder(data)
    try:
        await anyio.Path(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Refused(f"The data folder {folder} can't be made: {error.strerror}; choose another with --data") from None
    settings = load_settings(config)
    async with open_engine(folder, settings if recovers else for_commands(settings), recovers=recovers) as engine:
        if flows is not None:
            await store_flows(engine, flows)
        yield engine


def for_commands(settings: Settings) -> Settings:
    """Settings of a process that a person started to run one thing: container tasks may fall back to processes."""
    if settings.process.fallback != "run":
        return settings
    return msgspec.structs.replace(settings, process=msgspec.structs.replace(settings.process, fallback="always"))


async def store_flows(engine: Engine, folder: Path) -> None:
    """Store every flow file below a folder. Raises InvalidFlow with the mistakes of all of them."""
    from engine.definition.check_path import flow_files, read_flow

    mistakes: list[Any] = []
    for file in flow_files(folder):
        try:
            await engine.control.save_flow(await anyio.to_thread.run_sync(read_flow, file), str(file))
        except InvalidFlow as error:
            mistakes.extend(error.diagnostics)
    if mistakes:
        raise InvalidFlow(mistakes)
