"""`tidegate serve`: everything in one process."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import msgspec
import typer

from engine.cli.options import Config, Data, Flows
from engine.cli.session import run_async

if TYPE_CHECKING:
    from engine.runtime.engine import Engine


class LogFormat(StrEnum):
    """How the log of the process looks."""

    TEXT = "text"
    JSON = "json"


def serve(
    host: Annotated[str | None, typer.Option("--host", help="Where to listen; 127.0.0.1 by default.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="The port; 8080 by default, 0 is any free one.")
    ] = None,
    reuse_port: Annotated[
        bool, typer.Option("--reuse-port", help="Listen beside others that do so too, to take over from them.")
    ] = False,
    watch: Annotated[
        Path | None,
        typer.Option(
            "--watch", help="Folder of flows to follow: what changes there is stored.", exists=True, file_okay=False
        ),
    ] = None,
    log_format: Annotated[
        LogFormat | None, typer.Option("--log-format", help="Of the server's own log, on standard error.")
    ] = None,
    data: Data = None,
    flows: Flows = None,
    config: Config = None,
) -> None:
    """Run the server: API, executions, what starts them. It ends on SIGTERM or Ctrl-C, and loses nothing."""

    async def work() -> None:
        from engine.api.server import serving
        from engine.cli.session import session
        from engine.observe.log import write_log
        from engine.runtime.services import serving_services
        from engine.settings import load_settings

        settings = load_settings(config)
        write_log(log_format or settings.observe.log_format, settings.observe.log_level)
        options = settings.server
        options = msgspec.structs.replace(
            options,
            host=host or options.host,
            port=options.port if port is None else port,
            reuse_port=reuse_port or options.reuse_port,
        )
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with session(data, config, flows, recovers=True) as engine, anyio.create_task_group() as stopping:
                async with (
                    _following(engine, watch),
                    serving_services(engine),
                    serving(engine, options) as url,
                ):
                    _say(f"Tidegate is ready at {url}")
                    await anext(signals)
                    engine.health.accepts = False
                    _say(f"Stopping: {engine.worker.running} tasks run; told once more it stops at once")
                    stopping.start_soon(_hurry, signals, stopping.cancel_scope)
                await engine.worker.drain(settings.worker.shutdown_seconds)
                stopping.cancel_scope.cancel()
        sys.stdout.write("Tidegate has stopped; what was running goes on at the next start\n")

    run_async(work)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def _hurry(signals: AsyncIterator[signal.Signals], scope: anyio.CancelScope) -> None:
    """Wait no longer when a signal comes again."""
    await anext(signals)
    scope.cancel()


@asynccontextmanager
async def _following(engine: Engine, folder: Path | None) -> AsyncIterator[None]:
    if folder is None:
        yield
        return
    from engine.runtime.flow_folder import following

    async with following(engine, folder):
        yield
