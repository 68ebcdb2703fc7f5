"""`tidegate trigger preview` and `audit`: what triggers would start that look at something, and whether they did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from engine.cli.options import Config, Data, Json
from engine.cli.session import run_async, session
from engine.cli.trigger_names import Name, find

if TYPE_CHECKING:
    from engine.plugin.polling import Audit


def preview(name: Name, as_json: Json = False, data: Data = None, config: Config = None) -> None:
    """Tell what a trigger that looks at something would start now; nothing is started or remembered."""

    async def work() -> None:
        from engine.cli import look

        async with session(data, config) as engine:
            found = await engine.polls.preview(*(await find(engine, name)).key)
        if as_json:
            typer.echo(look.as_json(found._asdict()))
            return
        typer.echo(f"{found.source}: {found.items} objects will fire now; executions: {found.executions}")
        for item in found.first:
            typer.echo(f"  {item}")

    run_async(work)


def audit(name: Name, as_json: Json = False, data: Data = None, config: Config = None) -> None:
    """Compare what a trigger should have seen with what it started. Ends with 1 where something is missing or twice."""

    async def work() -> None:
        from engine.cli import look

        async with session(data, config) as engine:
            found = await engine.polls.audit(*(await find(engine, name)).key)
        if as_json:
            typer.echo(look.as_json(found._asdict()))
        else:
            _tell(found)
        if not found.good:
            raise typer.Exit(1)

    run_async(work)


def _tell(found: Audit) -> None:
    typer.echo(found.source)
    for name, count in sorted(found.counts.items()):
        typer.echo(f"  {name}: {count}")
    for rule, count in sorted(found.ignored.items()):
        typer.echo(f"  ignored by {rule}: {count}")
    for label, items in (("missing", found.missing), ("duplicate", found.duplicate), ("execution is gone", found.lost)):
        typer.echo(f"  {label}: {len(items)}")
        for item in items:
            typer.echo(f"    {item}")
