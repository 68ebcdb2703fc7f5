"""`tidegate eval`: an expression as an execution's tasks see it."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.options import Config, Data, Server
from engine.cli.resolve import resolve
from engine.cli.session import run_async
from engine.cli.target import client


def evaluate(
    execution: Annotated[str, typer.Argument(help="Execution id or its beginning, or `last`.")],
    expression: Annotated[str, typer.Argument(help="A template, such as '{{ outputs.api.code }}'.")],
    task: Annotated[str | None, typer.Option("--task", help="As this task (or task run id) sees it.")] = None,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Render an expression against an execution."""

    async def work() -> str:
        async with client(data, config, server) as target:
            chosen = await resolve(target.executions, execution)
            return str(await target.executions.evaluate(chosen, expression, task))

    typer.echo(run_async(work))
