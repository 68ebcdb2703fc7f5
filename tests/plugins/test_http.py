"""HTTP tasks against a real server."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from engine.errors import InvalidFlow
from engine.plugin.testing import TestRun, run_task
from engine.settings import Http, Settings
from plugins.core.http import Download, Request


async def echo(request: web.Request) -> web.Response:
    """What the server saw, as JSON."""
    parts: dict[str, Any] = {}
    if request.content_type == "multipart/form-data":
        async for part in await request.multipart():
            assert part.name is not None  # type: ignore[union-attr]
            content = (await part.read()).decode()  # type: ignore[union-attr]
            parts[part.name] = [part.filename, content]  # type: ignore[union-attr]
        body = ""
    else:
        body = await request.text()
    return web.json_response(
        {
            "method": request.method,
            "query": [list(pair) for pair in request.query.items()],
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "body": body,
            "parts": parts,
        }
    )


async def refuse(request: web.Request) -> web.Response:
    return web.Response(status=417, text='{ "hello": "world" }', headers={"X-Why": "so"})


async def move(request: web.Request) -> web.Response:
    raise web.HTTPFound("/echo")


async def wait(request: web.Request) -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


async def empty(request: web.Request) -> web.Response:
    return web.Response(status=204)


async def latin(request: web.Request) -> web.Response:
    return web.Response(body="é".encode("latin-1"), content_type="text/plain")


async def cookies(request: web.Request) -> web.Response:
    return web.Response(headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])


async def file(request: web.Request) -> web.Response:
    name = request.query.get("name")
    headers = {"Content-Disposition": f'attachment; filename="{name}"'} if name else {}
    return web.Response(body=b"\xff\x00data", headers=headers)


async def short(request: web.Request) -> web.StreamResponse:
    """Promises more than it sends."""
    response = web.StreamResponse(headers={"Content-Length": "10"})
    await response.prepare(request)
    await response.write(b"12345")
    assert request.transport is not None
    request.transport.close()
    return response


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    app = web.Application()
    app.router.add_route("*", "/echo", echo)
    app.router.add_get("/refuse", refuse)
    app.router.add_get("/move", move)
    app.router.add_get("/wait", wait)
    app.router.add_get("/empty", empty)
    app.router.add_get("/data/file.csv", file)
    app.router.add_get("/short", short)
    app.router.add_get("/latin", latin)
    app.router.add_get("/cookies", cookies)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


async def ask(server: TestServer, path: str, **properties: Any) -> TestRun:
    return await run_task(Request, {"uri": str(server.make_url(path)), **properties})


async def seen(server: TestServer, **properties: Any) -> dict[str, Any]:
    ran = await ask(server, "/echo", **properties)
    assert ran.state == "SUCCESS", ran.messages
    found: dict[str, Any] = json.loads(ran.outputs["body"])
    return found


async def test_an_answer_stays_text(server: TestServer) -> None:
    ran = await ask(server, "/echo")
    assert ran.outputs["code"] == 200
    assert ran.outputs["uri"] == str(server.make_url("/echo"))
    assert ran.outputs["headers"]["content-type"] == ["application/json; charset=utf-8"]
    assert json.loads(ran.outputs["body"])["method"] == "GET"
    (metric,) = ran.metrics
    assert (metric.name, metric.tags["response.code"]) == ("response.length", "200")
    assert metric.value == len(ran.outputs["body"])


async def test_headers_that_come_twice_are_both_kept(server: TestServer) -> None:
    assert (await ask(server, "/cookies")).outputs["headers"]["set-cookie"] == ["a=1", "b=2"]


async def test_method_headers_and_parameters(server: TestServer) -> None:
    got = await seen(server, method="put", headers={"X-A": "1"}, body="[1]", params={"n": "2", "many": ["a b", "c&d"]})
    assert got["method"] == "PUT"
    assert got["headers"]["x-a"] == "1"
    assert got["headers"]["content-type"] == "application/json"
    assert got["body"] == "[1]"
    assert got["query"] == [["n", "2"], ["many", "a b"], ["many", "c&d"]]
    ran = await ask(server, "/echo?n=1", params={"n": "2"})
    assert json.loads(ran.outputs["body"])["query"] == [["n", "1"], ["n", "2"]]


async def test_a_content_type_can_be_said(server: TestServer) -> None:
    assert (await seen(server, method="POST", body="x"))["headers"]["content-type"].startswith("text/plain")
    got = await seen(server, method="POST", body="x", contentType="text/csv")
    assert got["headers"]["content-type"] == "text/csv"
    got = await seen(server, method="POST", body="{}", headers={"content-type": "application/x-own"})
    assert got["headers"]["content-type"] == "application/x-own"


async def test_a_form_is_sent_encoded(server: TestServer) -> None:
    got = await seen(server, method="POST", formData={"a": "1 2", "b": ["x", "y"]})
    assert got["headers"]["content-type"] == "application/x-www-form-urlencoded"
    assert got["body"] == "a=1+2&b=x&b=y"


async def test_files_are_sent_in_a_form_of_parts(server: TestServer) -> None:
    ran = await run_task(
        Request,
        {
            "uri": str(server.make_url("/echo")),
            "method": "POST",
            "contentType": "multipart/form-data",
            "formData": {
                "hello": "world",
                "map": {"a": 1},
                "file": "{{ inputs.file }}",
                "named": {"name": "other.yml", "content": "{{ inputs.file }}"},
                "made": {"name": "made.txt", "content": "made here"},
            },
        },
        files={"file": b"content"},
    )
    assert ran.state == "SUCCESS", ran.messages
    parts = json.loads(ran.outputs["body"])["parts"]
    assert parts["hello"] == [None, "world"]
    assert json.loads(parts["map"][1]) == {"a": 1}
    assert parts["file"][1] == "content"
    assert parts["file"][0]
    assert parts["named"] == ["other.yml", "content"]
    assert parts["made"] == ["made.txt", "made here"]


async def test_who_asks_is_said(server: TestServer) -> None:
    basic = "Basic " + base64.b64encode("me:pässword".encode()).decode()
    for options, expected in (
        ({"auth": {"type": "BASIC", "username": "me", "password": "pässword"}}, basic),
        ({"basicAuthUser": "me", "basicAuthPassword": "pässword"}, basic),
        ({"auth": {"type": "BEARER", "token": "abc"}}, "Bearer abc"),
    ):
        assert (await seen(server, options=options))["headers"]["authorization"] == expected


async def test_a_refused_request_fails_and_keeps_its_status(server: TestServer) -> None:
    ran = await ask(server, "/refuse?token=hidden")
    assert ran.state == "FAILED"
    assert ran.outputs["code"] == 417
    assert ran.outputs["headers"]["x-why"] == ["so"]
    assert any("failed with response code 417" in message and "hello" in message for message in ran.messages)
    assert not any("hidden" in message for message in ran.messages)


async def test_failures_can_be_allowed(server: TestServer) -> None:
    for more in (
        {"allowFailed": True},
        {"options": {"allowFailed": True}},
        {"options": {"allowedResponseCodes": [200, 417]}},
    ):
        ran = await ask(server, "/refuse", **more)
        assert (ran.state, ran.outputs["code"]) == ("SUCCESS", 417)
        assert ran.outputs["body"] == '{ "hello": "world" }'
    assert (await ask(server, "/echo", options={"allowedResponseCodes": [201]})).state == "FAILED"


async def test_redirects_are_followed_unless_told_not_to(server: TestServer) -> None:
    ran = await ask(server, "/move")
    assert (ran.outputs["code"], ran.outputs["uri"]) == (200, str(server.make_url("/echo")))
    assert (await ask(server, "/move", options={"followRedirects": False})).outputs["code"] == 302


async def test_nothing_is_waited_for_longer_than_asked(server: TestServer) -> None:
    ran = await ask(server, "/wait", options={"timeout": {"readIdleTimeout": "PT0.1S"}})
    assert ran.state == "FAILED"
    assert any("did not answer in time" in message for message in ran.messages)
    assert (await ask(server, "/wait", options={"readTimeout": "soon"})).state == "FAILED"


async def test_an_address_that_is_none_and_a_server_that_is_none() -> None:
    for uri, said in (("ftp://a/b", "not an http or https address"), ("http://127.0.0.1:1/", "failed")):
        ran = await run_task(Request, {"uri": uri})
        assert ran.state == "FAILED"
        assert said in ran.messages[-1]
        assert "Traceback" not in ran.messages[-1]


async def test_text_in_other_encodings_and_no_text(server: TestServer) -> None:
    ran = await ask(server, "/latin", options={"defaultCharset": "ISO-8859-1"})
    assert ran.outputs["body"] == "é"
    ran = await ask(server, "/data/file.csv")
    assert ran.state == "FAILED"
    assert "core.http.Download" in ran.messages[-1]


async def test_a_large_answer_is_for_download(server: TestServer) -> None:
    settings = msgspec.structs.replace(Settings(), http=Http(body_bytes=10))
    ran = await run_task(Request, {"uri": str(server.make_url("/echo"))}, settings=settings)
    assert ran.state == "FAILED"
    assert "core.http.Download" in ran.messages[-1]
    ran = await ask(server, "/echo", options={"maxContentLength": 5})
    assert ran.state == "FAILED"


async def test_logs_show_headers_and_hide_who_asks(server: TestServer) -> None:
    ran = await ask(
        server,
        "/echo",
        method="POST",
        body="the body",
        options={
            "auth": {"type": "BEARER", "token": "abcdef"},
            "logs": ["REQUEST_HEADERS", "REQUEST_BODY", "RESPONSE_HEADERS"],
        },
    )
    text = "\n".join(ran.messages)
    assert "Authorization: ******" in text
    assert "abcdef" not in text
    assert "the body" in text
    assert "Content-Type: application/json" in text


async def test_a_body_may_be_kept_encrypted(server: TestServer) -> None:
    ran = await ask(server, "/echo", encryptBody=True)
    assert ran.state == "SUCCESS"
    assert ran.outputs["body"] is None
    assert set(ran.outputs["encryptedBody"]) == {"type", "value"}


async def test_mistakes_in_options_are_seen_at_once() -> None:
    with pytest.raises(InvalidFlow, match=r"options: .*followRedirect"):
        await run_task(Request, {"uri": "http://a", "options": {"followRedirect": True}})


async def fetch(server: TestServer, path: str, **properties: Any) -> TestRun:
    return await run_task(Download, {"uri": str(server.make_url(path)), **properties})


async def test_a_download_is_stored(server: TestServer) -> None:
    ran = await fetch(server, "/data/file.csv")
    assert ran.state == "SUCCESS", ran.messages
    assert ran.outputs["uri"].endswith("/file.csv")
    assert (ran.outputs["code"], ran.outputs["length"]) == (200, 6)
    assert ran.files == {ran.outputs["uri"]: b"\xff\x00data"}


@pytest.mark.parametrize(
    ("said", "name"), [("filename.jpg", "filename.jpg"), ("/secure-path/x.jpg", "x.jpg"), ("../../x", "x")]
)
async def test_the_server_names_the_file_but_not_its_place(server: TestServer, said: str, name: str) -> None:
    ran = await fetch(server, f"/data/file.csv?name={said}")
    assert ran.outputs["uri"].endswith(f"/{name}") or ran.outputs["uri"].rpartition("/")[2].endswith(name)
    assert "secure-path/" not in ran.outputs["uri"]
    assert "/tasks/task/" in ran.outputs["uri"]


async def test_the_flow_may_name_the_file(server: TestServer) -> None:
    assert (await fetch(server, "/data/file.csv", saveAs="mine.bin")).outputs["uri"].endswith("/mine.bin")


async def test_an_empty_download_fails_unless_allowed(server: TestServer) -> None:
    ran = await fetch(server, "/empty")
    assert (ran.state, ran.messages[-1]) == ("FAILED", "No response from server")
    assert ran.files == {}
    ran = await fetch(server, "/empty", failOnEmptyResponse=False)
    assert (ran.state, ran.outputs["code"], ran.outputs["length"]) == ("SUCCESS", 204, 0)


async def test_half_a_download_is_none(server: TestServer) -> None:
    ran = await fetch(server, "/short")
    assert ran.state == "FAILED"
    assert ran.files == {}


async def test_a_proxy_is_asked_where_one_is_named(server: TestServer) -> None:
    options = {"proxy": {"type": "HTTP", "address": server.host, "port": server.port, "username": "u", "password": "p"}}
    ran = await run_task(Request, {"uri": "http://nowhere.invalid/echo", "options": options})
    assert ran.state == "SUCCESS", ran.messages
    headers = json.loads(ran.outputs["body"])["headers"]
    assert headers["host"] == "nowhere.invalid"
    assert headers["proxy-authorization"] == "Basic " + base64.b64encode(b"u:p").decode()
    ran = await run_task(Request, {"uri": "http://a/", "options": {"proxy": {"type": "SOCKS", "address": "b"}}})
    assert "SOCKS proxies are not supported" in ran.messages[-1]
