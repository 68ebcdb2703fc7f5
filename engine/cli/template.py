"""`tidegate template …`: tasks that several flows share. Deprecated; flows call flows with Subflow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Config, Data, Json
from engine.cli.session import run_async, session

app = typer.Typer(
    help="Stored templates, for flows with tasks of type core.flow.Template. Needs the setting templates.enabled.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(help="The template's YAML file.", exists=True, dir_okay=False)],
    data: Data = None,
    config: Config = None,
) -> None:
    """Store a template, in the place of the one of its name."""

    async def work() -> None:
        from engine.definition.check_path import read_flow

        async with session(data, config) as engine:
            namespace, id = await engine.templates.apply(read_flow(file), str(file))
        typer.echo(f"{namespace}.{id} is stored")

    run_async(work)


@app.command("list")
def list_templates(as_json: Json = False, data: Data = None, config: Config = None) -> None:
    """List templates."""

    async def work() -> None:
        from engine.cli.look import as_json as to_json

        async with session(data, config) as engine:
            found = await engine.templates.list()
        if as_json:
            typer.echo(to_json([{"namespace": it.namespace, "id": it.id, "source": it.source} for it in found]))
        else:
            for item in found:
                typer.echo(f"{item.namespace}.{item.id}")

    run_async(work)


@app.command("delete")
def delete(
    namespace: Annotated[str, typer.Argument(help="Its namespace.")],
    id: Annotated[str, typer.Argument(help="Its id.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Forget a template; flows that name it fail where they come to it."""

    async def work() -> None:
        async with session(data, config) as engine:
            await engine.templates.delete(namespace, id)

    run_async(work)
