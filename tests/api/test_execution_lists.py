"""What can be run, the latest executions, how long they take, values to filter by, a table."""

from __future__ import annotations

import csv
import json

import anyio
import pytest
from aiohttp import ClientSession

from engine.runtime.engine import Engine
from engine.state.user import Role
from support.executing import EXECUTIONS, HELLO, ask, run
from support.signing_in import PASSWORD, ROOT, basic

BLOCKS = """
id: blocks
namespace: company.other
tasks:
  - id: choose
    type: core.flow.Switch
    value: a
    cases:
      a: [{id: say, type: core.log.Log, message: secret text}]
  - {id: call, type: core.flow.Subflow, namespace: company.team, flowId: hello, wait: true}
"""


@pytest.fixture(autouse=True)
async def flows(engine: Engine) -> None:
    await engine.control.save_flow(HELLO)
    await engine.control.save_flow(BLOCKS)


async def test_what_can_be_run_is_listed(client: ClientSession, engine: Engine) -> None:
    assert await ask(client, "GET", "/namespaces") == (200, ["company.other", "company.team"])
    _, (hello,) = await ask(client, "GET", "/namespaces/company.team/flows")
    assert (hello["id"], [it["id"] for it in hello["inputs"]]) == ("hello", ["n", "file", "fails"])
    assert hello["tasks"][0] == {"id": "say", "type": "core.debug.Return"}
    await engine.control.save_flow(HELLO + "disabled: true\n")
    assert await ask(client, "GET", "/namespaces/company.team/flows") == (200, [])
    await engine.users.add(ROOT, PASSWORD, {})
    await engine.users.add("other", PASSWORD, {"company.other": Role.OPERATOR, "company.team": Role.VIEWER})
    assert await ask(client, "GET", "/namespaces", headers=basic("other")) == (200, ["company.other"])
    status, _ = await ask(client, "GET", "/namespaces/company.team/flows", headers=basic("other"))
    assert status == 403


async def test_a_flow_is_shown_without_what_its_tasks_do(client: ClientSession) -> None:
    status, flow = await ask(client, "GET", "/flows/company.other/blocks")
    assert status == 200
    choose, call = flow["tasks"]
    assert choose["cases"] == {"a": [{"id": "say", "type": "core.log.Log"}]}
    assert call["flowId"] == "hello"
    assert "secret text" not in str(flow)
    shown = await run(client)
    status, flow = await ask(client, "GET", f"/{shown['id']}/flow")
    assert (status, flow["id"], flow["revision"]) == (200, "hello", 1)
    status, _ = await ask(client, "GET", "/flows/company.other/nix")
    assert status == 404


async def test_the_latest_executions_of_flows_are_told(client: ClientSession) -> None:
    await run(client)
    shown = await run(client)
    body = [{"namespace": "company.team", "id": "hello"}, {"namespace": "company.team", "id": "nix"}]
    status, found = await ask(client, "POST", "/latest", json=body)
    assert status == 200
    started = shown["state"]["startDate"]
    assert found == [
        {"id": shown["id"], "flowId": "hello", "namespace": "company.team", "startDate": started, "status": "SUCCESS"}
    ]


async def test_how_long_executions_take_is_told(client: ClientSession) -> None:
    of = "/namespaces/company.team/flows/hello/average-duration"
    assert await ask(client, "GET", of) == (200, {"avgDurationMs": 0, "count": 0})
    await run(client)
    status, found = await ask(client, "GET", of)
    assert (status, found["count"]) == (200, 1)
    assert found["avgDurationMs"] >= 0


async def test_values_to_filter_by_are_told(client: ClientSession) -> None:
    await run(client)
    await run(client, fails="true")
    of = "/distinct-field-values?field="
    assert await ask(client, "GET", f"{of}FLOW_ID") == (200, ["hello"])
    assert await ask(client, "GET", f"{of}state") == (200, ["FAILED", "SUCCESS"])
    assert await ask(client, "GET", f"{of}state&filters[state][EQUALS]=FAILED") == (200, ["FAILED"])
    assert await ask(client, "GET", f"{of}state&size=1") == (200, ["FAILED"])
    assert await ask(client, "GET", f"{of}TRIGGER_ID") == (200, [])
    status, told = await ask(client, "GET", f"{of}doc")
    assert (status, "there is no list of values of 'doc'" in told["detail"]) == (422, True)


async def test_executions_come_as_a_table(client: ClientSession) -> None:
    shown = await run(client)
    async with client.get(f"{EXECUTIONS}/export/by-query/csv?filters[flowId][EQUALS]=hello") as answer:
        assert answer.content_type == "text/csv"
        (row,) = csv.DictReader((await answer.text()).splitlines())
    assert (row["id"], row["state"], row["labels"]) == (shown["id"], "SUCCESS", "team:a")
    assert row["startDate"] == shown["state"]["startDate"]


async def test_executions_that_started_each_other_are_followed(client: ClientSession) -> None:
    with anyio.fail_after(30):
        async with client.post(f"{EXECUTIONS}/company.other/blocks") as answer:
            id = (await answer.json())["id"]
        async with client.get(f"{EXECUTIONS}/{id}/follow-dependencies?expandAll=true") as answer:
            lines = (await answer.text()).splitlines()
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    states = {event["flowId"]: event["state"]["current"] for event in events}
    assert states == {"blocks": "SUCCESS", "hello": "SUCCESS"}
    (child,) = {event["executionId"] for event in events if event["flowId"] == "hello"}
    async with client.get(f"{EXECUTIONS}/{child}/follow-dependencies?destinationOnly=true") as answer:
        assert b"blocks" not in await answer.read()
    async with client.get(f"{EXECUTIONS}/{child}/follow-dependencies") as answer:
        assert b"blocks" in await answer.read()
