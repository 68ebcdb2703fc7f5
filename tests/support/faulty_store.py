"""A door to an object store that lets requests fail, wait, or be answered otherwise, as a test wants it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

KEPT_OUT = {"transfer-encoding", "content-encoding", "connection", "content-length", "date", "server"}


class Door:
    """Passes requests on.

    before: asked for each request; a response stands in for the store's; after: may answer otherwise than the store
    """

    def __init__(self, store: str) -> None:
        self._store = store
        self.address = ""
        self.before: Callable[[web.Request], Awaitable[web.StreamResponse | None]] = _nothing
        self.after: Callable[[web.Request, bytes], Awaitable[bytes]] = _same
        self.requests: list[tuple[str, str]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs))
        instead = await self.before(request)
        if instead is not None:
            return instead
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        url = aiohttp.client.URL(f"{self._store}{request.raw_path}", encoded=True)
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(request.method, url, headers=headers, data=body) as answer,
        ):
            content = await self.after(request, await answer.read())
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in KEPT_OUT}
            if request.method == "HEAD":
                kept["Content-Length"] = answer.headers.get("Content-Length", "0")
            return web.Response(status=answer.status, headers=kept, body=content)


async def _nothing(_request: web.Request) -> web.StreamResponse | None:
    return None


async def _same(_request: web.Request, content: bytes) -> bytes:
    return content


def refused(code: str, status: int) -> web.Response:
    """What a store says when it refuses."""
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as the test wants it</Message></Error>"
    return web.Response(status=status, body=text.encode(), content_type="application/xml")


@asynccontextmanager
async def door_to(store: str) -> AsyncIterator[Door]:
    """A door to the store at that address, while the block is open."""
    door = Door(store)
    app = web.Application(client_max_size=1024**3)
    app.router.add_route("*", "/{path:.*}", door.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        door.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield door
    finally:
        await runner.cleanup()
