"""Interpreters started ahead, so that a Python script begins at once.

Each runs one script and is never used again: what a script leaves in its process ends with it. They are kept only
from the first script on, for a process that runs none shall not pay for them, and not on macOS, whose libraries forbid
to go on after a fork.
"""

from __future__ import annotations

import os
import py_compile
import re
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import anyio

from engine.errors import TaskError
from engine.plugin.working import OnLine, PythonEnvironment
from engine.runtime.scripts.environments import Environments
from engine.runtime.scripts.forks import Fork, Parent
from engine.runtime.scripts.process import Child, run_process
from engine.settings import Settings

PROGRAM = Path(__file__).with_name("prestarted.py")
# What a pipe takes at once; the engine doesn't wait for a waiting interpreter to read.
REQUEST_BYTES = 60 * 1024
# What an interpreter or its libraries read once, when they start.
EARLY_PATTERN = re.compile(r"PYTHON\w*|LC_\w+|LANG|LANGUAGE|LD_\w+|DYLD_\w+|MALLOC_\w+|GLIBC_\w+|OPENSSL_\w+")


class Interpreters:
    """A few waiting interpreters of the default environment; an async context manager that ends them."""

    def __init__(self, environments: Environments, settings: Settings) -> None:
        self._environments = environments
        self._count = settings.process.prestart if sys.platform != "darwin" else 0
        self._grace = settings.worker.grace_seconds
        self._waiting: deque[Fork] = deque()
        self._parent: Parent | None = None
        self._early: dict[str, str] = {}
        self._program: Path | None = None

    async def __aenter__(self) -> Interpreters:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._count = 0
        await self._end()

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
        if self._count == 0:
            return None
        if early != self._early or self._parent is None:
            # Scripts like this one are what comes next, more likely than such as came before.
            await self._end()
            if self._parent is None:
                self._begin(python, early)
            return None
        try:
            taken = await self._told(request)
        except OSError:
            await self._end()
            return None
        self._fill()
        return taken

    async def _told(self, request: bytes) -> Child | None:
        """A fork that has been given a request. Raises OSError when there will be no more of them."""
        assert self._parent is not None
        fork = self._waiting.popleft() if self._waiting else self._parent.fork()
        child = await fork.ready()
        if child is None:
            raise BrokenPipeError
        try:
            child.tell(request)
        except BaseException:
            await child.kill()
            raise
        return child

    def _begin(self, python: PythonEnvironment, early: dict[str, str]) -> None:
        """Start what others are forked from. That takes as long as a spawn; nobody waits until it is ready."""
        own = self._environments.variables(python, {})
        env = {**{name: value for name, value in own.items() if not _is_early(name)}, **early}
        try:
            self._parent = Parent([str(python.python), str(self._compiled(python))], env)
        except TaskError:
            # The script falls back to a fresh interpreter, and that says what is wrong.
            return
        self._early = early
        self._fill()

    def _fill(self) -> None:
        try:
            while self._parent is not None and len(self._waiting) < self._count:
                self._waiting.append(self._parent.fork())
        except OSError:
            # It has ended; the next script that needs it begins anew.
            return

    async def _end(self) -> None:
        """End what the others are forked from, then all that wait."""
        parent, self._parent = self._parent, None
        waiting, self._waiting = self._waiting, deque()
        with anyio.CancelScope(shield=True):
            if parent is not None:
                await parent.kill()
            for fork in waiting:
                child = await fork.ready()
                if child is not None:
                    await child.kill()

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
