"""Graphs of blocks that lead their tasks in other ways than one after another."""

from __future__ import annotations

import pytest

from engine.definition.graph import graph_of
from engine.definition.links import waits_for
from engine.definition.load import load_flow
from engine.plugin.index import installed

FRONT = "id: f\nnamespace: shop\ntasks:\n"


def edges(source: str) -> set[tuple[str, str, str | None, str | None]]:
    graph = graph_of(load_flow(f"{FRONT}{source}", index=installed()).flow)
    assert len({node.uid for node in graph.nodes}) == len(graph.nodes)
    return {
        (edge.source.removeprefix("root."), edge.target.removeprefix("root."), edge.relation, edge.value)
        for edge in graph.edges
    }


def log(id: str) -> str:
    return f"{{id: {id}, type: core.log.Log, message: x}}"


def test_tasks_of_a_dag_follow_those_that_they_wait_for() -> None:
    found = edges(
        f"""  - id: dag
    type: core.flow.Dag
    tasks:
      - task: {log("a")}
      - task: {log("b")}
        dependsOn: [a]
      - task: {log("c")}
        dependsOn: [a, b]
"""
    )
    assert found == {
        ("_start", "dag._start", "SEQUENTIAL", None),
        ("dag._start", "dag", None, None),
        ("dag", "dag.a", "DYNAMIC", None),
        ("dag.a", "dag.b", "SEQUENTIAL", None),
        ("dag.a", "dag.c", "SEQUENTIAL", None),
        ("dag.b", "dag.c", "SEQUENTIAL", None),
        ("dag.c", "dag._end", None, None),
        ("dag._end", "_end", None, None),
    }


def test_a_choice_says_which_case_leads_where() -> None:
    found = edges(
        f"""  - id: if
    type: core.flow.If
    condition: "{{{{ true }}}}"
    then: [{log("a")}, {log("b")}]
    else: [{log("c")}]
    finally: [{log("d")}]
"""
    )
    assert found >= {
        ("if", "if.a", "CHOICE", "then"),
        ("if.a", "if.b", "SEQUENTIAL", None),
        ("if", "if.c", "CHOICE", "else"),
        ("if.b", "if.d", "FINALLY", None),
        ("if.c", "if.d", "FINALLY", None),
        ("if.d", "if._end", None, None),
    }


@pytest.mark.parametrize(
    ("trigger", "waits"),
    [
        ({}, False),
        ({"conditions": [{"type": "core.condition.ExecutionStatus", "in": ["FAILED"]}]}, False),
        ({"conditions": [{"type": "core.condition.ExecutionFlow", "namespace": "shop", "flowId": "orders"}]}, True),
        ({"conditions": [{"type": "core.condition.ExecutionFlow", "namespace": "shop", "flowId": "other"}]}, False),
        ({"conditions": [{"type": "core.condition.ExecutionNamespace", "namespace": "sh", "prefix": True}]}, True),
        ({"conditions": [{"type": "core.condition.ExecutionNamespace", "namespace": "sh"}]}, False),
        ({"preconditions": {"flows": [{"namespace": "shop"}, {"namespace": "x", "flowId": "y"}]}}, True),
        (
            {
                "preconditions": {
                    "where": [{"id": "w", "filters": [{"field": "FLOW_ID", "type": "IN", "values": ["orders"]}]}]
                }
            },
            True,
        ),
        ({"dependsOn": [{"flowId": "orders"}]}, True),
        ({"dependsOn": [{"namespace": "shop", "flowId": "stock"}]}, False),
    ],
)
def test_a_flow_trigger_waits_for_what_it_names(trigger: dict[str, object], waits: bool) -> None:
    document = {"triggers": [{"id": "t", "type": "core.trigger.Flow", **trigger}]}
    assert waits_for(document, ("shop", "orders"), installed()) is waits
