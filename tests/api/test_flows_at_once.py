"""Several flows at once over the API."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from aiohttp import ClientSession, FormData

from engine.runtime.engine import Engine

FLOWS = "/api/v1/main/flows"


def flow(id: str, namespace: str = "shop", more: str = "") -> str:
    return f"id: {id}\nnamespace: {namespace}\n{more}tasks:\n  - {{id: say, type: core.log.Log, message: hi}}\n"


async def save(engine: Engine, *sources: str) -> None:
    for source in sources:
        await engine.control.save_flow(source)


async def names(engine: Engine) -> list[str]:
    return [f"{stored.namespace}.{stored.id}" for stored in await engine.store.flows.list()]


async def post(client: ClientSession, path: str, **given: Any) -> tuple[int, Any]:
    async with client.post(f"{FLOWS}{path}", **given) as answer:
        return answer.status, await answer.json()


def form(name: str, content: str | bytes) -> FormData:
    data = FormData()
    data.add_field("fileUpload", content.encode() if isinstance(content, str) else content, filename=name)
    return data


async def test_a_namespace_is_replaced_by_what_is_sent(engine: Engine, client: ClientSession) -> None:
    await save(engine, flow("old"), flow("same"), flow("below", "shop.team"))
    body = f"{flow('same')}---\n{flow('new')}--- # the last one\n{flow('third')}"
    status, shown = await post(client, "/shop?delete=true&dryRun=true", data=body)
    assert (status, [(it["id"], it["revision"]) for it in shown]) == (200, [("same", 1), ("new", 1), ("third", 1)])
    assert await names(engine) == ["shop.old", "shop.same", "shop.team.below"]
    await post(client, "/shop?delete=false", data=body)
    assert await names(engine) == ["shop.new", "shop.old", "shop.same", "shop.third", "shop.team.below"]
    await post(client, "/shop", data=flow("new", more="description: changed\n"))
    assert await names(engine) == ["shop.new", "shop.team.below"]
    assert (await engine.store.flows.get("shop", "new")).revision == 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (f"{flow('a')}---\n{flow('b', 'other')}", "Flow namespace is invalid"),
        (f"{flow('a')}---\n{flow('a')}", "Duplicate flow id"),
        (f"{flow('a')}---\nid: b\n", "Invalid entity"),
    ],
)
async def test_one_mistake_and_nothing_is_stored(engine: Engine, client: ClientSession, body: str, said: str) -> None:
    status, told = await post(client, "/shop", data=body)
    assert (status, said in told["message"]) == (422, True)
    assert await names(engine) == []


async def test_flows_of_several_namespaces_are_saved_together(engine: Engine, client: ClientSession) -> None:
    await save(engine, flow("old"), flow("old", "shop.team"))
    body = f"{flow('a')}---\n{flow('b', 'shop.team')}"
    assert (await post(client, "/bulk?namespace=shop", data=body))[0] == 422
    await post(client, "/bulk", data=body)
    assert await names(engine) == ["shop.a", "shop.old", "shop.team.b", "shop.team.old"]
    await post(client, "/bulk?namespace=shop&allowNamespaceChild=true", data=body)
    assert await names(engine) == ["shop.a", "shop.team.b"]


async def test_flows_are_switched_off_and_on_in_their_text(engine: Engine, client: ClientSession) -> None:
    await save(engine, flow("a", more="# why\n"), flow("b", more="disabled: true\n"))
    both = [{"namespace": "shop", "id": "a"}, {"namespace": "shop", "id": "b"}]
    assert await post(client, "/disable/by-ids", json=both) == (200, {"count": 1})
    assert await post(client, "/disable/by-ids", json=both) == (200, {"count": 0})
    assert "# why\n" in (await engine.store.flows.get("shop", "a")).source
    assert (await engine.plans.get("shop", "a")).flow.disabled
    assert await post(client, "/enable/by-ids", json=both) == (200, {"count": 2})
    assert not (await engine.plans.get("shop", "b")).flow.disabled


async def test_flows_are_deleted_by_their_ids_all_or_none(engine: Engine, client: ClientSession) -> None:
    await save(engine, flow("a"), flow("b"))
    ids = [{"namespace": "shop", "id": "a"}, {"namespace": "shop", "id": "none"}]
    async with client.delete(f"{FLOWS}/delete/by-ids", json=ids) as answer:
        assert answer.status == 404
    assert await names(engine) == ["shop.a", "shop.b"]
    async with client.delete(f"{FLOWS}/delete/by-ids", json=ids[:1]) as answer:
        assert await answer.json() == {"count": 1}
    assert await names(engine) == ["shop.b"]


async def test_what_is_exported_can_be_imported(engine: Engine, client: ClientSession) -> None:
    await save(engine, flow("a", more="# kept\n"), flow("b"))
    ids = [{"namespace": "shop", "id": "a"}, {"namespace": "shop", "id": "b"}]
    async with client.post(f"{FLOWS}/export/by-ids", json=ids) as answer:
        assert (answer.status, answer.content_type) == (200, "application/zip")
        content = await answer.read()
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        assert opened.namelist() == ["shop.a.yml", "shop.b.yml"]
    async with client.delete(f"{FLOWS}/delete/by-ids", json=ids):
        assert await names(engine) == []
    assert await post(client, "/import", data=form("flows.zip", content)) == (200, [])
    assert (await engine.store.flows.get("shop", "a")).source == flow("a", more="# kept\n")


async def test_an_import_says_which_flows_have_mistakes(engine: Engine, client: ClientSession) -> None:
    body = f"{flow('a')}---\nid: broken\n---\n{flow('c')}"
    assert await post(client, "/import", data=form("flows.yml", body)) == (200, ["1"])
    assert await names(engine) == ["shop.a", "shop.c"]
    await save(engine, flow("a", more="description: mine\n"))
    status, _ = await post(client, "/import?failOnError=true", data=form("flows.yml", body))
    assert status == 422
    assert (await engine.store.flows.get("shop", "a")).revision == 2
    status, told = await post(client, "/import", data=form("flows.txt", body))
    assert (status, "ends with .yml" in told["detail"]) == (422, True)
