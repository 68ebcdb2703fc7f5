"""SseRequest against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from engine.plugin.testing import TestRun, run_task
from engine.settings import Http, Settings
from plugins.core.http import SseRequest

TEN = "".join(f'id: {number}\ndata: {{"n": {number}, "text": "t{number} "}}\n\n' for number in range(10))


async def _stream(request: web.Request, text: str, cut: bool = False) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(text.encode())
    if cut:
        assert request.transport is not None
        request.transport.close()
    return response


async def ten(request: web.Request) -> web.StreamResponse:
    assert request.headers["Accept"] == "text/event-stream"
    return await _stream(request, TEN)


async def endless(request: web.Request) -> web.StreamResponse:
    response = await _stream(request, TEN)
    await asyncio.sleep(30)
    return response


async def breaking(request: web.Request) -> web.StreamResponse:
    """Breaks after each event but the third."""
    number = int(request.headers.get("Last-Event-ID", 0)) + 1
    return await _stream(request, f"retry: 1\nid: {number}\nevent: step\ndata: {number}\n\ndata: half", number < 3)


async def stuck(request: web.Request) -> web.StreamResponse:
    return await _stream(request, "retry: 1\nid: 1\ndata: a\n\n", cut=True)


async def nameless(request: web.Request) -> web.StreamResponse:
    return await _stream(request, "data: a\n\n", cut=True)


async def mixed(request: web.Request) -> web.StreamResponse:
    return await _stream(request, 'data: {"n": 1}\n\ndata: [DONE]\n\ndata: {"m": 2}\n\ndata: {"n": {"a": 3}}\n\n')


async def page(request: web.Request) -> web.Response:
    return web.Response(text="<p>", content_type="text/html")


async def gone(request: web.Request) -> web.Response:
    return web.Response(status=204)


async def refuse(request: web.Request) -> web.Response:
    return web.Response(status=403, text="not you")


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    app = web.Application()
    for handler in (ten, endless, breaking, stuck, nameless, mixed, page, gone, refuse):
        app.router.add_route("*", f"/{handler.__name__}", handler)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


async def ask(server: TestServer, path: str, settings: Settings | None = None, **properties: Any) -> TestRun:
    given = {"uri": str(server.make_url(path)), **properties}
    return await run_task(SseRequest, given, **({"settings": settings} if settings else {}))


async def test_all_events_until_the_server_ends_them(server: TestServer) -> None:
    ran = await ask(server, "/ten")
    assert ran.state == "SUCCESS", ran.messages
    assert ran.outputs["size"] == len(ran.outputs["events"]) == 10
    assert ran.outputs["events"][0] == {"id": "0", "event": "message", "data": '{"n": 0, "text": "t0 "}'}
    assert ran.outputs["uri"] == str(server.make_url("/ten"))
    assert ran.outputs.get("result") is None
    assert [(it.name, it.value) for it in ran.metrics] == [("response.length", len(TEN))]


async def test_as_many_as_are_wanted_of_an_endless_stream(server: TestServer) -> None:
    ran = await ask(server, "/endless", maxEvents=3, concatJqExpression=".text", timeout="PT20S")
    assert (ran.outputs["size"], ran.outputs["result"]) == (3, "t0 t1 t2 ")


async def test_a_connection_that_breaks_is_resumed_after_the_last_event(server: TestServer) -> None:
    ran = await ask(server, "/breaking")
    assert ran.state == "SUCCESS", ran.messages
    assert [(it["id"], it["event"], it["data"]) for it in ran.outputs["events"]] == [
        (number, "step", number) for number in "123"
    ]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/stuck", "broke off 6 times without a new event"),
        ("/nameless", "its events have no ids to resume after"),
        ("/page", "answers with text/html, not with text/event-stream"),
        ("/refuse", "failed with response code 403: not you"),
    ],
)
async def test_streams_that_fail(server: TestServer, path: str, said: str) -> None:
    ran = await ask(server, path)
    assert ran.state == "FAILED"
    assert any(said in message for message in ran.messages), ran.messages


async def test_a_server_that_says_nothing_more_fails_the_task_in_time(server: TestServer) -> None:
    ran = await ask(server, "/endless", options={"timeout": {"readIdleTimeout": "PT0.2S"}})
    assert ran.state == "FAILED"
    assert any("did not answer in time" in message for message in ran.messages), ran.messages


async def test_no_content_is_no_events(server: TestServer) -> None:
    ran = await ask(server, "/gone")
    assert (ran.state, ran.outputs["events"]) == ("SUCCESS", [])


async def test_events_are_limited_in_bytes(server: TestServer) -> None:
    ran = await ask(server, "/ten", settings=Settings(http=Http(body_bytes=100)))
    assert ran.state == "FAILED"
    assert any("larger than 100 bytes" in message for message in ran.messages)


async def test_events_in_which_the_program_finds_nothing(server: TestServer) -> None:
    ran = await ask(server, "/mixed", concatJqExpression=".n")
    assert ran.state == "FAILED"
    assert any("finds nothing in the event '[DONE]'" in message for message in ran.messages)
    ran = await ask(server, "/mixed", concatJqExpression=".n", failedOnMissingJq=False)
    assert ran.outputs["result"] == '1{"a":3}'
