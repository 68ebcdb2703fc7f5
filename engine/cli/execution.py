"""`tidegate execution …`: what ran, what it said and left, and running it again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from engine.cli.decide import approve, deny
from engine.cli.options import Config, Data, Flows, Id, Json
from engine.cli.session import run_async, session
from engine.cli.why import why
from engine.errors import NotFound, Refused
from engine.ids import ExecutionId
from engine.state.execution import Execution
from engine.state.status import Status

if TYPE_CHECKING:
    from engine.runtime.engine import Engine

SHOWN_MATCHES = 5

app = typer.Typer(help="Look at executions, run them again, stop them.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_executions(
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Only this namespace.")] = None,
    flow: Annotated[str | None, typer.Option("--flow", help="Only this flow.")] = None,
    states: Annotated[list[str] | None, typer.Option("--state", help="Only these states (repeat).")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many.")] = 25,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """List executions, newest first."""
    wanted = tuple(_status(state) for state in states or ())

    async def work() -> None:
        from engine.cli import look
        from engine.cli.columns import Columns
        from engine.store.protocols import ExecutionFilter

        async with session(data, config) as engine:
            found = await engine.store.executions.list(
                ExecutionFilter(namespace=namespace, flow=flow, states=wanted, limit=limit)
            )
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
def show(id: Id, as_json: Json = False, data: Data = None, config: Config = None) -> None:
    """Show an execution: its task runs, outputs and files."""

    async def work() -> None:
        from engine.cli import look
        from engine.cli.progress import Progress
        from engine.cli.run import show_end
        from engine.clock import SystemClock

        async with session(data, config) as engine:
            chosen = await resolve(engine, id)
            record = (await engine.store.executions.load(chosen)).record
            console = look.stdout()
            runs = sorted(record.runs.values(), key=lambda run: run.order)
            if as_json:
                console.print(look.as_json({"execution": record.execution, "taskRuns": runs}), markup=False)
                return
            progress = Progress(console, SystemClock())
            progress.execution = record.execution
            progress.runs = dict(record.runs)
            console.print(progress)
            await show_end(engine, console, record.execution, None)

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
) -> None:
    """Print the log lines of an execution."""

    async def work() -> None:
        from engine.cli import look
        from engine.cli.log_files import show_log_files
        from engine.cli.progress import Progress
        from engine.clock import SystemClock

        console = look.stdout()
        progress = Progress(console, SystemClock())
        async with session(data, config) as engine:
            chosen = await resolve(engine, id)
            seen = 0
            while True:
                page = await engine.store.logs.lines(
                    chosen, task=task, levels=[level.upper() for level in levels or ()], after=seen
                )
                for seen, line in page:  # noqa: B007
                    if as_json:
                        console.print(look.as_json(line), markup=False)
                    else:
                        progress.on_line(line)
                if not page:
                    break
            if not as_json:
                await show_log_files(engine, console, chosen, task)

    run_async(work)


@app.command("outputs")
def outputs(
    id: Id,
    task: Annotated[str | None, typer.Option("--task", help="Only this task.")] = None,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Print the outputs of an execution and of its task runs."""

    async def work() -> None:
        from engine.cli import look
        from engine.cli.tables import outputs_table

        console = look.stdout()
        async with session(data, config) as engine:
            chosen = await resolve(engine, id)
            record = (await engine.store.executions.load(chosen)).record
        if task is not None:
            record.runs = {path: run for path, run in record.runs.items() if run.node == task}
        if as_json:
            by_path = {run.path: run.outputs for run in record.runs.values() if run.outputs}
            console.print(look.as_json({"flow": record.execution.outputs, "tasks": by_path}), markup=False)
            return
        console.print(outputs_table(record) or "No outputs.")

    run_async(work)


@app.command("restart")
def restart(id: Id, data: Data = None, flows: Flows = None, config: Config = None) -> None:
    """Run again what failed, in the same execution, and show it live."""

    async def work() -> Execution:
        from engine.cli.run import follow

        async with session(data, config, flows) as engine:
            return await follow(engine, partial(engine.control.restart, await resolve(engine, id)))

    raise typer.Exit(_exit_code(run_async(work)))


@app.command("replay")
def replay(
    id: Id,
    task_run: Annotated[str | None, typer.Option("--task-run", help="From this task run (its id).")] = None,
    task: Annotated[str | None, typer.Option("--task", help="From this task.")] = None,
    revision: Annotated[int | None, typer.Option("--revision", help="With this revision of the flow.")] = None,
    data: Data = None,
    flows: Flows = None,
    config: Config = None,
) -> None:
    """Run it anew as another execution with the same inputs, from the start or from a task run."""

    async def work() -> Execution:
        from engine.cli.run import follow

        async with session(data, config, flows) as engine:
            chosen = await resolve(engine, id)
            start = task_run
            if task is not None:
                runs = (await engine.store.executions.load(chosen)).record.runs.values()
                matching = [run for run in runs if run.node == task]
                if not matching:
                    raise Refused(f"Execution '{chosen}' has no task run of the task '{task}'")
                start = min(matching, key=lambda run: run.order).id
            return await follow(engine, partial(engine.control.replay, chosen, start, revision))

    raise typer.Exit(_exit_code(run_async(work)))


@app.command("pause")
def pause(id: Id, data: Data = None, config: Config = None) -> None:
    """Let an execution start nothing more until it is resumed; what runs goes on to its end."""

    async def work() -> None:
        from engine.cli import look

        async with session(data, config) as engine:
            chosen = await resolve(engine, id)
            await engine.control.pause(chosen)
            look.stdout().print(f"{chosen} pauses; go on with: tidegate execution resume {chosen}")

    run_async(work)


@app.command("resume")
def resume(
    id: Id,
    inputs: Annotated[list[str] | None, typer.Option("-i", "--input", help="An input: key=value.")] = None,
    files: Annotated[list[str] | None, typer.Option("-f", "--file", help="A FILE input: key=path.")] = None,
    task_run: Annotated[str | None, typer.Option("--task-run", help="This task run, not the first paused one.")] = None,
    data: Data = None,
    flows: Flows = None,
    config: Config = None,
) -> None:
    """Let a paused execution go on. Where no other process has it in hand, it is run to its end here."""

    from engine.cli.run import given_inputs

    given = given_inputs(inputs, files)

    async def ask(engine: Engine, chosen: ExecutionId) -> None:
        await engine.control.resume(chosen, given, task_run=task_run)

    raise typer.Exit(run_async(partial(go_on, id, ask, data, config, flows)))


app.command("approve")(approve)
app.command("deny")(deny)


@app.command("unqueue")
def unqueue(
    id: Id,
    state: Annotated[str, typer.Option("--state", help="RUNNING, or how it ends: CANCELLED or FAILED.")] = "RUNNING",
    data: Data = None,
    flows: Flows = None,
    config: Config = None,
) -> None:
    """Take an execution out of the queue of its flow: it runs now, whatever the limit, or ends as you say."""
    wanted = _status(state)

    async def ask(engine: Engine, chosen: ExecutionId) -> None:
        await engine.control.unqueue(chosen, wanted)

    raise typer.Exit(run_async(partial(go_on, id, ask, data, config, flows)))


@app.command("force-run")
def force_run(id: Id, data: Data = None, flows: Flows = None, config: Config = None) -> None:
    """Let a queued, scheduled or paused execution go on now, whatever the limit of its flow."""

    async def ask(engine: Engine, chosen: ExecutionId) -> None:
        await engine.control.force_run(chosen)

    raise typer.Exit(run_async(partial(go_on, id, ask, data, config, flows)))


async def go_on(
    id: str,
    ask: Callable[[Engine, ExecutionId], Awaitable[None]],
    data: Data,
    config: Config,
    flows: Flows,
) -> int:
    """Ask for something that lets an execution go on; where no other process has it in hand, run it to its end here."""
    from engine.cli import look
    from engine.cli.progress import Follower
    from engine.cli.run import exit_code, show_end

    async with session(data, config, flows) as engine:
        console = look.stdout()
        chosen = await resolve(engine, id)
        async with Follower(engine, console) as follower:
            await ask(engine, chosen)
            if (await engine.store.executions.head(chosen))[1] not in ("", engine.node.id):
                console.print(f"{chosen} goes on in the process that has it in hand")
                return 0
            ended = await follower.until_end(chosen)
        await show_end(engine, console, ended, None)
        return exit_code(ended)


@app.command("kill")
def kill(id: Id, data: Data = None, config: Config = None) -> None:
    """Stop an execution, whichever process runs it, and wait until it has ended."""

    async def work() -> None:
        from engine.cli import look

        async with session(data, config) as engine:
            chosen = await resolve(engine, id)
            await engine.control.kill(chosen)
            ended = await engine.control.wait(chosen)
            look.stdout().print(f"{chosen} {look.state(ended.state)}")

    run_async(work)


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


async def resolve(engine: Engine, id: str) -> ExecutionId:
    """An execution's id by its beginning; `last` is the newest one. Raises NotFound, Refused for one that fits many."""
    from engine.store.protocols import ExecutionFilter

    if id != "last":
        return await _by_prefix(engine, id)
    newest = await engine.store.executions.list(ExecutionFilter(limit=1))
    if not newest:
        raise Refused("There is no execution yet: `tidegate run FLOW.yaml` makes one")
    return newest[0].id


async def _by_prefix(engine: Engine, id: str) -> ExecutionId:
    from engine.nearness import did_you_mean, near_names
    from engine.store.protocols import ExecutionFilter

    where = ExecutionFilter(prefix=id, limit=SHOWN_MATCHES)
    found = await engine.store.executions.list(where) if id else []
    if id and not found:
        # An iteration of a loop is in no list, but whoever names it means it.
        found = await engine.store.executions.list(msgspec.structs.replace(where, kinds=()))
    if len(found) == 1 or any(one.id == id for one in found):
        return ExecutionId(id) if len(found) > 1 else found[0].id
    if found:
        raise Refused(f"Several executions begin with '{id}': {', '.join(one.id for one in found)}")
    newest = await engine.store.executions.list(ExecutionFilter(limit=100))
    near = did_you_mean(near_names(id, [one.id for one in newest]))
    raise NotFound("execution", id, near.removeprefix(", ") or "`tidegate execution list` shows those that exist")


def _took(execution: Execution) -> str:
    from engine.cli import look
    from engine.clock import SystemClock

    return look.lasted(execution, SystemClock().now())


def _status(text: str) -> Status:
    try:
        return Status(text.upper())
    except ValueError:
        raise Refused(f"--state {text}: a state is one of {', '.join(Status)}") from None


def _exit_code(execution: Execution) -> int:
    from engine.cli.run import exit_code

    return exit_code(execution)
