"""A local HTTP server that answers as a table says."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

PORT = 28182


class HttpStub:
    """Answers the requests it was told of on the port that the tables name; nothing runs when there are none."""

    def __init__(self, exchanges: Sequence[dict[str, Any]]) -> None:
        self._exchanges = exchanges
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> HttpStub:
        if self._exchanges:
            application = web.Application()
            application.router.add_route("*", "/{path:.*}", self._answer)
            self._runner = web.AppRunner(application)
            await self._runner.setup()
            await web.TCPSite(self._runner, "localhost", PORT).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        for exchange in self._exchanges:
            if _matches(request, exchange["request"]):
                wanted = exchange["response"]
                return web.Response(status=wanted["status"], headers=wanted["headers"], text=wanted["body"])
        return web.Response(status=500, text="the table does not know this request")


def _matches(request: web.Request, wanted: dict[str, Any]) -> bool:
    headers = wanted.get("headers_equal", {})
    return (
        request.method == wanted["method"]
        and urlsplit(str(request.url)).path == wanted["path"]
        and dict(request.query) == wanted.get("query", {})
        and all(request.headers.getall(name, []) == values for name, values in headers.items())
    )
