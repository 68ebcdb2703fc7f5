"""`tidegate execution …`: what ran, what it said and left, and running it again."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from engine.cli.choice import Labels, Since, Until, kinds_of, selected
from engine.cli.decide import approve, deny
from engine.cli.execution_again import force_run, replay, restart, resume, unqueue
from engine.cli.execution_end import delete, kill, labels, pause, set_status
from engine.cli.options import Config, Data, Flows, Id, Json, Server
from engine.cli.resolve import resolve
from engine.cli.session import run_async, session
from engine.cli.target import client
from engine.cli.why import why
from engine.state.execution import Execution
from engine.state.status import Status

app = typer.Typer(help="Look at executions, run them again, stop them.", no_args_is_help=True, rich_markup_mode=None)

for command in (restart, replay, pause, resume, approve, deny, kill, delete, labels, set_status, unqueue, force_run):
    app.command(command.__name__.replace("_", "-"))(command)


@app.command("list")
def list_executions(
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Only this namespace.")] = None,
    flow: Annotated[str | None, typer.Option("--flow", help="Only this flow.")] = None,
    states: Annotated[list[str] | None, typer.Option("--state", help="Only these states (repeat).")] = None,
    labels: Labels = None,
    since: Since = None,
    until: Until = None,
    kinds: Annotated[list[str] | None, typer.Option("--kind", help="NORMAL, TEST or LOOP (repeat).")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many.")] = 25,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """List executions, newest first."""
    where = selected(namespace=namespace, flow=flow, states=states, labels=labels, since=since, until=until)
    where = msgspec.structs.replace(where, kinds=kinds_of(kinds), limit=limit)

    async def work() -> None:
        from engine.cli import look
        from engine.cli.columns import Columns

        async with client(data, config, server) as target:
            found = await target.executions.list(where)
        console = look.stdout()
        if as_json:
            console.print(look.as_json(found), markup=False)
            return
        if not found:
            console.print("No executions.")
            return
        table = Columns("", "id", "flow", "state", "started", "took")
        for one in found:
            flow_name = f"{one.namespace}.{one.flow}"
            table.add_row(one.id, flow_name, look.state(one.state), look.moment(one.started), _took(one))
        console.print(table)

    run_async(work)


@app.command("show")
def show(id: Id, as_json: Json = False, data: Data = None, config: Config = None, server: Server = None) -> None:
    """Show an execution: its task runs, outputs and files."""

    async def work() -> None:
        from engine.cli import look
        from engine.cli.progress import Progress
        from engine.cli.run import show_end
        from engine.clock import SystemClock

        async with client(data, config, server) as target:
            chosen = await resolve(target.executions, id)
            record = await target.executions.record(chosen)
            console = look.stdout()
            runs = sorted(record.runs.values(), key=lambda run: run.order)
            if as_json:
                console.print(look.as_json({"execution": record.execution, "taskRuns": runs}), markup=False)
                return
            progress = Progress(console, SystemClock())
            progress.execution = record.execution
            progress.runs = dict(record.runs)
            console.print(progress)
            await show_end(target, console, record.execution, None)

    run_async(work)


app.command("why")(why)


@app.command("logs")
def logs(
    id: Id,
    task: Annotated[str | None, typer.Option("--task", help="Only this task.")] = None,
    levels: Annotated[list[str] | None, typer.Option("--level", help="Only these levels (repeat).")] = None,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Print the log lines of an execution."""

    async def work() -> None:
        from engine.cli import look
        from engine.cli.log_files import show_log_files
        from engine.cli.progress import Progress
        from engine.clock import SystemClock

        console = look.stdout()
        progress = Progress(console, SystemClock())
        async with client(data, config, server) as target:
            chosen = await resolve(target.executions, id)
            wanted = [level.upper() for level in levels or ()]
            async for line in target.executions.lines(chosen, task, wanted):
                if as_json:
                    console.print(look.as_json(line), markup=False)
                else:
                    progress.on_line(line)
            if not as_json:
                await show_log_files(target, console, chosen, task)

    run_async(work)


@app.command("outputs")
def outputs(
    id: Id,
    task: Annotated[str | None, typer.Option("--task", help="Only this task.")] = None,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Print the outputs of an execution and of its task runs."""

    async def work() -> None:
        from engine.cli import look
        from engine.cli.tables import outputs_table

        console = look.stdout()
        async with client(data, config, server) as target:
            chosen = await resolve(target.executions, id)
            record = await target.executions.record(chosen)
        if task is not None:
            record.runs = {path: run for path, run in record.runs.items() if run.node == task}
        if as_json:
            by_path = {run.path: run.outputs for run in record.runs.values() if run.outputs}
            console.print(look.as_json({"flow": record.execution.outputs, "tasks": by_path}), markup=False)
            return
        console.print(outputs_table(record) or "No outputs.")

    run_async(work)


@app.command("follow")
def follow(id: Id, data: Data = None, config: Config = None, server: Server = None) -> None:
    """Show an execution live until it ends, wherever it runs. Ctrl-C stops looking, not the execution.

    Exit code: 0 SUCCESS or WARNING, 1 FAILED, 130 KILLED.
    """

    async def work() -> int:
        from engine.cli import look
        from engine.cli.progress import Follower
        from engine.cli.run import exit_code, show_end

        console = look.stdout()
        async with client(data, config, server) as target:
            chosen = await resolve(target.executions, id)
            async with Follower(target, console, kills=False) as follower:
                record = await target.executions.record(chosen)
                follower.progress.on_change(record.execution, list(record.runs.values()))
                ended = await follower.until_end(chosen)
            await show_end(target, console, ended, None)
            return exit_code(ended)

    raise typer.Exit(run_async(work))


@app.command("recover")
def recover(data: Data = None, flows: Flows = None, config: Config = None) -> None:
    """Take up the executions that a stopped or crashed process left, and run them to their end."""

    async def work() -> bool:
        from engine.cli import look

        console = look.stdout()
        async with session(data, config, flows) as engine:
            taken = await engine.nodes.recover()
            if not taken:
                console.print("Nothing to recover.")
            good = True
            for id in taken:
                ended = await engine.control.wait(id)
                good = good and ended.state in (Status.SUCCESS, Status.WARNING)
                console.print(f"{id} {ended.namespace}.{ended.flow} {look.state(ended.state)}")
            return good

    raise typer.Exit(0 if run_async(work) else 1)


def _took(execution: Execution) -> str:
    from engine.cli import look
    from engine.clock import SystemClock

    return look.lasted(execution, SystemClock().now())
