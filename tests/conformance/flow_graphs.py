"""Runs a case that looks at the graph of a flow or of an execution."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from conformance.bench import Bench
from conformance.flow_cases import Unbound, sources, steps
from engine.definition.graph import Edge, Graph, Node
from engine.state.record import Record

PLACE = re.compile(r"<(start|end) of (.+)>")


async def run_graph(bench: Bench) -> list[str]:
    """What is wrong with a graph. Raises Unbound for what nothing here checks."""
    engine = bench.engine
    stored = [await engine.control.save_flow(text) for text in sources(bench.case)]
    record: Record | None = None
    for step in steps(bench.case):
        if "execute" in step:
            asked = step["execute"]
            inputs, raw = asked.get("inputs", {}), asked.get("raw_inputs", False)
            id = await bench.create(stored[0], inputs, {}, raw)
            await engine.control.wait(id)
            record = (await engine.store.executions.load(id)).record
        elif "graph" in step:
            expanded = step["graph"].get("expand_subflows", ())
            flow = (await engine.plans.get(stored[0].namespace, stored[0].id)).flow
            graph = await engine.graphs.of(flow, expanded, lambda _namespace: None, record)
            return list(_problems(graph, bench.case["expect"]["graph"], record))
    raise Unbound("no step makes a graph")


def _problems(graph: Graph, expect: Mapping[str, Any], record: Record | None) -> Iterator[str]:
    for key, wanted in expect.items():
        if key not in CHECKS:
            raise Unbound(f"nothing checks {key} of a graph")
        yield from CHECKS[key](graph, wanted, record)


def _count(name: str) -> Callable[[Graph, int, Record | None], Iterator[str]]:
    def check(graph: Graph, wanted: int, record: Record | None) -> Iterator[str]:
        found = len(getattr(graph, name))
        if found != wanted:
            yield f"{found} {name}, not {wanted}"

    return check


def _node_list(graph: Graph, wanted: Mapping[int, Mapping[str, Any]], record: Record | None) -> Iterator[str]:
    for index, facts in wanted.items():
        # No value of a loop stands there.
        yield from _of_node(graph.nodes[index], {name: fact for name, fact in facts.items() if name != "values"})


def _node_facts(graph: Graph, wanted: list[Mapping[str, Any]], record: Record | None) -> Iterator[str]:
    for facts in wanted:
        node = next((node for node in graph.nodes if node.uid == facts["uid"]), None)
        if node is None:
            yield f"no node {facts['uid']}"
        else:
            yield from _of_node(node, facts)


def _of_node(node: Node, facts: Mapping[str, Any]) -> Iterator[str]:
    trigger = str((node.trigger or {}).get("type", ""))
    seen = {
        "uid": node.uid,
        "task": node.task.fields.id if node.task else None,
        "relation": node.relation,
        "subflow": node.called.flow if node.called else None,
        "task_type": node.task.type_name.rpartition(".")[2] if node.task else None,
        "trigger_type": trigger.rpartition(".")[2],
    }
    for name, fact in facts.items():
        if seen[name] != fact:
            yield f"{name} of {node.uid} is {seen[name]}, not {fact}"


def _edge_facts(graph: Graph, wanted: list[Mapping[str, Any]], record: Record | None) -> Iterator[str]:
    for facts in wanted:
        source, target = (_pattern(graph, facts[name]) for name in ("source", "target"))
        found = [edge for edge in graph.edges if source.fullmatch(edge.source) and target.fullmatch(edge.target)]
        if not any(_fits(edge, facts) for edge in found):
            yield f"no edge {facts}, but {found}"


def _fits(edge: Edge, facts: Mapping[str, Any]) -> bool:
    return "relation" not in facts or edge.relation == facts["relation"]


def _pattern(graph: Graph, text: str) -> re.Pattern[str]:
    """What an end of an edge must be: a pattern, or the start or end of a cluster."""
    place = PLACE.fullmatch(text)
    if place is None:
        return re.compile(text)
    of = ".*" if place[2] == "first cluster" else place[2]
    cluster = next(cluster for cluster in graph.clusters if re.fullmatch(f"cluster_{of}", cluster.uid))
    return re.compile(re.escape(getattr(cluster, place[1])))


def _runs(graph: Graph, wanted: list[str], record: Record | None) -> Iterator[str]:
    runs = Counter(run.node for run in record.runs.values()) if record is not None else Counter()
    for task in wanted:
        if runs[task] != 1 or not any(node.task and node.task.fields.id == task for node in graph.nodes):
            yield f"{task} has {runs[task]} runs in the graph"


CHECKS: Mapping[str, Callable[[Graph, Any, Record | None], Iterator[str]]] = {
    "nodes": _count("nodes"),
    "edges": _count("edges"),
    "clusters": _count("clusters"),
    "node_list": _node_list,
    "node_facts": _node_facts,
    "edge_facts": _edge_facts,
    "task_run_attached": _runs,
}
