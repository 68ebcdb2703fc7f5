"""Runs a program and ends it with everything that it started.

A program gets a session, and so a process group, of its own. When the attempt is cancelled, and also when the program
has ended and left others behind, the whole group is ended and seen dead before the call returns. What leaves the group
on purpose (`setsid`) is on its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Literal, Protocol

import anyio
import anyio.lowlevel
import anyio.to_thread

from engine.errors import TaskError
from engine.plugin.working import OnLine
from engine.runtime.scripts.groups import dead, reap
from engine.runtime.scripts.guardian import guardian

CHUNK_BYTES = 16 * 1024
LINE_BYTES = 8 * 1024 * 1024
LOOK_SECONDS = 0.005
# How long output may follow the end of the program: that of a `tee` it started, for example.
LINGER_SECONDS = 1.0
# How long the kernel may take to end what was killed; a process that waits for a disk is dead only after that.
KILL_SECONDS = 30.0

Source = Literal["stdout", "stderr"]


async def run_process(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, on_line: OnLine, grace: float) -> int:
    """Run a program with exactly these variables and an empty standard input.

    on_line: called with each line of output as it comes, decoded, without its end; one over 8 MiB comes in pieces
    grace: seconds between SIGTERM and SIGKILL

    Returns the exit code, negative for a signal. Raises TaskError when the program can't be started.
    """
    return await start(argv, env=env, cwd=cwd).run(on_line, grace)


def start(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, stdin: int = subprocess.DEVNULL) -> Child:
    """Start a program in a session of its own; `stdin` is its standard input, empty by default. Raises TaskError."""
    return Child(_start(argv, env, cwd, stdin))


class Started(Protocol):
    """A process that leads a group of its own; as `subprocess.Popen`."""

    pid: int
    stdin: IO[bytes] | None
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None
    returncode: int | None

    def poll(self) -> int | None:
        """The exit code, negative for a signal, once it has ended."""
        ...

    async def ended(self) -> None:
        """Wait for the end."""
        ...

    def close(self) -> None:
        """Let go of its pipes."""
        ...


class Child:
    """A started program; `run` must follow, or `kill`."""

    def __init__(self, process: Started) -> None:
        self._process = process
        guardian.guard(process.pid)

    @property
    def pid(self) -> int:
        """The process id, also that of its group."""
        return self._process.pid

    def tell(self, request: bytes) -> None:
        """Write to standard input and close it. Raises BrokenPipeError when the program has ended."""
        assert self._process.stdin is not None
        with self._process.stdin as pipe:
            pipe.write(request)

    async def run(self, on_line: OnLine, grace: float) -> int:
        """Pass its output on until it ends; see `run_process`."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        out = _Output(self._process.stdout.fileno(), "stdout", on_line)
        err = _Output(self._process.stderr.fileno(), "stderr", on_line)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(out.pass_on)
                tasks.start_soon(err.pass_on)
                try:
                    await self._process.ended()
                    with anyio.move_on_after(LINGER_SECONDS):
                        await out.ended.wait()
                        await err.ended.wait()
                finally:
                    with anyio.CancelScope(shield=True):
                        await self._end(grace)
                        out.stop()
                        err.stop()
        finally:
            self._process.close()
        assert self._process.returncode is not None
        return self._process.returncode

    async def kill(self) -> None:
        """End it at once, with its group."""
        with anyio.CancelScope(shield=True):
            try:
                await self._end(0)
            finally:
                self._process.close()

    async def _end(self, grace: float) -> None:
        """End the group. Raises TaskError when even a kill doesn't."""
        if not self._gone():
            if grace > 0:
                _signal(self.pid, signal.SIGTERM)
                # What was stopped hears only after it goes on.
                _signal(self.pid, signal.SIGCONT)
                await self._wait_gone(grace)
            _signal(self.pid, signal.SIGKILL)
            await self._wait_gone(KILL_SECONDS)
            if not self._gone():
                raise TaskError(f"Process {self.pid} can't be ended: it doesn't react to SIGKILL")
        guardian.forget(self.pid)

    async def _wait_gone(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            # Nothing tells when the last of a group ends.
            while not self._gone():  # noqa: ASYNC110
                await anyio.sleep(LOOK_SECONDS)

    def _gone(self) -> bool:
        if self._process.poll() is None:
            return False
        reap(self.pid)
        return dead(self.pid)


class _Program(subprocess.Popen[bytes]):
    """A program started by this process."""

    async def ended(self) -> None:
        if not hasattr(os, "pidfd_open"):
            await anyio.to_thread.run_sync(self.wait, abandon_on_cancel=True)
            return
        handle = os.pidfd_open(self.pid)
        try:
            await anyio.wait_readable(handle)
        finally:
            os.close(handle)

    def close(self) -> None:
        for pipe in (self.stdin, self.stdout, self.stderr):
            if pipe is not None:
                pipe.close()


class _Output:
    """One of the two outputs of a program, cut into lines."""

    def __init__(self, handle: int, source: Source, on_line: OnLine) -> None:
        os.set_blocking(handle, False)
        self.ended = anyio.Event()
        self._handle = handle
        self._source = source
        self._on_line = on_line
        # Reading goes on while the attempt is cancelled: what the program says on SIGTERM is of interest.
        self._scope = anyio.CancelScope(shield=True)
        self._rest = bytearray()

    async def pass_on(self) -> None:
        """Read until all writers are gone or `stop`."""
        with self._scope:
            while True:
                try:
                    chunk = os.read(self._handle, CHUNK_BYTES)
                except BlockingIOError:
                    await anyio.wait_readable(self._handle)
                    continue
                if not chunk:
                    break
                self._take(chunk)
                await anyio.lowlevel.checkpoint()
        if self._rest:
            self._say(bytes(self._rest).removesuffix(b"\r"))
        self.ended.set()

    def stop(self) -> None:
        """Read what is there and no more: a process that left the group may hold the other end open for ever."""
        if self.ended.is_set():
            return
        left = LINE_BYTES
        try:
            while left > 0 and (chunk := os.read(self._handle, CHUNK_BYTES)):
                self._take(chunk)
                left -= len(chunk)
        except BlockingIOError:
            pass
        self._scope.cancel()

    def _take(self, chunk: bytes) -> None:
        """Say the lines that end in this chunk. They end as everywhere: in \\n, \\r\\n or \\r."""
        if b"\n" in chunk or b"\r" in chunk or self._rest.endswith(b"\r"):
            lines = (bytes(self._rest) + chunk).splitlines(keepends=True)
            # The last line goes on, or its \r may be half of an end.
            self._rest = bytearray() if lines[-1].endswith(b"\n") else bytearray(lines.pop())
            for line in lines:
                self._say(line.rstrip(b"\r\n"))
        else:
            self._rest += chunk
        if len(self._rest) >= LINE_BYTES:
            self._say(bytes(self._rest))
            self._rest.clear()

    def _say(self, line: bytes) -> None:
        self._on_line(self._source, line.decode("utf-8", "replace"))


def _start(argv: Sequence[str], env: Mapping[str, str], cwd: Path, stdin: int) -> _Program:
    try:
        return _Program(
            argv,
            env=env,
            cwd=cwd,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )
    except FileNotFoundError:
        if not cwd.is_dir():
            raise TaskError(f"The working directory {cwd} doesn't exist") from None
        raise TaskError(
            f"The program '{argv[0]}' doesn't exist here: install it, or add its folder to the task's PATH"
        ) from None
    except OSError as error:
        raise TaskError(f"The program '{argv[0]}' can't be started: {error.strerror}") from None
    except ValueError as error:
        raise TaskError(
            f"The program '{argv[0]}' can't be started with these arguments and variables: {error}"
        ) from None


def _signal(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        # Gone meanwhile; macOS says the second of a group that only waits to be read.
        return
