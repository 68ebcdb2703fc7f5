"""What expressions of a flow can name."""

from __future__ import annotations

from typing import Any

from aiohttp import ClientSession

from engine.runtime.engine import Engine

SOURCE = """id: f
namespace: company.team
labels: {team: a}
variables: {limit: 1}
inputs:
  - {id: day, type: DATE}
  - {id: who, type: FORM, inputs: [{id: name, type: STRING}]}
tasks:
  - {id: first, type: core.debug.Return, format: x}
  - {id: second, type: core.log.Log, message: x}
"""


async def names(client: ClientSession, query: str = "") -> Any:
    async with client.post(f"/api/v1/main/flows/expressions{query}", data=SOURCE) as answer:
        assert answer.status == 200, await answer.text()
        return (await answer.json())["categories"]


async def test_names_are_those_of_the_flow_and_its_namespace(engine: Engine, client: ClientSession) -> None:
    await engine.keys.set("company", "shared", 1)
    await engine.secrets.set("token", "s3cr3t-text", "company.team")
    await engine.namespaces.put("company.team", "/a.sql", b"x")
    found = await names(client)
    assert found["inputs"] == ["inputs.day", "inputs.who.name"]
    assert found["variables"] == ["vars.limit"]
    assert found["taskOutputs"] == ["outputs.first.value"]
    assert found["kvPairs"] == ["kv('shared')"]
    assert "secret('TOKEN')" in found["secrets"]
    assert found["namespaceFiles"] == ["read('/a.sql')"]
    assert {"flow.id", "labels.team"} <= set(found["executionContext"])
    assert "upper" in found["filters"]
    assert "kv" in found["functions"]


async def test_a_task_sees_outputs_of_those_before_it(client: ClientSession) -> None:
    assert (await names(client, "?taskId=first"))["taskOutputs"] == []
    assert (await names(client, "?taskId=second"))["taskOutputs"] == ["outputs.first.value"]
