"""`tidegate context …`: which server commands go to."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.contexts import Contexts, load, save
from engine.cli.options import Json

LOCAL = "local"

app = typer.Typer(help="The servers that commands know.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="The context; `local` is this machine.")]


@app.command("list")
def list_contexts(as_json: Json = False) -> None:
    """List the servers that `tidegate login` made known; tokens are not shown."""
    from engine.cli import look
    from engine.cli.columns import Columns

    known = load()
    rows = [
        {"name": name, "server": context.server, "user": context.user, "current": name == known.current}
        for name, context in sorted(known.contexts.items())
    ]
    if as_json:
        typer.echo(look.as_json(rows))
        return
    table = Columns("", "", "name", "server", "user")
    table.add_row("*" if known.current is None else "", LOCAL, "the data folder of this machine", "")
    for row in rows:
        table.add_row("*" if row["current"] else "", str(row["name"]), str(row["server"]), str(row["user"]))
    look.stdout().print(table)


@app.command("use")
def use(name: Name) -> None:
    """Let commands go to a server, or with `local` work on the data folder of this machine."""
    known = load()
    if name != LOCAL:
        known.get(name)
    save(Contexts(known.contexts, None if name == LOCAL else name))


@app.command("delete")
def delete(name: Name) -> None:
    """Forget a server and its token; on the server that stays valid until it is revoked there."""
    known = load()
    known.get(name)
    left = {other: context for other, context in known.contexts.items() if other != name}
    save(Contexts(left, None if known.current == name else known.current))
