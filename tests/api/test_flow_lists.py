"""Flows and namespaces searched over the API."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Any

import pytest
from aiohttp import ClientSession

from engine.api.routing import Call
from engine.runtime.engine import Engine
from engine.state.user import Role, User

T = "/api/v1/main"
FLOWS = [
    ("shop", "orders", "labels: {team: sales, count: 1.10}\n"),
    ("shop", "stock", "labels: [{key: team, value: store}]\ndisabled: true\n"),
    ("shop.web", "orders", "description: The *web*\n"),
    ("system", "purge", ""),
]


@pytest.fixture(autouse=True)
async def stored(engine: Engine) -> None:
    for namespace, id, more in FLOWS:
        tasks = f"tasks:\n  - {{id: say, type: core.debug.Return, format: {id} of {namespace}}}\n"
        await engine.control.save_flow(f"id: {id}\nnamespace: {namespace}\n{more}{tasks}")


async def get(client: ClientSession, path: str) -> Any:
    async with client.get(f"{T}{path}") as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def found(client: ClientSession, query: str) -> list[str]:
    page = await get(client, f"/flows/search?size=100&{query}")
    assert page["total"] == len(page["results"])
    return [f"{flow['namespace']}.{flow['id']}" for flow in page["results"]]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=*", ["shop.orders", "shop.stock", "shop.web.orders", "system.purge"]),
        ("q=ORD", ["shop.orders", "shop.web.orders"]),
        ("namespace=shop", ["shop.orders", "shop.stock", "shop.web.orders"]),
        ("filters[namespace][EQUALS]=shop", ["shop.orders", "shop.stock"]),
        ("filters[labels][EQUALS][team]=sales", ["shop.orders"]),
        ("filters[labels][EQUALS][count]=1.10", ["shop.orders"]),
        ("labels=team:store", ["shop.stock"]),
        ("filters[scope][EQUALS]=SYSTEM", ["system.purge"]),
        ("filters[or][0][flowId][EQUALS]=purge&filters[or][1][flowId][EQUALS]=stock", ["shop.stock", "system.purge"]),
        ("sort=id:desc&filters[namespace][EQUALS]=shop", ["shop.stock", "shop.orders"]),
    ],
)
async def test_flows_are_searched(client: ClientSession, query: str, names: list[str]) -> None:
    assert await found(client, query) == names


async def test_a_search_has_pages_and_shows_what_was_written(client: ClientSession) -> None:
    page = await get(client, "/flows/search?page=2&size=3")
    assert (len(page["results"]), page["total"]) == (1, 4)
    (flow,) = (await get(client, "/flows/search?filters[labels][EQUALS][team]=sales"))["results"]
    assert flow["labels"] == [{"key": "team", "value": "sales"}, {"key": "count", "value": "1.10"}]
    assert flow["tasks"][0]["format"] == "orders of shop"
    assert "source" not in flow
    for query, status in (("size=1001", 422), ("sort=id", 422), ("filters[state][EQUALS]=x", 400)):
        async with client.get(f"{T}/flows/search?{query}") as answer:
            assert answer.status == status


async def test_texts_of_flows_are_searched(client: ClientSession) -> None:
    page = await get(client, "/flows/source?q=ORDERS of")
    assert [(it["namespace"], it["id"], it["editable"]) for it in page["results"]] == [
        ("shop", "orders", True),
        ("shop.web", "orders", True),
    ]
    (match,) = page["results"][0]["matches"]
    assert (match["line"], match["column"]) == (5, 48)
    assert "[mark]orders of[/mark] shop" in page["results"][0]["fragments"][0]
    assert (await get(client, "/flows/source?q=ORDERS&caseSensitive=true"))["total"] == 0
    assert (await get(client, "/flows/source?q=order&wholeWord=true"))["total"] == 0
    assert [it["matches"] for it in (await get(client, "/flows/source?namespace=shop"))["results"]] == [[], [], []]
    assert (await get(client, "/flows/source?q=st.ck&regex=true&namespace=shop"))["total"] == 1
    async with client.get(f"{T}/flows/source?q=(&regex=true") as answer:
        assert (answer.status, "is not a pattern" in await answer.text()) == (400, True)


async def test_namespaces_are_listed(client: ClientSession) -> None:
    assert await get(client, "/flows/distinct-namespaces") == ["shop", "shop.web", "system"]
    assert await get(client, "/flows/distinct-namespaces?q=WEB") == ["shop.web"]
    page = await get(client, "/namespaces/search?q=shop&sort=id:desc")
    assert page["results"] == [{"id": "shop.web", "deleted": False}, {"id": "shop", "deleted": False}]
    assert await get(client, "/namespaces/shop") == {"id": "shop", "deleted": False}
    async with client.post(f"{T}/namespaces/autocomplete", json={"q": "we", "ids": ["system", "none"]}) as answer:
        assert await answer.json() == ["shop.web", "system"]


async def test_namespaces_above_exist_too(engine: Engine, client: ClientSession) -> None:
    await engine.control.save_flow("id: f\nnamespace: a.b.c\ntasks: [{id: t, type: core.log.Log, message: x}]\n")
    ids = [it["id"] for it in (await get(client, "/namespaces/search?q=a"))["results"]]
    assert ids == ["a", "a.b", "a.b.c"]
    page = await get(client, "/namespaces/search?q=a&existing=true")
    assert [it["id"] for it in page["results"]] == ["a.b.c"]


async def test_a_namespace_may_be_made_described_and_removed(client: ClientSession) -> None:
    made = {"id": "attic.old", "description": "What nobody wants"}
    async with client.post(f"{T}/namespaces", json={**made, "deleted": False}) as answer:
        assert await answer.json() == {**made, "deleted": False}
    page = await get(client, "/namespaces/search?q=attic&existing=true")
    assert page["results"] == [{**made, "deleted": False}]
    assert [it["id"] for it in (await get(client, "/namespaces/search?q=attic"))["results"]] == ["attic", "attic.old"]
    async with client.put(f"{T}/namespaces/attic.old", json={"id": "attic.old", "description": "New"}) as answer:
        assert (await answer.json())["description"] == "New"
    assert (await get(client, "/namespaces/attic.old"))["description"] == "New"
    for method, path, body, status in (
        ("PUT", "attic.old", {"id": "attic"}, 422),
        ("POST", "", {"id": "-"}, 422),
        ("DELETE", "shop", None, 409),
        ("DELETE", "attic.old", None, 204),
        ("DELETE", "attic.old", None, 204),
    ):
        async with client.request(method, f"{T}/namespaces/{path}".rstrip("/"), json=body) as answer:
            assert answer.status == status, (method, path)
    assert (await get(client, "/namespaces/search?q=attic"))["total"] == 0


async def test_flows_are_changed_by_what_they_are(engine: Engine, client: ClientSession) -> None:
    async with client.post(f"{T}/flows/disable/by-query?filters[namespace][PREFIX]=shop") as answer:
        assert await answer.json() == {"count": 2}
    async with client.post(f"{T}/flows/enable/by-query?filters[flowId][EQUALS]=stock") as answer:
        assert await answer.json() == {"count": 1}
    async with client.delete(f"{T}/flows/delete/by-query?filters[namespace][EQUALS]=none") as answer:
        assert await answer.json() == {"count": 0}
    for query, said in (
        ("", "say by a filter"),
        ("?q=*", "say by a filter"),
        ("?namespce=shop", "'namespce' is not"),
        ("?q=orders&namespce=shop", "'namespce' is not"),
    ):
        async with client.delete(f"{T}/flows/delete/by-query{query}") as answer:
            assert (answer.status, said in await answer.text()) == (400, True)
    async with client.delete(f"{T}/flows/delete/by-query?filters[namespace][PREFIX]=shop") as answer:
        assert await answer.json() == {"count": 3}
    assert [flow.id for flow in await engine.store.flows.list()] == ["purge"]


async def test_flows_are_exported_by_what_they_are(client: ClientSession) -> None:
    async with client.get(f"{T}/flows/export/by-query?filters[namespace][EQUALS]=shop") as answer:
        with zipfile.ZipFile(io.BytesIO(await answer.read())) as opened:
            assert opened.namelist() == ["shop.orders.yml", "shop.stock.yml"]
    async with client.get(f"{T}/flows/export/by-query/csv?q=stock") as answer:
        assert answer.content_type == "text/csv"
        (row,) = csv.DictReader(io.StringIO(await answer.text()))
    assert (row["id"], row["labels"], row["disabled"], row["revision"]) == ("stock", "team:store", "true", "1")


async def test_flows_with_what_is_old_are_listed(engine: Engine, client: ClientSession) -> None:
    await engine.control.save_flow("id: old\nnamespace: shop\ntasks: [{id: t, type: core.debug.Echo, format: x}]\n")
    (old,) = await get(client, "/flows/deprecated?namespace=shop")
    assert (old["id"], old["deprecationPaths"]) == ("old", ["tasks[0]"])


async def test_a_user_finds_what_is_in_his_namespaces() -> None:
    class Known(Call):
        @property
        def user(self) -> User:
            return User("ann", {"shop": Role.VIEWER, "shop.web": Role.EDITOR})

    call = Known(None)  # type: ignore[arg-type]
    assert call.namespaces == ("shop", "shop.web")
    assert call.namespaces_with(Role.EDITOR) == ("shop.web",)
