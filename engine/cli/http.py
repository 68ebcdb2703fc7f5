"""Requests to a server's API, and its answers or errors as the engine's own."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import anyio
import msgspec

from engine.cli.contexts import Context
from engine.errors import NotFound, Refused, TidegateError, Unavailable

T = TypeVar("T")
Query = Mapping[str, str] | list[tuple[str, str]]
BASE = "/api/v1"


class NoServer(Unavailable):
    """Nothing answers where a server should be."""


class Events:
    """Server-sent events of an answer: their kind (`id`) and their data."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[tuple[str, bytes]]:
        kind, data = "", b""
        async for line in self._content:
            line = line.rstrip(b"\r\n")
            if line.startswith(b"id:"):
                kind = line[3:].strip().decode()
            elif line.startswith(b"data:"):
                data = line[5:].strip()
            elif not line and data:
                yield kind, data
                kind, data = "", b""


class Http:
    """The API of one server, for one command."""

    def __init__(self, context: Context, session: aiohttp.ClientSession) -> None:
        self._server = context.server
        self._session = session

    async def ask(self, method: str, path: str, type: type[T], *, query: Query | None = None, **body: Any) -> T:
        """An answer of JSON. Raises NotFound, Refused, Unavailable."""
        async with self.opened(method, path, query=query, **body) as answer:
            content = await answer.read()
        return msgspec.json.decode(content, type=type)

    async def do(self, method: str, path: str, *, query: Query | None = None, **body: Any) -> None:
        """Ask for something whose answer says nothing."""
        async with self.opened(method, path, query=query, **body):
            return

    async def download(self, path: str, target: Path, *, query: Query) -> None:
        """Write an answer into a file."""
        target.parent.mkdir(parents=True, exist_ok=True)
        async with self.opened("GET", path, query=query) as answer, await anyio.open_file(target, "wb") as file:
            async for chunk in answer.content.iter_chunked(1 << 20):
                await file.write(chunk)

    async def events(self, path: str) -> AsyncGenerator[tuple[str, bytes], None]:
        """Server-sent events until the answer ends. Raises Unavailable where it breaks off."""
        async with self.opened("GET", path, timeout=aiohttp.ClientTimeout(total=None, sock_read=60)) as answer:
            try:
                async for event in Events(answer.content):
                    yield event
            except (aiohttp.ClientError, TimeoutError) as error:
                raise Unavailable(f"The server at {self._server} said no more: {error}") from None

    @asynccontextmanager
    async def opened(
        self, method: str, path: str, *, query: Query | None = None, **more: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer that is no error, as long as the block is open."""
        try:
            answer = await self._session.request(method, f"{self._server}{BASE}{path}", params=query, **more)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoServer(f"No server answers at {self._server}: {_why(error)}") from None
        async with answer:
            if answer.status >= 400:
                raise await self._error(answer)
            yield answer

    async def _error(self, answer: aiohttp.ClientResponse) -> TidegateError:
        content = await answer.read()
        try:
            detail = str(msgspec.json.decode(content)["detail"])
        except (msgspec.DecodeError, KeyError, TypeError):
            detail = f"the server at {self._server} answers {answer.status} {answer.reason}"
        if answer.status == 404:
            found = NotFound("", "")
            found.args = (detail,)
            return found
        if answer.status == 401:
            return Refused(f"The server at {self._server} does not know you: {detail}; `tidegate login {self._server}`")
        if answer.status in (429, 502, 503, 504):
            return Unavailable(detail)
        return Refused(detail)


@asynccontextmanager
async def connected(context: Context) -> AsyncIterator[Http]:
    """Talk to a server while the block is open."""
    headers = {"Authorization": f"Bearer {context.token}"} if context.token else {}
    async with aiohttp.ClientSession(headers=headers, trust_env=True) as session:
        yield Http(context, session)


def _why(error: Exception) -> str:
    """What the system says, where the library says more than people need."""
    below = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(below, OSError) and below.errno and below.errno > 0:
        return os.strerror(below.errno).lower()
    return str(below) or type(below).__name__
