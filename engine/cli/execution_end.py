"""`tidegate execution kill, pause, delete, labels, set-status`: what becomes of executions without running them."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.choice import Choice, choosing, do_to_many, pairs
from engine.cli.options import Config, Data, Server
from engine.cli.resolve import resolve, status
from engine.cli.session import run_async
from engine.cli.target import client


@choosing
def kill(
    choice: Choice,
    no_cascade: Annotated[
        bool, typer.Option("--no-cascade", help="Let executions go on that their tasks started (subflows).")
    ] = False,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Stop executions, whichever process runs them, and wait until they have ended."""
    cascade = not no_cascade
    if choice.single is None:
        place = (data, config, None, server)
        raise typer.Exit(do_to_many(choice, "killed", lambda bulk, which: bulk.kill(which, cascade=cascade), *place))
    id = choice.single

    async def work() -> None:
        from engine.cli import look

        async with client(data, config, server) as target:
            chosen = await resolve(target.executions, id)
            await target.actions.kill(chosen, cascade=cascade)
            ended = await target.executions.until_end(chosen)
            look.stdout().print(f"{chosen} {look.state(ended.state)}")

    run_async(work)


@choosing
def pause(choice: Choice, data: Data = None, config: Config = None, server: Server = None) -> None:
    """Let executions start nothing more until they are resumed; what runs goes on to its end."""
    place = (data, config, None, server)
    if choice.single is None:
        raise typer.Exit(do_to_many(choice, "paused", lambda bulk, which: bulk.pause(which), *place))
    id = choice.single

    async def work() -> None:
        from engine.cli import look

        async with client(data, config, server) as target:
            chosen = await resolve(target.executions, id)
            await target.actions.pause(chosen)
            look.stdout().print(f"{chosen} pauses; go on with: tidegate execution resume {chosen}")

    run_async(work)


@choosing
def delete(
    choice: Choice,
    keep_logs: Annotated[bool, typer.Option("--keep-logs", help="Keep their log lines.")] = False,
    keep_metrics: Annotated[bool, typer.Option("--keep-metrics", help="Keep their metrics.")] = False,
    keep_files: Annotated[bool, typer.Option("--keep-files", help="Keep their files.")] = False,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Delete executions that have ended, with their log lines, metrics and files."""
    place = (data, config, None, server)
    kept = {"logs": not keep_logs, "metrics": not keep_metrics, "files": not keep_files}
    raise typer.Exit(do_to_many(choice, "deleted", lambda bulk, which: bulk.delete(which, **kept), *place))


@choosing
def labels(
    choice: Choice,
    added: Annotated[list[str] | None, typer.Option("--set", help="A label: key=value (repeat).")] = None,
    removed: Annotated[list[str] | None, typer.Option("--remove", help="A label to remove, by its key.")] = None,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Add labels to executions that have ended, change them or remove them."""
    wanted = pairs(added, "--set")
    if not wanted and not removed:
        raise typer.BadParameter("say --set key=value or --remove key")
    gone = removed or []
    raise typer.Exit(
        do_to_many(
            choice, "labelled", lambda bulk, which: bulk.set_labels(which, wanted, gone), data, config, server=server
        )
    )


@choosing
def set_status(
    choice: Choice,
    to: Annotated[str, typer.Option("--to", help="SUCCESS, WARNING, FAILED, KILLED or CANCELLED.", show_default=False)],
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Say that executions that have ended ended in another state; nothing runs again."""
    wanted = status(to, "--to")
    raise typer.Exit(
        do_to_many(
            choice, f"set to {wanted}", lambda bulk, which: bulk.set_status(which, wanted), data, config, server=server
        )
    )
