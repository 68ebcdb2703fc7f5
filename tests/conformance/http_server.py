"""The HTTP server that cases of the HTTP tasks speak of."""

from __future__ import annotations

from types import TracebackType

from aiohttp import web

HELLO = '{ "hello": "world" }'


class HttpServer:
    """Answers on a port of its own while it is open."""

    def __init__(self) -> None:
        self._runner: web.AppRunner | None = None
        self.address = ""

    async def __aenter__(self) -> HttpServer:
        application = web.Application()
        application.router.add_get("/hello", _hello)
        application.router.add_get("/hello417", _refusing_hello)
        application.router.add_get("/204", _nothing)
        application.router.add_get("/content-disposition", _named)
        application.router.add_post("/post/simple", _form)
        application.router.add_post("/post/multipart", _multipart)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.address = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()


async def _hello(request: web.Request) -> web.Response:
    return web.Response(text=HELLO)


async def _refusing_hello(request: web.Request) -> web.Response:
    return web.Response(status=417, text=HELLO)


async def _nothing(request: web.Request) -> web.Response:
    return web.Response(status=204)


async def _named(request: web.Request) -> web.Response:
    headers = {"Content-Disposition": 'attachment; filename="filename.jpg"'}
    return web.Response(text="a picture", headers=headers)


async def _form(request: web.Request) -> web.Response:
    form = await request.post()
    return web.Response(text=f"{form['hello']!s} > {request.headers['test']}")


async def _multipart(request: web.Request) -> web.Response:
    form = await request.post()
    file = form["file"]
    assert isinstance(file, web.FileField)
    return web.Response(text=f"{form['hello']!s} > {file.file.read().decode()}")
