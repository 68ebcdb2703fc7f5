"""jq in helper processes, so that it can be killed and holds nothing of the engine.

A helper starts at first use, serves one program at a time and is killed at the limit; a later program gets a new one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import anyio
import msgspec
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from engine.errors import LimitError
from engine.expressions.needs import Missing

PROGRAM = Path(__file__).with_name("jq_process.py")
HELPERS = 2


class _Answer(msgspec.Struct):
    results: list[Any] | None = None
    error: str | None = None


class _Helper:
    """One process and what it writes."""

    __slots__ = ("output", "process")

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        self.process = process
        self.output = BufferedByteReceiveStream(process.stdout)

    async def end(self) -> None:
        with anyio.CancelScope(shield=True):
            if self.process.returncode is None:
                self.process.kill()
            await self.process.aclose()


class JqHelpers:
    """At most a few helper processes; an async context manager that ends them."""

    def __init__(self, output_bytes: int) -> None:
        self._output_bytes = output_bytes
        self._idle: list[_Helper] = []
        self._limiter = anyio.CapacityLimiter(HELPERS)

    async def __aenter__(self) -> JqHelpers:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        while self._idle:
            await self._idle.pop().end()

    async def run(self, program: str, document: str, seconds: float) -> list[Any] | Missing:
        """The results of a program on a JSON text, `Missing` with jq's words where it fails.

        Raises LimitError after `seconds`, or when the results are larger than an output may be.
        """
        async with self._limiter:
            helper = self._idle.pop() if self._idle else await _start()
            healthy = False
            try:
                with anyio.fail_after(seconds):
                    answer = await self._ask(helper, program, document, seconds)
                healthy = True
            except TimeoutError:
                raise LimitError(f"jq('{program[:200]}') timed out") from None
            except anyio.DelimiterNotFound:
                raise LimitError(f"jq('{program[:200]}') gives more than {self._output_bytes} bytes") from None
            except (anyio.IncompleteRead, anyio.BrokenResourceError):
                raise LimitError(f"jq('{program[:200]}') needs too much memory or time") from None
            finally:
                if healthy:
                    self._idle.append(helper)
                else:
                    await helper.end()
        if answer.error is not None:
            return Missing(f"Unable to evaluate jq '{program[:200]}': {answer.error}")
        return answer.results or []

    async def _ask(self, helper: _Helper, program: str, document: str, seconds: float) -> _Answer:
        assert helper.process.stdin is not None
        request = {"program": program, "input": document, "seconds": seconds}
        await helper.process.stdin.send(msgspec.json.encode(request) + b"\n")
        line = await helper.output.receive_until(b"\n", self._output_bytes)
        return msgspec.json.decode(line, type=_Answer)


async def _start() -> _Helper:
    command = [sys.executable, "-I", "-B", str(PROGRAM)]
    return _Helper(
        await anyio.open_process(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, cwd="/"
        )
    )
