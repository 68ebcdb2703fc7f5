"""The audit log: who changed what, and what it doesn't say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from engine.api.audit import is_audited
from engine.api.server import serving
from engine.runtime.engine import Engine, open_engine
from engine.settings import Server, Settings
from engine.store.rows import AuditFilter
from support.api_routes import all_routes
from support.signing_in import PASSWORD, ROOT, basic, bearer

SEARCH = "/api/v1/main/audit-logs/search"
FLOW = "id: f\nnamespace: shop.eu\ntasks:\n  - {id: say, type: core.log.Log, message: very private}\n"
YAML = {"Content-Type": "application/x-yaml"}


@pytest.fixture
async def root(engine: Engine) -> str:
    await engine.users.add(ROOT, PASSWORD, {})
    return ROOT


async def entries(client: ClientSession, query: str = "") -> list[dict[str, Any]]:
    async with client.get(f"{SEARCH}?size=100{query}", headers=basic()) as answer:
        assert answer.status == 200, await answer.text()
        page: dict[str, Any] = await answer.json()
        assert page["total"] == len(page["results"])
        results: list[dict[str, Any]] = page["results"]
        return results


async def call(client: ClientSession, method: str, path: str, **more: Any) -> int:
    async with client.request(method, f"/api/v1/main{path}", **more) as answer:
        return answer.status


@pytest.mark.usefixtures("root")
async def test_it_says_who_changed_what_from_where_and_what_came_of_it(client: ClientSession, engine: Engine) -> None:
    await engine.users.add("ann", None, {"shop": 1})
    _, secret = await engine.tokens.create("ann", "ci", None)
    assert await call(client, "POST", "/flows", data=FLOW, headers={**basic(), **YAML}) == 200
    assert await call(client, "DELETE", "/flows/shop.eu/f", headers=bearer(secret)) == 403
    assert await call(client, "DELETE", "/flows/shop.eu/nix", headers=basic()) == 404
    assert await call(client, "GET", "/flows/shop.eu/f", headers=basic()) == 200
    found = await entries(client)
    told = [(one["user"], one["token"], one["method"], one["resource"], one["id"], one["status"]) for one in found]
    assert told == [
        (ROOT, "", "DELETE", "/flows/{namespace}/{id}", "nix", 404),
        ("ann", "ci", "DELETE", "/flows/{namespace}/{id}", "f", 403),
        (ROOT, "", "POST", "/flows", "f", 200),
    ]
    assert {one["namespace"] for one in found} == {"shop.eu"}
    assert {one["address"] for one in found} == {"127.0.0.1"}
    assert "private" not in str(found)
    assert secret not in str(found)
    assert [one["id"] for one in await entries(client, "&user=ann")] == ["f"]
    assert [one["id"] for one in await entries(client, "&namespace=shop&id=nix")] == ["nix"]
    assert await entries(client, "&namespace=attic") == []
    assert len(await entries(client, f"&startDate={found[-1]['date']}")) == 3
    assert await entries(client, f"&endDate={found[-1]['date']}") == []


@pytest.mark.usefixtures("root")
async def test_it_says_who_signed_in_or_tried_to(client: ClientSession) -> None:
    for name, password in ((ROOT, "Wrong!1234"), ("eve", "Wrong!1234"), (ROOT, PASSWORD)):
        await call(client, "POST", "/../login", json={"username": name, "password": password})
    # Nothing of names that are nobody's: one may be a password in the wrong place.
    assert [(one["user"], one["resource"], one["status"]) for one in await entries(client)] == [
        (ROOT, "/login", 200),
        (ROOT, "/login", 401),
    ]


@pytest.mark.usefixtures("root")
async def test_pages_and_strangers_that_were_refused_do_not_fill_it(client: ClientSession) -> None:
    for headers in ({}, {"Origin": "https://evil.example", **basic()}, bearer("nix"), {"Cookie": "tidegate_session=x"}):
        assert await call(client, "DELETE", "/flows/shop.eu/f", headers=headers) in (401, 403)
    assert await entries(client) == []


@pytest.mark.usefixtures("root")
async def test_only_an_admin_of_all_reads_it(client: ClientSession, engine: Engine) -> None:
    await engine.users.add("ann", PASSWORD, {"shop": 4})
    assert await call(client, "GET", "/audit-logs/search", headers=basic("ann")) == 403
    assert await call(client, "GET", "/audit-logs/search?page=0", headers=basic()) == 422
    assert await call(client, "GET", "/audit-logs/search?startDate=soon", headers=basic()) == 400


async def test_nothing_is_lost_at_an_orderly_stop(tmp_path: Path) -> None:
    async with (
        open_engine(tmp_path, Settings()) as engine,
        serving(engine, Server(port=0)) as url,
        ClientSession(url) as client,
    ):
        for number in range(50):
            assert await call(client, "DELETE", f"/flows/shop.eu/{number}") == 404
    async with open_engine(tmp_path, Settings()) as engine:
        assert await engine.store.audit.count(AuditFilter(user="anybody")) == 50


async def test_all_that_a_viewer_may_not_do_is_noted(engine: Engine) -> None:
    noted = {(route.method, route.path) for route in all_routes(engine) if is_audited(route)}
    assert {
        ("POST", "/flows"),
        ("POST", "/executions/{namespace}/{id}"),
        ("PUT", "/namespaces/{namespace}/kv/{key}"),
        ("POST", "/login"),
        ("POST", "/users"),
    } <= noted
    assert ("POST", "/flows/validate") not in noted
    assert "GET" not in {method for method, _ in noted}
