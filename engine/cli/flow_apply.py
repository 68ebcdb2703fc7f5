"""`tidegate flow apply, diff, delete`: a folder as the truth of what flows there are."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.flow_changes import (
    Planned,
    carry_out,
    deletion,
    differs,
    flow_name,
    lines,
    planned,
    read_sources,
    shapes,
    unified,
)
from engine.cli.options import Config, Data, Json, Server
from engine.cli.session import run_async
from engine.cli.target import client
from engine.errors import NotFound, Refused

if TYPE_CHECKING:
    from engine.cli.port import FlowsPort

Paths = Annotated[list[Path], typer.Argument(help="Folders of flow files, or files.", exists=True)]
Prune = Annotated[
    bool, typer.Option("--prune", help="Delete the flows of these namespaces that no file has; see --namespace.")
]
Namespaces = Annotated[
    list[str] | None,
    typer.Option("--namespace", "-n", help="Namespaces to prune (repeat); else those that the files name."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan; change nothing.")]


def apply(
    paths: Paths,
    prune: Prune = False,
    namespaces: Namespaces = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Make the stored flows those of a folder: first the plan, then the change. Where a file has a mistake, nothing."""

    async def work() -> None:
        async with client(data, config, server) as target:
            plan = await _plan(target.flows, paths, prune, namespaces)
            await _do(target.flows, plan, yes, dry_run, as_json)

    run_async(work)


def diff(
    paths: Paths,
    prune: Prune = False,
    namespaces: Namespaces = None,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Show what `apply` would change, as `diff -u` does. Exit code 1 where there is a difference."""

    async def work() -> int:
        from engine.cli import look

        async with client(data, config, server) as target:
            plan = await _plan(target.flows, paths, prune, namespaces)
        if as_json:
            shown = [shape | {"diff": unified(one)} for shape, one in zip(shapes(plan), plan, strict=True)]
            typer.echo(look.as_json({"changes": shown}))
        else:
            for one in plan:
                sys.stdout.write(unified(one))
        return 1 if differs(plan) else 0

    raise typer.Exit(run_async(work))


def delete(
    what: Annotated[list[str], typer.Argument(help="Flows as NAMESPACE.ID, or files or folders that name them.")],
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Delete flows; their executions stay, and those that run go on."""

    async def work() -> None:
        async with client(data, config, server) as target:
            plan = [await deletion(target.flows, *name) for name in await _named(target.flows, what)]
            await _do(target.flows, plan, yes, dry_run, as_json)

    run_async(work)


async def _plan(
    flows: FlowsPort, paths: Sequence[Path], prune: bool, namespaces: Sequence[str] | None
) -> list[Planned]:
    sources = await read_sources(flows, paths)
    if namespaces and not prune:
        raise Refused("--namespace says where to delete what no file has: give --prune with it")
    if not sources and not namespaces:
        raise Refused("There are no flow files there: they end with .yaml or .yml")
    pruned = namespaces or [source.namespace for source in sources]
    return await planned(flows, sources, pruned if prune else ())


async def _named(flows: FlowsPort, what: Iterable[str]) -> list[tuple[str, str]]:
    """The flows that are meant: of files and folders those that are stored. Raises InvalidFlow, NotFound."""
    paths = {text: Path(text) for text in what}
    names: dict[tuple[str, str], None] = {}
    for text, path in paths.items():
        if not _exists(path):
            names[flow_name(text)] = None
            continue
        for source in await read_sources(flows, [path]):
            try:
                await flows.get(source.namespace, source.id)
            except NotFound:
                continue
            names[source.namespace, source.id] = None
    return list(names)


def _exists(path: Path) -> bool:
    return path.exists()


async def _do(flows: FlowsPort, plan: Sequence[Planned], yes: bool, dry_run: bool, as_json: bool) -> None:
    """Show the plan, ask, do it. Raises Refused where nobody can be asked."""
    from engine.cli import look

    console = look.stdout()
    if not as_json:
        for line in lines(plan):
            console.print(line)
    goes_on = not dry_run and differs(plan)
    if goes_on and not yes:
        if as_json or not sys.stdin.isatty():
            raise Refused("Nothing was changed: say --yes to do it, --dry-run to see only what would be done")
        typer.confirm("Do it?", abort=True)
    done = await carry_out(flows, plan) if goes_on else list(plan)
    if as_json:
        typer.echo(look.as_json({"changes": shapes(done), "applied": not dry_run}))
    elif goes_on:
        console.print("Done.")
