"""The log lines of an attempt in a file of internal storage, for tasks with `logToFile`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import IO

import anyio
import anyio.to_thread

from engine.clock import iso
from engine.files.addresses import task_folder
from engine.files.protocol import InternalStorage
from engine.state.execution import Execution, TaskRun
from engine.store.rows import LogLine

STORE_SECONDS = 5.0


def log_address(execution: Execution, run: TaskRun) -> str:
    """Where the lines of the current attempt of a task run lie once it has ended."""
    folder = task_folder(execution.namespace, execution.flow, execution.home, run.node, run.id)
    return f"{folder}/logs/attempt-{run.attempt}.log"


class LogFile:
    """Collects lines below `base`; `store` brings them to their `address`."""

    def __init__(self, files: InternalStorage, address: str, base: Path) -> None:
        self.address = address
        self._files = files
        self._base = base
        self._lines: IO[str] | None = None

    def add(self, line: LogLine) -> None:
        # Into the pages of this machine's memory: the loop waits for no disk.
        self._opened().write(f"{iso(line.at)} {line.level} {line.message}\n")

    async def store(self) -> None:
        """Store all lines, also where there are none: whoever looks for them finds the file."""
        lines = self._opened()
        with anyio.CancelScope(shield=True), anyio.move_on_after(STORE_SECONDS, shield=True):
            try:
                await anyio.to_thread.run_sync(lines.flush)
                await self._files.put_path(self.address, Path(lines.name))
            finally:
                lines.close()

    def _opened(self) -> IO[str]:
        if self._lines is None:
            self._base.mkdir(parents=True, exist_ok=True)
            # Deleted when it is closed.
            self._lines = tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=self._base)  # noqa: SIM115
        return self._lines
