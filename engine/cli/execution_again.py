"""`tidegate execution restart, replay, resume, unqueue, force-run`: what lets executions go on.

One that is named is shown live to its end; many are told of in one line each.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.choice import Choice, choosing, do_to_many, pairs
from engine.cli.options import Config, Data, Flows, Server
from engine.cli.resolve import resolve, status
from engine.cli.session import run_async
from engine.cli.target import client
from engine.errors import Refused
from engine.ids import ExecutionId
from engine.state.execution import Execution

if TYPE_CHECKING:
    from engine.cli.port import Client


@choosing
def restart(
    choice: Choice,
    revision: Annotated[
        int | None, typer.Option("--revision", help="As new executions, with this revision of the flow.")
    ] = None,
    data: Data = None,
    flows: Flows = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Run again what failed, in the same execution, and show it live."""
    if choice.single is None:
        code = do_to_many(
            choice, "restarted", lambda bulk, which: bulk.restart(which, revision), data, config, flows, server
        )
        raise typer.Exit(code)
    id = choice.single

    async def work() -> Execution:
        from engine.cli.run import follow

        async with client(data, config, server, flows) as target:
            begin = partial(target.actions.restart, await resolve(target.executions, id), revision=revision)
            return await follow(target, begin)

    raise typer.Exit(_exit_code(run_async(work)))


@choosing
def replay(
    choice: Choice,
    task_run: Annotated[str | None, typer.Option("--task-run", help="From this task run (its id).")] = None,
    task: Annotated[str | None, typer.Option("--task", help="From this task.")] = None,
    revision: Annotated[int | None, typer.Option("--revision", help="With this revision of the flow.")] = None,
    latest: Annotated[bool, typer.Option("--latest", help="With the latest revision of the flow.")] = False,
    inputs: Annotated[list[str] | None, typer.Option("-i", "--input", help="Another input: key=value.")] = None,
    files: Annotated[list[str] | None, typer.Option("-f", "--file", help="Another FILE input: key=path.")] = None,
    outputs: Annotated[
        list[str] | None, typer.Option("--output", help="Another output of a task before: task.key=value, or JSON.")
    ] = None,
    data: Data = None,
    flows: Flows = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Run it anew as another execution with the same inputs, from the start or from a task run."""
    if choice.single is None:
        if task_run or task or revision or inputs or files or outputs:
            raise Refused("Many executions are replayed from their start as they were, or with --latest")
        code = do_to_many(
            choice, "replayed", lambda bulk, which: bulk.replay(which, latest), data, config, flows, server
        )
        raise typer.Exit(code)
    from engine.cli.run import given_inputs

    id, given, changed = choice.single, given_inputs(inputs, files), _outputs(outputs)

    async def work() -> Execution:
        from engine.cli.run import follow

        async with client(data, config, server, flows) as target:
            chosen = await resolve(target.executions, id)
            start = task_run if task is None else await _first(target, chosen, task)
            wanted = revision
            if latest:
                execution = (await target.executions.record(chosen)).execution
                wanted = (await target.flows.get(execution.namespace, execution.flow)).revision
            begin = partial(target.actions.replay, chosen, start, wanted, inputs=given, outputs=changed)
            return await follow(target, begin)

    raise typer.Exit(_exit_code(run_async(work)))


@choosing
def resume(
    choice: Choice,
    inputs: Annotated[list[str] | None, typer.Option("-i", "--input", help="An input: key=value.")] = None,
    files: Annotated[list[str] | None, typer.Option("-f", "--file", help="A FILE input: key=path.")] = None,
    task_run: Annotated[str | None, typer.Option("--task-run", help="This task run, not the first paused one.")] = None,
    data: Data = None,
    flows: Flows = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Let a paused execution go on. Where no other process has it in hand, it is run to its end here."""
    place = (data, config, flows, server)
    if choice.single is None:
        if task_run or inputs or files:
            raise Refused("Inputs and a task run go with one execution")
        code = do_to_many(choice, "resumed", lambda bulk, which: bulk.resume(which), *place)
        raise typer.Exit(code)
    from engine.cli.run import given_inputs

    given = given_inputs(inputs, files)

    async def ask(target: Client, chosen: ExecutionId) -> None:
        await target.actions.resume(chosen, given, task_run=task_run)

    raise typer.Exit(run_async(partial(go_on, choice.single, ask, data, config, flows, server)))


@choosing
def unqueue(
    choice: Choice,
    to: Annotated[str, typer.Option("--to", help="RUNNING, or how it ends: CANCELLED or FAILED.")] = "RUNNING",
    data: Data = None,
    flows: Flows = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Take an execution out of the queue of its flow: it runs now, whatever the limit, or ends as you say."""
    wanted = status(to, "--to")
    if choice.single is None:
        code = do_to_many(
            choice, "unqueued", lambda bulk, which: bulk.unqueue(which, wanted), data, config, flows, server
        )
        raise typer.Exit(code)

    async def ask(target: Client, chosen: ExecutionId) -> None:
        await target.actions.unqueue(chosen, wanted)

    raise typer.Exit(run_async(partial(go_on, choice.single, ask, data, config, flows, server)))


@choosing
def force_run(
    choice: Choice, data: Data = None, flows: Flows = None, config: Config = None, server: Server = None
) -> None:
    """Let a queued, scheduled or paused execution go on now, whatever the limit of its flow."""
    place = (data, config, flows, server)
    if choice.single is None:
        code = do_to_many(choice, "let run", lambda bulk, which: bulk.force_run(which), *place)
        raise typer.Exit(code)

    async def ask(target: Client, chosen: ExecutionId) -> None:
        await target.actions.force_run(chosen)

    raise typer.Exit(run_async(partial(go_on, choice.single, ask, data, config, flows, server)))


async def _first(target: Client, id: ExecutionId, task: str) -> str:
    """The first task run of a task."""
    runs = (await target.executions.record(id)).runs.values()
    matching = [run for run in runs if run.node == task]
    if not matching:
        raise Refused(f"Execution '{id}' has no task run of the task '{task}'")
    return min(matching, key=lambda run: run.order).id


def _outputs(texts: list[str] | None) -> dict[str, dict[str, object]]:
    """`task.key=value` texts as outputs by task; a value that is JSON is taken as that."""
    import msgspec

    found: dict[str, dict[str, object]] = {}
    for name, text in pairs(texts, "--output", "task.key=value").items():
        task, dot, key = name.rpartition(".")
        if not (task and dot and key):
            raise Refused(f"--output takes task.key=value, not '{name}={text}'")
        try:
            value = msgspec.json.decode(text)
        except msgspec.DecodeError:
            value = text
        found.setdefault(task, {})[key] = value
    return found


async def go_on(
    id: str,
    ask: Callable[[Client, ExecutionId], Awaitable[None]],
    data: Data,
    config: Config,
    flows: Flows,
    server: Server,
) -> int:
    """Ask for something that lets an execution go on; where no other process has it in hand, run it to its end here."""
    from engine.cli import look
    from engine.cli.progress import Follower
    from engine.cli.run import exit_code, show_end

    async with client(data, config, server, flows) as target:
        console = look.stdout()
        chosen = await resolve(target.executions, id)
        async with Follower(target, console) as follower:
            await ask(target, chosen)
            if await target.executions.goes_on_elsewhere(chosen):
                console.print(f"{chosen} goes on in the process that has it in hand")
                return 0
            ended = await follower.until_end(chosen)
        await show_end(target, console, ended, None)
        return exit_code(ended)


def _exit_code(execution: Execution) -> int:
    from engine.cli.run import exit_code

    return exit_code(execution)
