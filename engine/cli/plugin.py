"""`tidegate plugin …`: the installed types and their documentation."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.options import Json

app = typer.Typer(help="The types that flows may name.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_plugins(as_json: Json = False) -> None:
    """List the installed types."""
    from engine.cli import look
    from engine.cli.tables import plain_table
    from engine.plugin.describe import describe
    from engine.plugin.index import installed

    described = [describe(name, plugin) for name, plugin in installed().all().items()]
    console = look.stdout()
    if as_json:
        console.print(look.as_json([{"type": one.type, "title": one.title} for one in described]), markup=False)
        return
    table = plain_table("", "type", "what it does")
    for one in described:
        table.add_row(one.short, one.title)
    console.print(table)


@app.command("show")
def show(
    type: Annotated[str, typer.Argument(help="Full, short or old name.")],
    as_json: Json = False,
) -> None:
    """Show what a type does, its properties and its outputs."""
    from engine.cli import look
    from engine.cli.tables import plugin_page
    from engine.plugin.describe import describe
    from engine.plugin.index import installed

    index = installed()
    described = describe(index.canonical(type), index.find(type))
    console = look.stdout()
    if as_json:
        console.print(look.as_json(described), markup=False)
    else:
        console.print(plugin_page(described))
