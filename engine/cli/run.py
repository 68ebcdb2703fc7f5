"""`tidegate run`: one flow, here and now, with the code that a server uses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.contexts import chosen
from engine.cli.local import local_client
from engine.cli.options import Config, Data, Flows, Server
from engine.cli.session import run_async, session
from engine.cli.target import client
from engine.errors import Refused
from engine.nearness import near_or_known
from engine.state.execution import Execution
from engine.state.record import Record
from engine.state.status import Status

if TYPE_CHECKING:
    from rich.console import Console

    from engine.cli.port import Client
    from engine.definition.inputs import InputState
    from engine.files.protocol import FileInfo

EXIT_CODES = {Status.SUCCESS: 0, Status.WARNING: 0, Status.FAILED: 1, Status.KILLED: 130, Status.CANCELLED: 3}


def run(
    flow: Annotated[Path, typer.Argument(help="The flow's YAML file.", exists=True, dir_okay=False)],
    inputs: Annotated[list[str] | None, typer.Option("-i", "--input", help="An input: key=value.")] = None,
    files: Annotated[list[str] | None, typer.Option("-f", "--file", help="A FILE input: key=path.")] = None,
    labels: Annotated[list[str] | None, typer.Option("-l", "--label", help="A label: key=value.")] = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="Copy the files that the execution leaves here.", file_okay=False)
    ] = None,
    check: Annotated[
        bool, typer.Option("--check-inputs", help="Show what the inputs would be and what is wrong; run nothing.")
    ] = False,
    data: Data = None,
    flows: Flows = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Run a flow and show it live. Exit code: 0 SUCCESS or WARNING, 1 FAILED, 2 refused, 130 KILLED."""
    given = given_inputs(inputs, files)
    named = _pairs(labels, "-l")

    async def work() -> int:
        from engine.definition.check_path import read_flow

        source = read_flow(flow)
        if check:
            if chosen(server, data) is not None:
                raise Refused("--check-inputs works on a data folder of this machine (--data), not yet with a server")
            async with session(data, config, flows) as engine:
                stored = await engine.control.save_flow(source, str(flow))
                check_declared(given, await local_client(engine).flows.inputs(stored))
                return show_inputs(await engine.control.preview_inputs(stored.namespace, stored.id, given))
        async with client(data, config, server, flows) as target:
            stored = await target.flows.save(source, str(flow))
            check_declared(given, await target.flows.inputs(stored))
            begin = partial(target.executions.start, stored.namespace, stored.id, given, named)
            return exit_code(await follow(target, begin, save))

    raise typer.Exit(run_async(work))


def show_inputs(states: Sequence[InputState]) -> int:
    """Print what inputs would be; the exit code is 2 where one is wrong."""
    from engine.cli.look import stdout
    from engine.cli.tables import inputs_table

    stdout().print(inputs_table(states))
    return 2 if any(state.errors for state in states) else 0


def exit_code(execution: Execution) -> int:
    """What a process returns for an execution's state."""
    return EXIT_CODES.get(execution.state, 1)


async def follow(client: Client, begin: Callable[[], Awaitable[Execution]], save: Path | None = None) -> Execution:
    """Begin an execution, show it until it ends, then what it left; copy its files to `save`."""
    from engine.cli.look import stdout
    from engine.cli.progress import Follower

    console = stdout()
    async with Follower(client, console) as follower:
        ended = await follower.until_end((await begin()).id)
    await show_end(client, console, ended, save)
    return ended


async def show_end(client: Client, console: Console, execution: Execution, save: Path | None) -> None:
    """Print outputs and files of an ended execution; copy the files to `save`."""
    from engine.cli.tables import files_table, outputs_table

    record = await client.executions.record(execution.id)
    if table := outputs_table(record):
        console.print(table)
    found = await client.executions.files(execution)
    saved = await _save(client, record, found, save) if save else {}
    if found:
        console.print(files_table(found, saved))
    if execution.error:
        console.print(execution.error, style="red", markup=False)
    console.print(f"Look again: tidegate execution show {execution.id}", style="bright_black")


async def _save(client: Client, record: Record, found: Any, folder: Path) -> dict[str, Path]:
    """Copy files to FOLDER/TASK/NAME; returns local paths by address."""
    tasks = {run.id: run.node for run in record.runs.values()}
    saved: dict[str, Path] = {}
    for info in found:
        target = _target(folder, tasks, info, set(saved.values()))
        await client.executions.fetch(record.execution, info.address, target)
        saved[info.address] = target
    return saved


def _target(folder: Path, tasks: dict[Any, Any], info: FileInfo, taken: set[Path]) -> Path:
    """FOLDER/TASK/NAME; with the task run's id where several task runs of a task leave the same name."""
    parts = PurePosixPath(info.address.removeprefix("kestra:///")).parts
    run = next((index for index, part in enumerate(parts) if part in tasks), None)
    if run is None:
        return folder / "inputs" / parts[-1]
    node, rest = tasks[parts[run]], parts[run + 1 :]
    target = folder.joinpath(node, *rest)
    return folder.joinpath(node, parts[run], *rest) if target in taken else target


def given_inputs(inputs: list[str] | None, files: list[str] | None) -> dict[str, str]:
    """Inputs as a person gives them, by id. Raises Refused for what is no pair, or no file."""
    return {**_pairs(inputs, "-i"), **_existing(_pairs(files, "-f"))}


def _pairs(texts: list[str] | None, option: str) -> dict[str, str]:
    pairs = {}
    for text in texts or ():
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise Refused(f"{option} takes key=value, not '{text}'")
        pairs[key] = value
    return pairs


def check_declared(given: Mapping[str, str], declared: Sequence[str]) -> None:
    """Raises Refused for a value that nobody would look at: its name is most likely misspelt."""
    for name in given:
        if name not in declared:
            raise Refused(f"The flow has no input '{name}'{near_or_known(name, declared)}")


def _existing(files: dict[str, str]) -> dict[str, str]:
    from engine.definition.inputs import Upload

    for key, path in files.items():
        if not path.startswith("kestra://") and not Path(path).is_file():
            raise Refused(f"-f {key}={path}: there is no such file")
    # What is handed in as a file is one, whatever its input takes.
    return {key: path if path.startswith("kestra://") else Upload(path) for key, path in files.items()}
