"""Flows over the API."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import ClientSession

FLOWS = "/api/v1/main/flows"
HELLO = """
id: hello
namespace: company.team
labels: {team: a}
tasks:
  - {id: say, type: core.log.Log, message: hello}
"""
BROKEN = "id: broken\nnamespace: company.team\ntasks:\n  - {id: say, type: core.log.Nix}\n"


async def create(client: ClientSession, source: str = HELLO) -> tuple[int, Any]:
    async with client.post(FLOWS, data=source, headers={"Content-Type": "application/x-yaml"}) as answer:
        return answer.status, await answer.json()


async def test_a_flow_is_created_read_changed_and_deleted(client: ClientSession) -> None:
    status, made = await create(client)
    assert (status, made["revision"], made["source"]) == (200, 1, HELLO)
    assert made["labels"] == [{"key": "team", "value": "a"}]
    async with client.put(f"{FLOWS}/company.team/hello", data=HELLO.replace("hello}", "bye}")) as answer:
        assert (await answer.json())["revision"] == 2
    async with client.get(f"{FLOWS}/company.team/hello?revision=1&source=true") as answer:
        assert (await answer.json())["source"] == HELLO
    async with client.get(f"{FLOWS}/company.team") as answer:
        assert [flow["id"] for flow in await answer.json()] == ["hello"]
    async with client.delete(f"{FLOWS}/company.team/hello") as answer:
        assert answer.status == 204
    async with client.get(f"{FLOWS}/company.team/hello") as answer:
        assert answer.status == 404
    async with client.get(f"{FLOWS}/company.team/hello/revisions") as answer:
        assert [flow["revision"] for flow in await answer.json()] == [1, 2, 3]


async def test_the_tenant_may_be_left_out(client: ClientSession) -> None:
    await create(client)
    async with client.get("/api/v1/flows/company.team/hello") as answer:
        assert answer.status == 200


async def test_a_flow_exists_once(client: ClientSession) -> None:
    await create(client)
    status, told = await create(client)
    assert (status, told["detail"]) == (422, "Flow id already exists")


async def test_a_mistake_is_told_with_its_place(client: ClientSession) -> None:
    status, told = await create(client, BROKEN)
    assert status == 422
    assert told["message"].startswith("Invalid entity: ")
    (error,) = told["errors"]
    assert error["path"] == "tasks[0].type"
    assert "line 4, column 21" in error["detail"]


@pytest.mark.parametrize(
    ("change", "said"),
    [(("id: hello", "id: other"), "Illegal flow id update"), (("company.team", "company"), "Illegal namespace update")],
)
async def test_a_change_keeps_the_names(client: ClientSession, change: tuple[str, str], said: str) -> None:
    await create(client)
    async with client.put(f"{FLOWS}/company.team/hello", data=HELLO.replace(*change)) as answer:
        assert answer.status == 422
        assert said in (await answer.json())["message"]


async def test_several_flows_are_checked_without_being_saved(client: ClientSession) -> None:
    async with client.post(f"{FLOWS}/validate", data=f"{HELLO}---\n{BROKEN}") as answer:
        first, second = await answer.json()
    assert "constraints" not in first
    assert (second["index"], second["flow"]) == (1, "broken")
    assert "Invalid type: core.log.Nix" in second["constraints"]
    async with client.get(f"{FLOWS}/company.team/hello") as answer:
        assert answer.status == 404
