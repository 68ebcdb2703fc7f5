"""A server in a process of its own, and a client as small as can be: both share the machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
from anyio.abc import SocketStream


@contextmanager
def server(data: Path, flows: list[str]) -> Iterator[int]:
    """The port of a server that has some flows, while the block is open."""
    command = [sys.executable, "-m", "engine", "serve", "--port", "0", "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        for source in flows:
            anyio.run(_ask, port, "POST", "/flows", source.encode())
        try:
            yield port
        finally:
            process.terminate()


async def _ask(port: int, method: str, path: str, body: bytes) -> None:
    async with connected(port) as stream:
        await exchange(stream, method, path, body)


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[SocketStream]:
    """A connection to a server, which is kept."""
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        yield stream


async def exchange(stream: SocketStream, method: str, path: str, body: bytes) -> None:
    """Ask and read the answer whole, which must be a 200."""
    head = f"{method} /api/v1/main{path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    if body:
        head += "Content-Type: application/json\r\n"
    head += "\r\n"
    await stream.send(head.encode() + body)
    answer = await stream.receive()
    while b"\r\n\r\n" not in answer:
        answer += await stream.receive()
    front, _, rest = answer.partition(b"\r\n\r\n")
    assert front.startswith(b"HTTP/1.1 200"), answer
    length = next(int(line[15:]) for line in front.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(rest) < length:
        rest += await stream.receive()
