"""Checks of flows, tasks and triggers over the API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import ClientSession, FormData

from engine.runtime.engine import Engine

VALIDATE = "/api/v1/main/flows/validate"
HELLO = """id: hello
namespace: company.team
tasks:
  - {id: say, type: core.log.Log, message: hello}
"""
BROKEN = "id: broken\nnamespace: company.team\ntasks:\n  - {id: say, type: core.log.Nix}\n"
SCHEDULE = {"id": "s", "type": "io.kestra.plugin.core.trigger.Schedule", "cron": "0 0 * * *"}


async def check(client: ClientSession, body: str, path: str = "") -> Any:
    async with client.post(f"{VALIDATE}{path}", data=body) as answer:
        assert answer.status == 200
        return await answer.json()


async def test_several_flows_are_checked_without_being_saved(engine: Engine, client: ClientSession) -> None:
    first, second = await check(client, f"{HELLO}---\n{BROKEN}")
    assert "constraints" not in first
    assert (first["flow"], first["outdated"], first["warnings"], first["infos"]) == ("hello", False, [], [])
    assert (second["index"], second["flow"]) == (1, "broken")
    assert "Invalid type: core.log.Nix" in second["constraints"]
    assert "line 4, column 21" in second["constraints"]
    assert await engine.store.flows.list() == []


async def test_what_is_no_yaml_is_a_constraint(client: ClientSession) -> None:
    (found,) = await check(client, "id: [")
    assert "this is not YAML" in found["constraints"]
    assert found["flow"] is None


async def test_what_has_another_form_now_is_told(client: ClientSession) -> None:
    old = HELLO.replace("core.log.Log, message", "core.debug.Echo, format") + "taskDefaults: []\n"
    (found,) = await check(client, old)
    assert found["deprecationPaths"] == ["tasks[0]", "taskDefaults"]
    (found,) = await check(client, HELLO.replace("core.log.Log", "io.kestra.core.tasks.log.Log"))
    assert found["infos"] == ["tasks[0].type: io.kestra.core.tasks.log.Log is called io.kestra.plugin.core.log.Log now"]


@pytest.mark.parametrize(("revision", "outdated"), [(1, True), (2, False), (7, True)])
async def test_a_change_of_an_older_revision_is_outdated(
    engine: Engine, client: ClientSession, revision: int, outdated: bool
) -> None:
    await engine.control.save_flow(HELLO)
    (found,) = await check(client, f"{HELLO}revision: {revision}\n")
    assert found["outdated"] is outdated


async def test_a_task_is_checked_alone(client: ClientSession) -> None:
    task = {"id": "t", "type": "core.log.Log", "message": "hi"}
    assert "constraints" not in await check(client, json.dumps(task), "/task?section=TASKS")
    found = await check(client, json.dumps({**task, "unknownProp": 1}), "/task")
    assert 'Unrecognized field "unknownProp"' in found["constraints"]
    assert "constraints" in await check(client, "nothing", "/task")
    assert "constraints" in await check(client, "{", "/task")


async def test_a_trigger_is_checked_alone(client: ClientSession) -> None:
    assert "constraints" not in await check(client, json.dumps(SCHEDULE), "/trigger")
    assert "constraints" not in await check(client, json.dumps(SCHEDULE), "/task?section=TRIGGERS")
    found = await check(client, json.dumps({**SCHEDULE, "unknownProp": 1}), "/trigger")
    assert 'Unrecognized field "unknownProp"' in found["constraints"]
    found = await check(client, '{"id": "t", "type": "core.trigger.Nix"}', "/trigger")
    assert "Invalid type: core.trigger.Nix" in found["constraints"]


async def test_flows_to_be_checked_may_come_in_a_form(client: ClientSession) -> None:
    for content, status in ((HELLO.encode(), 200), (b"\xff", 422)):
        form = FormData()
        form.add_field("flows", content, filename="flows.yml")
        async with client.post(VALIDATE, data=form) as answer:
            assert answer.status == status
            told = await answer.json()
    assert "is no text" in told["detail"]
