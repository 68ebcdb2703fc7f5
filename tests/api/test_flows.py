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
        assert [flow["revision"] for flow in await answer.json()] == [1, 2]


async def test_the_tenant_may_be_left_out(client: ClientSession) -> None:
    await create(client)
    async with client.get("/api/v1/flows/company.team/hello") as answer:
        assert answer.status == 200


async def test_a_flow_exists_once(client: ClientSession) -> None:
    await create(client)
    status, told = await create(client)
    assert (status, "Flow id already exists" in told["message"]) == (422, True)


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


async def test_old_revisions_are_deleted_and_the_latest_stays(client: ClientSession) -> None:
    await create(client)
    for text in ("two", "three"):
        await client.put(f"{FLOWS}/company.team/hello", data=HELLO.replace("hello}", f"{text}}}"))
    of = f"{FLOWS}/company.team/hello/revisions"
    async with client.delete(of, params={"revisions": "1,2"}) as answer:
        assert answer.status == 204
    async with client.get(of) as answer:
        assert [flow["revision"] for flow in await answer.json()] == [3]
    for revisions, status in (("3", 409), ("x", 422), ("", 422)):
        async with client.delete(of, params={"revisions": revisions}) as answer:
            assert answer.status == status
    async with client.get(f"{FLOWS}/company.team/hello?revision=1") as answer:
        assert answer.status == 404


async def test_a_deleted_flow_is_shown_to_who_asks_for_it(client: ClientSession) -> None:
    await create(client)
    await client.delete(f"{FLOWS}/company.team/hello")
    async with client.get(f"{FLOWS}/company.team/hello?allowDeleted=true") as answer:
        assert (await answer.json())["deleted"] is True
    async with client.get(f"{FLOWS}/company.team/hello/revisions?allowDelete=true") as answer:
        assert [flow["deleted"] for flow in await answer.json()] == [False, True]


async def test_one_task_is_shown_and_changed(client: ClientSession) -> None:
    nested = """id: nested
namespace: company.team
tasks:
  - id: both
    type: core.flow.Sequential
    tasks:
      - id: one  # first
        type: core.log.Log
        message: a
      # between
      - {id: two, type: core.log.Log, message: b}
"""
    await create(client, nested)
    of = f"{FLOWS}/company.team/nested"
    async with client.get(f"{of}/tasks/two") as answer:
        assert await answer.json() == {"id": "two", "type": "core.log.Log", "message": "b"}
    async with client.get(f"{of}/tasks/none") as answer:
        assert answer.status == 404
    change = {"id": "one", "type": "core.log.Log", "message": "first\nline"}
    async with client.patch(f"{of}/one", json=change) as answer:
        assert (await answer.json())["tasks"][0]["tasks"][0] == change
    async with client.get(f"{of}?source=true") as answer:
        assert "      # between\n      - {id: two" in (await answer.json())["source"]
    for task, status in (("two", 422), ("three", 404)):
        async with client.patch(f"{of}/{task}", json={"id": "three", "type": "core.log.Log"}) as answer:
            assert answer.status == status
