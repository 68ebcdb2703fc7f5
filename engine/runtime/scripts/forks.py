"""Interpreters that are forked from one that has started already; its program is `prestarted.py`.

Starting an interpreter is most of what a short script costs. A fork has that behind it, and is a process of its own all
the same: with its own session, outputs and end.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import anyio

from engine.runtime.scripts.process import Child, start

# The process id, then the exit code: four bytes each.
RECORD_BYTES = 4


class Parent:
    """A started interpreter that runs nothing itself. Raises TaskError when it can't be started."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self._channel, theirs = socket.socketpair()
        self._channel.setblocking(False)
        with theirs:
            try:
                self._child = start(argv, env=env, cwd=Path("/"), stdin=theirs.fileno())
            except BaseException:
                self._channel.close()
                raise

    def fork(self) -> Fork:
        """Ask for a fork; nobody waits until it is there. Raises OSError when this interpreter has ended."""
        pipes = [os.pipe() for _ in range(4)]
        (asked, request), (output, out), (errors, err), (status, said) = pipes
        try:
            socket.send_fds(self._channel, [b"f"], [asked, out, err, said])
        except OSError:
            for handle in (request, output, errors, status):
                os.close(handle)
            raise
        finally:
            for handle in (asked, out, err, said):
                os.close(handle)
        return Fork(request, output, errors, status)

    async def kill(self) -> None:
        """End it. Forks that run go on."""
        self._channel.close()
        await self._child.kill()


class Fork:
    """A forked interpreter, as `Child` wants it. Without a request it ends by itself as soon as it is closed."""

    def __init__(self, request: int, output: int, errors: int, status: int) -> None:
        self.pid = 0
        self._child: Child | None = None
        self.returncode: int | None = None
        self.stdin: IO[bytes] | None = os.fdopen(request, "wb", buffering=0)
        self.stdout: IO[bytes] | None = os.fdopen(output, "rb", buffering=0)
        self.stderr: IO[bytes] | None = os.fdopen(errors, "rb", buffering=0)
        self._status = os.fdopen(status, "rb", buffering=0)
        os.set_blocking(status, False)

    async def ready(self) -> Child | None:
        """The interpreter once it is there; None when it never will be."""
        if self._child is not None:
            return self._child
        try:
            await anyio.wait_readable(self._status)
            record = self._status.read(RECORD_BYTES)
        except BaseException:
            self.close()
            raise
        if not record:
            self.close()
            return None
        self.pid = int.from_bytes(record, "big")
        self._child = Child(self)
        return self._child

    def poll(self) -> int | None:
        if self.returncode is None:
            record = self._status.read(RECORD_BYTES)
            if record is not None:
                # Who would say the exit code was killed itself: that of the interpreter will never be known.
                self.returncode = int.from_bytes(record, "big", signed=True) if record else -signal.SIGKILL
        return self.returncode

    async def ended(self) -> None:
        await anyio.wait_readable(self._status)

    def close(self) -> None:
        for pipe in (self.stdin, self.stdout, self.stderr, self._status):
            if pipe is not None:
                pipe.close()
