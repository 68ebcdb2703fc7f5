"""Flows and executions as graphs, and which flows start which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from engine.api.filters import narrowed
from engine.api.routing import Call, Role, Route
from engine.api.shapes import Shape, TaskRunShape, task_run_shapes
from engine.definition.dialect import maps_in
from engine.definition.flow import Flow
from engine.definition.graph import Cluster, ClusterKind, Graph, Node, NodeKind
from engine.errors import NotFound
from engine.ids import ExecutionId
from engine.runtime.engine import Engine
from engine.runtime.flows.dependencies import Link, reached
from engine.runtime.flows.flow_list import document_of
from engine.state.execution import TaskRun
from engine.state.record import Record

YAML = "application/x-yaml"
TYPES = "io.kestra.core.models.hierarchies."
NODES: Mapping[NodeKind, str] = {
    NodeKind.START: f"{TYPES}GraphClusterRoot",
    NodeKind.END: f"{TYPES}GraphClusterEnd",
    NodeKind.TASK: f"{TYPES}GraphTask",
    NodeKind.SUBFLOW: f"{TYPES}SubflowGraphTask",
    NodeKind.TRIGGER: f"{TYPES}GraphTrigger",
}
CLUSTERS: Mapping[ClusterKind, str] = {
    ClusterKind.BLOCK: f"{TYPES}GraphCluster",
    ClusterKind.SUBFLOW: f"{TYPES}SubflowGraphCluster",
    ClusterKind.TRIGGERS: f"{TYPES}GraphCluster",
}


class GraphQuery(msgspec.Struct, frozen=True):
    """subflows: uids of nodes that are shown with the flows that they start, with commas between them"""

    subflows: tuple[str, ...] = ()
    revision: int | None = None

    @property
    def expanded(self) -> set[str]:
        return {uid for text in self.subflows for uid in text.split(",") if uid}


class DependencyQuery(msgspec.Struct, frozen=True, rename="camel"):
    """destinationOnly: only flows that it starts; expandAll: and those that these start, and so on"""

    destination_only: bool = False
    expand_all: bool = False


class NodeShape(Shape, frozen=True):
    """A node; `taskRun` is the last one of its task, `states` counts them all."""

    uid: str
    type: str
    relation_type: str | None = None
    branch_type: str | None = None
    task: dict[str, Any] | None = None
    trigger_declaration: dict[str, Any] | None = None
    task_run: TaskRunShape | None = None
    states: dict[str, int] | None = None


class RelationShape(Shape, frozen=True):
    relation_type: str | None = None
    value: str | None = None


class EdgeShape(Shape, frozen=True):
    source: str
    target: str
    relation: RelationShape


class ClusterHead(Shape, frozen=True):
    uid: str
    type: str
    task_id: str | None = None


class ClusterShape(Shape, frozen=True, omit_defaults=False):
    """`parents` are the clusters around it, the outermost first."""

    cluster: ClusterHead
    nodes: list[str]
    parents: list[str]
    start: str
    end: str


class GraphShape(Shape, frozen=True, omit_defaults=False):
    nodes: list[NodeShape]
    edges: list[EdgeShape]
    clusters: list[ClusterShape]
    flowables: list[str]


class FlowNodeShape(Shape, frozen=True):
    uid: str
    namespace: str
    id: str


class FlowEdgeShape(Shape, frozen=True):
    """`relation`: FLOW_TASK or FLOW_TRIGGER"""

    source: str
    target: str
    relation: str


class TopologyShape(Shape, frozen=True, omit_defaults=False):
    nodes: list[FlowNodeShape]
    edges: list[FlowEdgeShape]


class Graphs:
    """Graphs of flows and executions, dependencies of flows and namespaces."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._clock = engine.clock

    def routes(self) -> Iterable[Route]:
        yield Route(
            "GET", "/flows/{namespace}/{id}/graph", self.of_flow, "A flow as a graph", GraphShape, query=GraphQuery
        )
        yield Route(
            "POST", "/flows/graph", self.of_source, "A text as a graph", GraphShape, query=GraphQuery, body=YAML
        )
        yield Route(
            "GET",
            "/executions/{execution}/graph",
            self.of_execution,
            "An execution as a graph",
            GraphShape,
            query=GraphQuery,
        )
        yield Route(
            "GET",
            "/flows/{namespace}/{id}/dependencies",
            self.dependencies,
            "Flows that a flow starts, or is started by",
            TopologyShape,
            query=DependencyQuery,
        )
        yield Route(
            "GET",
            "/namespaces/{namespace}/dependencies",
            self.of_namespace,
            "The same of all flows of a namespace",
            TopologyShape,
            query=DependencyQuery,
        )

    async def of_flow(self, call: Call) -> GraphShape:
        query = call.query(GraphQuery)
        compiled = await self._engine.plans.get(call.path["namespace"], call.path["id"], query.revision)
        return await self._shown(call, compiled.flow, compiled.source, query)

    async def of_source(self, call: Call) -> GraphShape:
        draft = self._engine.flows.read(await call.text())
        return await self._shown(call, draft.flow, draft.source, call.query(GraphQuery))

    async def of_execution(self, call: Call) -> GraphShape:
        id = ExecutionId(call.path["execution"])
        head, _ = await self._engine.store.executions.head(id)
        call.require(Role.VIEWER, head.namespace)
        compiled = await self._engine.plans.get(head.namespace, head.flow, head.revision)
        record = (await self._engine.store.executions.load(id)).record
        return await self._shown(call, compiled.flow, compiled.source, call.query(GraphQuery), record)

    async def _shown(
        self, call: Call, flow: Flow, source: str, query: GraphQuery, record: Record | None = None
    ) -> GraphShape:
        def allowed(namespace: str) -> None:
            call.require(Role.VIEWER, namespace)

        graph = await self._engine.graphs.of(flow, query.expanded, allowed, record)
        written = {
            str(item["id"]): item
            for _, item in maps_in(document_of(source))
            if isinstance(item.get("type"), str) and "id" in item
        }
        own = (flow.namespace, flow.id)
        runs = _runs(record, self._clock.now()) if record is not None else {}
        nodes = [
            _node(node, written if node.flow == own else {}, runs if node.flow == own else {}) for node in graph.nodes
        ]
        return GraphShape(nodes, _edges(graph), [_cluster(it) for it in graph.clusters], _blocks(graph))

    async def dependencies(self, call: Call) -> TopologyShape:
        query, name = call.query(DependencyQuery), (call.path["namespace"], call.path["id"])
        if await self._engine.flows.find(*name) is None:
            raise NotFound("flow", ".".join(name))
        found = reached(await self._links(call), [name], onwards=query.destination_only, all=query.expand_all)
        return _topology({name}, found)

    async def of_namespace(self, call: Call) -> TopologyShape:
        query = call.query(DependencyQuery)
        own = {(flow.namespace, flow.id) for flow in await self._engine.store.flows.list(call.path["namespace"])}
        found = reached(await self._links(call), own, onwards=query.destination_only, all=query.expand_all)
        return _topology(own, found)

    async def _links(self, call: Call) -> list[Link]:
        flows = await self._engine.flow_list.find(narrowed(None, call.namespaces))
        return await self._engine.dependencies.among(flows)


def _runs(record: Record, now: int) -> dict[str, tuple[TaskRunShape, dict[str, int]]]:
    """By task: its last run, without outputs, and how many runs are in each state."""
    of_task: dict[str, list[TaskRun]] = {}
    for run in record.runs.values():
        of_task.setdefault(run.node, []).append(run)
    last = {id: max(runs, key=lambda run: run.order) for id, runs in of_task.items()}
    shapes = task_run_shapes(record.execution, {run.path: run for run in last.values()}, now)
    return {
        shape.task_id: (
            msgspec.structs.replace(shape, outputs=None),
            dict(Counter(run.state.value for run in of_task[shape.task_id])),
        )
        for shape in shapes
    }


def _node(
    node: Node, written: Mapping[str, dict[str, Any]], runs: Mapping[str, tuple[TaskRunShape, dict[str, int]]]
) -> NodeShape:
    task, run, states = None, None, None
    if node.task is not None:
        id = node.task.fields.id
        task = written.get(id) or {"id": id, "type": node.task.type_name, **node.task.properties}
        if node.called is not None:
            called = {"namespace": node.called.namespace, "flowId": node.called.flow, "revision": node.called.revision}
            task = {**task, "subflowId": {name: value for name, value in called.items() if value is not None}}
        run, states = runs.get(id, (None, None))
    return NodeShape(
        uid=node.uid,
        type=NODES[node.kind],
        relation_type=node.relation,
        branch_type=node.branch,
        task=task,
        trigger_declaration=dict(node.trigger) if node.trigger is not None else None,
        task_run=run,
        states=states,
    )


def _edges(graph: Graph) -> list[EdgeShape]:
    return [EdgeShape(it.source, it.target, RelationShape(it.relation, it.value)) for it in graph.edges]


def _cluster(cluster: Cluster) -> ClusterShape:
    task = cluster.task.fields.id if cluster.task is not None else None
    head = ClusterHead(cluster.uid, CLUSTERS[cluster.kind], task)
    return ClusterShape(head, cluster.nodes, list(cluster.parents), cluster.start, cluster.end)


def _blocks(graph: Graph) -> list[str]:
    """Ids of the tasks that have tasks of their own."""
    return [it.task.fields.id for it in graph.clusters if it.kind is ClusterKind.BLOCK and it.task is not None]


def _topology(own: set[tuple[str, str]], links: Iterable[Link]) -> TopologyShape:
    links = list(links)
    names = sorted(own | {name for link in links for name in (link.source, link.target)})
    return TopologyShape(
        nodes=[FlowNodeShape("/".join(name), *name) for name in names],
        edges=[FlowEdgeShape("/".join(it.source), "/".join(it.target), it.relation) for it in links],
    )
