"""The log files of tasks with `logToFile`, in the terminal."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
from rich.console import Console

from engine.cli.port import Client
from engine.errors import NotFound
from engine.ids import ExecutionId
from engine.state.execution import Execution, TaskRun


async def show_log_files(client: Client, console: Console, execution: ExecutionId, task: str | None) -> None:
    """Say where such lines are; those of one task are shown."""
    record = await client.executions.record(execution)
    runs = sorted(record.runs.values(), key=lambda run: run.order)
    for run in runs:
        if task is not None and run.node != task:
            continue
        for attempt in run.attempts:
            if attempt.log_file is not None and task is None:
                console.print(f"{_named(run, attempt.number)}: {attempt.log_file}", markup=False)
            elif attempt.log_file is not None:
                await _show(client, console, record.execution, attempt.log_file)


async def _show(client: Client, console: Console, execution: Execution, address: str) -> None:
    with TemporaryDirectory(prefix="tidegate-log-") as folder:
        copy = Path(folder) / "log"
        try:
            await client.executions.fetch(execution, address, copy)
        except NotFound:
            console.print(f"The log file {address} is gone", markup=False)
            return
        # Whole at once, so that no character is cut in two: an attempt has a limit on its lines.
        text = (await anyio.Path(copy).read_bytes()).decode(errors="replace")
    console.print(text, markup=False, end="")


def _named(run: TaskRun, attempt: int) -> str:
    of = f" ({run.value})" if run.value is not None else ""
    again = f", attempt {attempt}" if len(run.attempts) > 1 else ""
    return f"The log of {run.node}{of}{again} is in a file"
