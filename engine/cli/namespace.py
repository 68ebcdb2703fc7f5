"""`tidegate namespace files …`: files that all flows of a namespace share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.download import Output
from engine.cli.options import Config, Data, Json, Server
from engine.cli.session import run_async
from engine.cli.target import client
from engine.errors import NotFound

app = typer.Typer(help="What belongs to a namespace.", no_args_is_help=True, rich_markup_mode=None)
files = typer.Typer(help="Files that all flows of a namespace share.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(files, name="files")

Namespace = Annotated[str, typer.Argument(help="The namespace.")]
FilePath = Annotated[str, typer.Argument(help="Path of the file, as queries/top.sql.")]


@files.command("list")
def list_files(
    namespace: Namespace,
    globs: Annotated[list[str] | None, typer.Argument(help="Only files that match one of these globs.")] = None,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """List the files of a namespace."""

    async def work() -> None:
        from rich.markup import escape

        from engine.cli import look
        from engine.cli.columns import Columns

        async with client(data, config, server) as target:
            found = await target.files.list(namespace, globs)
        console = look.stdout()
        if as_json:
            console.print(
                look.as_json([{"path": path, "size": info.size} for path, info in found.items()]), markup=False
            )
            return
        if not found:
            console.print("No files.")
            return
        table = Columns("", "size", "path", "changed")
        for path, info in found.items():
            table.add_row(look.size(info.size), escape(path), look.moment(info.modified))
        console.print(table)

    run_async(work)


@files.command("get")
def get(
    namespace: Namespace,
    path: FilePath,
    output: Output = None,
    revision: Annotated[int | None, typer.Option("--revision", help="An older content, by its number.")] = None,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Download a file of a namespace."""

    async def work() -> None:
        async with client(data, config, server) as target:
            await target.files.fetch(namespace, path, revision, output)

    run_async(work)


@files.command("revisions")
def revisions(
    namespace: Namespace,
    path: FilePath,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """List the contents that a file of a namespace has and had."""

    async def work() -> None:
        from engine.cli import look
        from engine.cli.columns import Columns
        from engine.clock import iso

        async with client(data, config, server) as target:
            found = await target.files.revisions(namespace, path)
        console = look.stdout()
        if as_json:
            rows = [{"revision": it.number, "size": it.size, "date": iso(it.modified)} for it in found]
            console.print(look.as_json(rows), markup=False)
            return
        table = Columns("", "revision", "size", "stored")
        for it in found:
            table.add_row(str(it.number), look.size(it.size), look.moment(it.modified))
        console.print(table)

    run_async(work)


@files.command("put")
def put(
    namespace: Namespace,
    source: Annotated[Path, typer.Argument(help="A file, or a folder with all that is in it.", exists=True)],
    path: Annotated[str, typer.Argument(help="Where to: a file, or the folder for those of a folder.")] = "",
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Store a file or a folder among the files of a namespace, replacing what was there."""

    async def work() -> None:
        async with client(data, config, server) as target:
            for file, place in _targets(source, path):
                await target.files.put(namespace, place, file)
                typer.echo(place)

    run_async(work)


@files.command("delete")
def delete(
    namespace: Namespace, path: FilePath, data: Data = None, config: Config = None, server: Server = None
) -> None:
    """Delete a file of a namespace, or a folder with all that is in it."""

    async def work() -> None:
        async with client(data, config, server) as target:
            if not await target.files.delete(namespace, path):
                raise NotFound(
                    "file", path, f"`tidegate namespace files list {namespace}` shows those of the namespace"
                )

    run_async(work)


def _targets(source: Path, path: str) -> list[tuple[Path, str]]:
    """Local files, and the paths that they get; hidden ones of a folder are left out."""
    if source.is_file():
        name = f"{path}{source.name}" if path.endswith("/") or not path else path
        return [(source, f"/{name.lstrip('/')}")]
    found = []
    for file in sorted(source.rglob("*")):
        steps = file.relative_to(source).parts
        if file.is_file() and not any(step.startswith(".") for step in steps):
            found.append((file, "/".join(["", *(step for step in path.split("/") if step), *steps])))
    return found
