"""Asks a server over the engine of a case."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession, FormData
from yarl import URL

from conformance.api_answers import Answer, problems_of
from conformance.bench import Bench
from engine.api.server import serving
from engine.settings import Server

OPTIONS = Server(port=0, shutdown_seconds=0.5)


class Asking:
    """A client, and what was wrong with the answers that it got."""

    def __init__(self, client: ClientSession) -> None:
        self._client = client
        self.problems: list[str] = []

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """An answer; a body that is a map or list is sent as JSON."""
        plain = body is None or isinstance(body, str | bytes | FormData)
        given = {"data": body} if plain else {"json": body}
        url = URL(path, encoded=True)
        async with self._client.request(method, url, headers=headers, **given) as answer:
            return Answer(answer.status, await answer.read(), {})

    async def send(self, request: Mapping[str, Any], body: Any = None) -> Answer:
        """The answer to a request of a table, with a body where that one only tells of it."""
        given = request.get("body") if body is None else body
        return await self.ask(request["method"], request["path"], given, **request.get("headers", {}))

    def check(self, answer: Answer, expect: Mapping[str, Any]) -> Answer:
        """Note what is wrong with an answer."""
        self.problems += problems_of(answer, expect)
        return answer

    def same(self, what: str, found: Any, wanted: Any) -> None:
        """Note what is not as it should be."""
        if found != wanted:
            self.problems.append(f"{what} is {found!r}, not {wanted!r}")


@asynccontextmanager
async def asking(bench: Bench) -> AsyncIterator[Asking]:
    """A client of a server while the block is open."""
    async with serving(bench.engine, OPTIONS) as url, ClientSession(url) as client:
        yield Asking(client)


def form(name: str, file: str, content: bytes) -> FormData:
    """A form with a file."""
    data = FormData()
    data.add_field(name, content, filename=file)
    return data
