"""`tidegate flow …`: the flows that are stored, and folders of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.flow_apply import apply, delete, diff
from engine.cli.flow_changes import flow_name
from engine.cli.options import Config, Data, Json, Server
from engine.cli.session import run_async
from engine.cli.target import client
from engine.errors import Refused

app = typer.Typer(
    help="Flows: store a folder of them, look at them, delete them.", no_args_is_help=True, rich_markup_mode=None
)

for command in (apply, diff, delete):
    app.command(command.__name__)(command)

Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Only this namespace.")]


@app.command("list")
def list_flows(
    namespace: Namespace = None, as_json: Json = False, data: Data = None, config: Config = None, server: Server = None
) -> None:
    """List flows."""

    async def work() -> None:
        from engine.cli import look
        from engine.cli.columns import Columns

        async with client(data, config, server) as target:
            found = await target.flows.list(namespace)
        if as_json:
            typer.echo(look.as_json([head._asdict() for head in found]))
            return
        if not found:
            typer.echo("No flows.")
            return
        table = Columns("", "flow", "revision")
        for head in found:
            table.add_row(head.name, str(head.revision))
        look.stdout().print(table)

    run_async(work)


@app.command("show")
def show(
    flow: Annotated[str, typer.Argument(help="The flow, as NAMESPACE.ID.")],
    revision: Annotated[int | None, typer.Option("--revision", help="An earlier revision.", min=1)] = None,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Print the source of a flow as its author wrote it."""

    async def work() -> None:
        from engine.cli import look
        from engine.clock import iso

        async with client(data, config, server) as target:
            stored = await target.flows.get(*flow_name(flow), revision)
        if not as_json:
            sys.stdout.write(stored.source if stored.source.endswith("\n") else f"{stored.source}\n")
            return
        named = {"namespace": stored.namespace, "id": stored.id, "revision": stored.revision}
        typer.echo(look.as_json(named | {"updated": iso(stored.created), "source": stored.source}))

    run_async(work)


@app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(help="Where to, as NAMESPACE/ID.yaml.", file_okay=False)],
    namespace: Namespace = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that have something else.")] = False,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Write the flows into a folder, from which `apply` stores them again."""

    async def work() -> None:
        async with client(data, config, server) as target:
            found = [await target.flows.get(head.namespace, head.id) for head in await target.flows.list(namespace)]
        files = {folder / flow.namespace / f"{flow.id}.yaml": flow.source for flow in found}
        written(files, force)
        typer.echo(f"{len(files)} flow{'' if len(files) == 1 else 's'} in {folder}")

    run_async(work)


def written(files: dict[Path, str], force: bool) -> None:
    """Write texts to files. Raises Refused, before anything is written, where one has something else."""
    others = [file for file, text in files.items() if file.exists() and file.read_bytes() != text.encode()]
    if others and not force:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise Refused(f"{others[0]}{more} would be written over: say --force, or choose another folder")
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
