"""Interpreters started ahead, so that a Python script begins at once.

Each runs one script and is never used again: what a script leaves in its process ends with it. They are kept only
from the first script on, for a process that runs none shall not pay for them.
"""

from __future__ import annotations

import os
import py_compile
import re
import subprocess
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import anyio

from engine.errors import TaskError
from engine.plugin.context import OnLine, PythonEnvironment
from engine.runtime.environments import Environments
from engine.runtime.process import Child, run_process
from engine.settings import Settings

PROGRAM = Path(__file__).with_name("prestarted.py")
# What a pipe takes at once; the engine doesn't wait for a waiting interpreter to read.
REQUEST_BYTES = 60 * 1024
# What an interpreter or its libraries read once, when they start.
EARLY_PATTERN = re.compile(r"PYTHON\w*|LC_\w+|LANG|LANGUAGE|LD_\w+|DYLD_\w+|MALLOC_\w+|GLIBC_\w+|OPENSSL_\w+")


class _Waiting(NamedTuple):
    """A waiting interpreter and those of its variables that it can't take back."""

    early: dict[str, str]
    child: Child


class Interpreters:
    """A few waiting interpreters of the default environment; an async context manager that ends them."""

    def __init__(self, environments: Environments, settings: Settings) -> None:
        self._environments = environments
        self._count = settings.process.prestart
        self._grace = settings.worker.grace_seconds
        self._waiting: deque[_Waiting] = deque()
        self._open = False
        self._program: Path | None = None

    async def __aenter__(self) -> Interpreters:
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open = False
        async with anyio.create_task_group() as tasks:
            while self._waiting:
                tasks.start_soon(self._waiting.popleft().child.kill)

    async def run(self, script: Path, *, cwd: Path, env: Mapping[str, str], on_line: OnLine) -> int:
        """Run a script as `python script` in the default environment would; see `run_process`."""
        python = await self._environments.get()
        child = await self._take(script, cwd, env, python)
        if child is not None:
            return await child.run(on_line, self._grace)
        return await run_process(
            [str(python.python), str(script)], env=env, cwd=cwd, on_line=on_line, grace=self._grace
        )

    async def _take(self, script: Path, cwd: Path, env: Mapping[str, str], python: PythonEnvironment) -> Child | None:
        """A waiting interpreter that has been given the script; None when there is none or it would not do."""
        request = _request(script, cwd, env)
        if not request or len(request) > REQUEST_BYTES:
            return None
        early = {name: value for name, value in env.items() if _is_early(name)}
        taken: Child | None = None
        for waiting in [waiting for waiting in self._waiting if waiting.early == early]:
            self._waiting.remove(waiting)
            try:
                waiting.child.tell(request)
            except BrokenPipeError:
                await waiting.child.kill()
            else:
                taken = waiting.child
                break
        else:
            # Scripts like this one are what comes next, more likely than such as came long ago.
            if self._waiting and len(self._waiting) >= self._count:
                await self._waiting.popleft().child.kill()
        self._fill(python, early)
        return taken

    def _fill(self, python: PythonEnvironment, early: dict[str, str]) -> None:
        """Start what is missing; that only takes as long as a spawn, for nobody waits until they are ready."""
        own = self._environments.variables(python, {})
        env = {**{name: value for name, value in own.items() if not _is_early(name)}, **early}
        while self._open and len(self._waiting) < self._count:
            try:
                argv = [str(python.python), str(self._compiled(python))]
                child = Child(argv, env=env, cwd=Path("/"), stdin=subprocess.PIPE)
            except TaskError:
                # The script falls back to a fresh interpreter, and that says what is wrong.
                return
            self._waiting.append(_Waiting(early, child))

    def _compiled(self, python: PythonEnvironment) -> Path:
        """The program as no interpreter needs to compile it; in each environment, written once by this process."""
        compiled = python.python.parent.parent / PROGRAM.with_suffix(".pyc").name
        if compiled != self._program or not compiled.exists():
            py_compile.compile(str(PROGRAM), str(compiled), doraise=True)
            self._program = compiled
        return compiled


def _request(script: Path, cwd: Path, env: Mapping[str, str]) -> bytes:
    """What to tell a waiting interpreter; empty when a fresh one must say what is wrong."""
    texts = (str(script), str(cwd), *(f"{name}={value}" for name, value in env.items()))
    if any("\0" in text for text in texts) or not cwd.is_dir():
        return b""
    return b"".join(os.fsencode(text) + b"\0" for text in texts)


def _is_early(name: str) -> bool:
    return EARLY_PATTERN.fullmatch(name) is not None
