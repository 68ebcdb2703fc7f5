"""The log files of tasks with `logToFile`, in the terminal."""

from __future__ import annotations

from rich.console import Console

from engine.errors import NotFound
from engine.ids import ExecutionId
from engine.runtime.engine import Engine
from engine.state.execution import TaskRun


async def show_log_files(engine: Engine, console: Console, execution: ExecutionId, task: str | None) -> None:
    """Say where such lines are; those of one task are shown."""
    runs = sorted((await engine.store.executions.load(execution)).record.runs.values(), key=lambda run: run.order)
    for run in runs:
        if task is not None and run.node != task:
            continue
        for attempt in run.attempts:
            if attempt.log_file is not None and task is None:
                console.print(f"{_named(run, attempt.number)}: {attempt.log_file}", markup=False)
            elif attempt.log_file is not None:
                await _show(engine, console, attempt.log_file)


async def _show(engine: Engine, console: Console, address: str) -> None:
    try:
        # Whole at once, so that no character is cut in two: an attempt has a limit on its lines.
        text = b"".join([chunk async for chunk in engine.files.read(address)]).decode(errors="replace")
    except NotFound:
        console.print(f"The log file {address} is gone", markup=False)
        return
    console.print(text, markup=False, end="")


def _named(run: TaskRun, attempt: int) -> str:
    of = f" ({run.value})" if run.value is not None else ""
    again = f", attempt {attempt}" if len(run.attempts) > 1 else ""
    return f"The log of {run.node}{of}{again} is in a file"
