"""`tidegate serve`: everything in one process."""

from __future__ import annotations

import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import anyio
import msgspec
import typer

from engine.cli.options import Config, Data, Flows
from engine.cli.session import run_async


class LogFormat(StrEnum):
    """How the log of the process looks."""

    TEXT = "text"
    JSON = "json"


def serve(
    host: Annotated[str | None, typer.Option("--host", help="Where to listen; 127.0.0.1 by default.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="The port; 8080 by default, 0 is any free one.")
    ] = None,
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
        from engine.runtime.flow_folder import following
        from engine.runtime.services import serving_services
        from engine.settings import load_settings

        settings = load_settings(config)
        write_log(log_format or settings.observe.log_format, settings.observe.log_level)
        options = settings.server
        options = msgspec.structs.replace(
            options, host=host or options.host, port=options.port if port is None else port
        )
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with (
                session(data, config, flows, recovers=True) as engine,
                following(engine, watch),
                serving_services(engine),
                serving(engine, options) as url,
            ):
                sys.stdout.write(f"Tidegate is ready at {url}\n")
                sys.stdout.flush()
                async for _ in signals:
                    break
        sys.stdout.write("Tidegate has stopped; what was running goes on at the next start\n")

    run_async(work)
