"""`tidegate trigger …`: what starts executions, whether it is on, and when it does so next."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.options import Config, Data, Json, Server
from engine.cli.session import run_async
from engine.cli.target import client
from engine.cli.trigger_dates import backfill, dates, history, unlock
from engine.cli.trigger_items import audit, preview
from engine.cli.trigger_names import Name, find, name_of, shown, tell, word
from engine.errors import Refused

app = typer.Typer(
    help="Triggers: list them, look at them, switch them on and off.", no_args_is_help=True, rich_markup_mode=None
)

for command in (backfill, unlock, dates, history, preview, audit):
    app.command(command.__name__)(command)

RECOVER = ("NONE", "LAST", "ALL")


@app.command("list")
def list_triggers(
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Only this namespace.")] = None,
    flow: Annotated[str | None, typer.Option("--flow", help="Only flows of this id.")] = None,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """List triggers."""

    async def work() -> None:
        from engine.cli import look
        from engine.cli.columns import Columns

        async with client(data, config, server) as target:
            found = await target.triggers.list(namespace, flow)
        if as_json:
            typer.echo(look.as_json([shown(state) for state in found]))
            return
        if not found:
            typer.echo("No triggers.")
            return
        table = Columns("", "trigger", "type", "state", "next")
        for state in found:
            next = look.moment(state.next) if state.active and state.next is not None else ""
            table.add_row(name_of(state), state.type.removeprefix("io.kestra.plugin."), word(state), next)
        look.stdout().print(table)

    run_async(work)


@app.command("show")
def show(name: Name, as_json: Json = False, data: Data = None, config: Config = None, server: Server = None) -> None:
    """Show what is known of a trigger."""

    async def work() -> None:
        async with client(data, config, server) as target:
            tell(await find(target, name), as_json)

    run_async(work)


@app.command("disable")
def disable(name: Name, as_json: Json = False, data: Data = None, config: Config = None, server: Server = None) -> None:
    """Switch a trigger off, whatever its flow says, until it is enabled again."""

    async def work() -> None:
        async with client(data, config, server) as target:
            found = await find(target, name)
            tell(await target.triggers.set_disabled(*found.key, True), as_json)

    run_async(work)


@app.command("enable")
def enable(
    name: Name,
    recover: Annotated[
        str, typer.Option("--recover", help="What becomes of dates that it missed: NONE, LAST or ALL.")
    ] = "NONE",
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Switch a trigger on again."""
    if recover.upper() not in RECOVER:
        raise Refused(f"--recover is one of {', '.join(RECOVER)}, not '{recover}'")

    async def work() -> None:
        async with client(data, config, server) as target:
            found = await find(target, name)
            if found.off:
                raise Refused(f"The trigger '{name}' is switched off in its flow: remove `disabled: true` there")
            tell(await target.triggers.set_disabled(*found.key, False, recover.upper()), as_json)

    run_async(work)
