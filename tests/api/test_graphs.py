"""Graphs and dependencies over the API."""

from __future__ import annotations

from typing import Any

from aiohttp import ClientSession

from engine.runtime.engine import Engine

T = "/api/v1/main"
CALLED = """id: called
namespace: shop
tasks:
  - {id: inner, type: core.log.Log, message: hi}
"""
CALLING = """id: calling
namespace: shop
tasks:
  - id: each
    type: core.flow.ForEach
    values: [1, 2, 3]
    tasks:
      - {id: say, type: core.log.Log, message: "{{ taskrun.value }}"}
  - id: call
    type: core.flow.Subflow
    namespace: shop
    flowId: called
errors:
  - {id: sorry, type: core.log.Log, message: sorry}
finally:
  - {id: clean, type: core.log.Log, message: clean}
afterExecution:
  - {id: tell, type: core.log.Log, message: told}
"""
LISTENING = """id: listening
namespace: other
tasks:
  - {id: say, type: core.log.Log, message: hi}
triggers:
  - id: after
    type: core.trigger.Flow
    preconditions:
      id: both
      flows:
        - {namespace: shop, flowId: calling}
"""


async def get(client: ClientSession, path: str) -> Any:
    async with client.get(f"{T}{path}") as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def save(engine: Engine, *sources: str) -> None:
    for source in sources:
        await engine.control.save_flow(source)


def edges(graph: Any) -> set[tuple[str, str, str | None]]:
    return {(it["source"], it["target"], it["relation"].get("relationType")) for it in graph["edges"]}


async def test_a_flow_is_a_graph_of_its_tasks(engine: Engine, client: ClientSession) -> None:
    await save(engine, CALLED, CALLING)
    graph = await get(client, "/flows/shop/calling/graph")
    assert edges(graph) == {
        ("root._start", "root.each._start", "SEQUENTIAL"),
        ("root.each._start", "root.each", None),
        ("root.each", "root.each.say", "DYNAMIC"),
        ("root.each.say", "root.each._end", None),
        ("root.each._end", "root.call", "SEQUENTIAL"),
        ("root._start", "root.sorry", "ERROR"),
        ("root.call", "root.clean", "FINALLY"),
        ("root.sorry", "root.clean", "FINALLY"),
        ("root.clean", "root.tell", "AFTER_EXECUTION"),
        ("root.tell", "root._end", None),
    }
    nodes = {node["uid"]: node for node in graph["nodes"]}
    assert nodes["root.each.say"]["task"] == {
        "id": "say",
        "type": "core.log.Log",
        "message": "{{ taskrun.value }}",
    }
    assert nodes["root.call"]["task"]["subflowId"] == {"namespace": "shop", "flowId": "called"}
    assert nodes["root.sorry"]["branchType"] == "ERROR"
    assert graph["flowables"] == ["each"]
    (cluster,) = graph["clusters"]
    assert cluster["nodes"] == ["root.each._start", "root.each._end", "root.each", "root.each.say"]
    async with client.post(f"{T}/flows/graph", data=CALLING) as answer:
        assert await answer.json() == graph


async def test_a_subflow_is_shown_in_the_place_of_its_task(engine: Engine, client: ClientSession) -> None:
    await save(engine, CALLED, CALLING)
    graph = await get(client, "/flows/shop/calling/graph?subflows=root.call,root.none")
    assert {("root.call._start", "root.call", None), ("root.call", "root.call.inner", "SEQUENTIAL")} <= edges(graph)
    (inner,) = [node for node in graph["nodes"] if node["uid"] == "root.call.inner"]
    assert inner["task"]["message"] == "hi"
    assert [it["cluster"]["type"].rpartition(".")[2] for it in graph["clusters"]] == [
        "GraphCluster",
        "SubflowGraphCluster",
    ]
    dynamic = CALLING.replace("flowId: called", 'flowId: "{{ inputs.x }}"')
    async with client.post(f"{T}/flows/graph?subflows=root.call", data=dynamic) as answer:
        assert (answer.status, "only the graph of an execution" in await answer.text()) == (422, True)


async def test_the_graph_of_an_execution_has_its_task_runs(engine: Engine, client: ClientSession) -> None:
    await save(engine, CALLED, CALLING)
    execution = await engine.control.create("shop", "calling")
    await engine.control.wait(execution.id, wholly=True)
    graph = await get(client, f"/executions/{execution.id}/graph")
    nodes = {node["uid"]: node for node in graph["nodes"]}
    assert nodes["root.each.say"]["states"] == {"SUCCESS": 3}
    assert nodes["root.each.say"]["taskRun"]["value"] == "3"
    assert nodes["root.call"]["taskRun"]["state"]["current"] == "SUCCESS"
    assert "taskRun" not in nodes["root.sorry"]
    async with client.get(f"{T}/executions/none/graph") as answer:
        assert answer.status == 404


async def test_flows_know_which_ones_they_start(engine: Engine, client: ClientSession) -> None:
    await save(engine, CALLED, CALLING, LISTENING)

    async def links(path: str) -> set[tuple[str, str, str]]:
        found = await get(client, path)
        ends = {end for edge in found["edges"] for end in (edge["source"], edge["target"])}
        assert ends <= {node["uid"] for node in found["nodes"]}
        return {(edge["source"], edge["target"], edge["relation"]) for edge in found["edges"]}

    task, trigger = ("shop/calling", "shop/called", "FLOW_TASK"), ("shop/calling", "other/listening", "FLOW_TRIGGER")
    assert await links("/flows/shop/calling/dependencies") == {task, trigger}
    assert await links("/flows/shop/called/dependencies") == {task}
    assert await links("/flows/shop/called/dependencies?destinationOnly=true") == set()
    assert await links("/flows/shop/called/dependencies?expandAll=true") == {task, trigger}
    assert await links("/namespaces/shop/dependencies") == {task, trigger}
    assert await links("/namespaces/other/dependencies") == {trigger}
    async with client.get(f"{T}/flows/shop/none/dependencies") as answer:
        assert answer.status == 404
