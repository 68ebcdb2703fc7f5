"""The documentation of the API."""

from __future__ import annotations

import re
from typing import Any

import pytest
from aiohttp import ClientSession, web
from openapi_spec_validator import OpenAPIV31SpecValidator

from engine.api.access import Access
from engine.api.limits import Limits
from engine.api.peers import Peers
from engine.api.server import application
from engine.runtime.engine import Engine
from engine.settings import Server
from support.browser import chromium


@pytest.fixture
async def document(client: ClientSession) -> dict[str, Any]:
    async with client.get("/api/v1/openapi.json") as answer:
        assert answer.status == 200
        found: dict[str, Any] = await answer.json()
        return found


async def test_the_document_is_one_of_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


async def test_every_route_is_in_it(engine: Engine, document: dict[str, Any]) -> None:
    options, peers = Server(), Peers(())
    access = Access(engine.users, engine.tokens, Limits(options.limits), peers, options)
    app = application(engine, access, peers, options)
    registered = {
        (route.method, re.sub(r"\{(\w+):[^{}]*\}", r"{\1}", route.resource.canonical))
        for route in app.router.routes()
        if isinstance(route.resource, web.Resource) and route.method not in ("HEAD", "*")
    }
    told = {
        (method.upper(), f"{server['url'].rstrip('/')}{path}")
        for path, item in document["paths"].items()
        for method, operation in item.items()
        for server in operation.get("servers", document["servers"])
    }
    assert registered
    assert registered - told == set()


async def test_an_operation_says_who_may_call_it_what_it_takes_and_what_may_go_wrong(document: dict[str, Any]) -> None:
    search = document["paths"]["/flows/search"]["get"]
    parameters = {parameter["name"]: parameter for parameter in search["parameters"]}
    assert parameters["size"]["schema"] == {"type": "integer", "default": 10}
    assert parameters["size"]["description"] == "at most 1000"
    assert "labels" in parameters["filters"]["schema"]["properties"]
    assert search["x-role"] == "VIEWER"
    answer = search["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/Page_FlowShape_"}
    create = document["paths"]["/flows"]["post"]
    assert list(create["requestBody"]["content"]) == ["application/x-yaml"]
    assert create["x-role"] == "EDITOR"
    problem = document["components"]["responses"][create["responses"]["422"]["$ref"].rpartition("/")[2]]
    assert problem["content"]["application/json"]["schema"]["$ref"].endswith("/ProblemShape")
    assert document["paths"]["/ping"]["get"]["security"] == []
    assert document["paths"]["/executions/{execution}/kill"]["delete"]["deprecated"] is True
    assert set(document["components"]["securitySchemes"]) == {"password", "token", "session"}


async def test_a_page_shows_and_finds_operations_without_anything_from_elsewhere(client: ClientSession) -> None:
    base = str(client._base_url).rstrip("/")
    async with chromium() as browser:
        page = await browser.new_page()
        asked: list[str] = []
        wrong: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        await page.goto(f"{base}/api/v1/docs")
        operation = page.locator("#get_flows_search")
        await operation.wait_for()
        await page.fill("input", "get /flows/search")
        assert await page.locator("details:visible").count() == 1
        await operation.locator("summary").click()
        assert "filters[field][OP]=value:" in await operation.inner_text()
        assert '"results"' in await operation.inner_text()
        assert {url.split("/api")[0] for url in asked if "favicon" not in url} == {base}
        assert [text for text in wrong if "favicon" not in text and "404" not in text] == []
