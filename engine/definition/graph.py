"""A flow as a graph: its tasks as nodes, in clusters that are its blocks, and what follows what.

A cluster has a start and an end of its own. The flow itself is the cluster `root`, which is not listed; its triggers
are a cluster of their own that leads to its start. A node's uid is its place: `root.block.task`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from engine.definition.flow import Flow
from engine.definition.task import Task
from engine.executor.plan import Kind

ROOT = "root"
TRIGGERS = "Triggers"


class Relation(StrEnum):
    """How a node follows another one."""

    SEQUENTIAL = "SEQUENTIAL"
    CHOICE = "CHOICE"
    PARALLEL = "PARALLEL"
    DYNAMIC = "DYNAMIC"
    ERROR = "ERROR"
    FINALLY = "FINALLY"
    AFTER_EXECUTION = "AFTER_EXECUTION"


class NodeKind(StrEnum):
    START = "start"
    END = "end"
    TASK = "task"
    SUBFLOW = "subflow"
    TRIGGER = "trigger"


class ClusterKind(StrEnum):
    BLOCK = "block"
    SUBFLOW = "subflow"
    TRIGGERS = "triggers"


class Called(msgspec.Struct, frozen=True):
    """The flow that a task starts, as written: names may hold templates."""

    namespace: str
    flow: str
    revision: int | None = None


class Node(msgspec.Struct, frozen=True):
    """A node.

    relation: how it follows; of a block, how its tasks follow
    branch: ERROR, FINALLY or AFTER_EXECUTION where it, or a block around it, is none of the ordinary tasks
    task: of a task; trigger: of a trigger, as written
    flow: whose task it is, (namespace, id)
    """

    uid: str
    kind: NodeKind
    relation: Relation | None = None
    branch: Relation | None = None
    task: Task | None = None
    trigger: Mapping[str, Any] | None = None
    called: Called | None = None
    flow: tuple[str, str] | None = None


class Edge(msgspec.Struct, frozen=True):
    """value: which case of a choice"""

    source: str
    target: str
    relation: Relation | None = None
    value: str | None = None


class Cluster(msgspec.Struct, frozen=True):
    """parents: the clusters around it, the outermost first; nodes: uids of its own nodes and clusters"""

    uid: str
    kind: ClusterKind
    start: str
    end: str
    parents: tuple[str, ...]
    nodes: list[str]
    task: Task | None = None


class Graph(msgspec.Struct, frozen=True):
    nodes: list[Node]
    edges: list[Edge]
    clusters: list[Cluster]


RELATIONS: Mapping[Kind, Relation] = {
    Kind.PARALLEL: Relation.PARALLEL,
    Kind.IF: Relation.CHOICE,
    Kind.SWITCH: Relation.CHOICE,
    Kind.APPROVAL: Relation.CHOICE,
    Kind.FOREACH: Relation.DYNAMIC,
    Kind.EACH_PARALLEL: Relation.DYNAMIC,
    Kind.DAG: Relation.DYNAMIC,
    Kind.LOOP: Relation.DYNAMIC,
    Kind.LOOP_UNTIL: Relation.DYNAMIC,
    Kind.ITEMS: Relation.DYNAMIC,
}
SPREAD = frozenset({Kind.PARALLEL, Kind.EACH_PARALLEL})
"""Blocks whose tasks don't follow each other."""


def graph_of(flow: Flow, expanded: Mapping[str, Flow] | None = None) -> Graph:
    """The graph of a flow; `expanded` maps uids of subflow tasks to the flows that are shown in their place."""
    builder = _Builder(expanded or {})
    start, end = builder.add(Node(f"{ROOT}._start", NodeKind.START)), builder.add(Node(f"{ROOT}._end", NodeKind.END))
    builder.flow(flow, _Place(ROOT, start, end, (), [], None, (flow.namespace, flow.id)))
    return Graph(builder.nodes, builder.edges, builder.clusters)


def called_by(task: Task) -> Called | None:
    """The flow that a task starts executions of, if any."""
    properties: Mapping[str, Any] = {}
    if task.shape is None and getattr(task.plugin, "calls", False):
        properties = task.properties
    elif task.shape is not None and task.shape.kind is Kind.ITEMS:
        properties = task.shape.properties
    namespace, flow, revision = (properties.get(name) for name in ("namespace", "flowId", "revision"))
    if not isinstance(namespace, str) or not isinstance(flow, str):
        return None
    return Called(namespace, flow, revision if isinstance(revision, int) else None)


class _Place(msgspec.Struct, frozen=True):
    """Where nodes are put: a cluster, and what in it they follow.

    members: uids of what is in the cluster
    """

    uid: str
    start: str
    end: str
    parents: tuple[str, ...]
    members: list[str]
    branch: Relation | None
    flow: tuple[str, str]
    relation: Relation = Relation.SEQUENTIAL


class _Builder:
    def __init__(self, expanded: Mapping[str, Flow]) -> None:
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.clusters: list[Cluster] = []
        self._expanded = expanded

    def add(self, node: Node) -> str:
        self.nodes.append(node)
        return node.uid

    def flow(self, flow: Flow, place: _Place, after: str | None = None) -> None:
        """The tasks and triggers of a flow; the first one follows `after`, by default the start of the place."""
        self._triggers(flow, place)
        exits = self._branches(flow.branches, Kind.SEQUENTIAL, place, after or place.start)
        later = [tasks for name, tasks in flow.branches.items() if name not in ("tasks", "errors", "finally")]
        exits = self._last(later, Relation.AFTER_EXECUTION, place, exits)
        self._link(exits, place.end)

    def _triggers(self, flow: Flow, place: _Place) -> None:
        if not flow.triggers:
            return
        uid = f"{place.uid}.{TRIGGERS}"
        inside = self._cluster(uid, ClusterKind.TRIGGERS, place)
        for trigger in flow.triggers:
            node = Node(f"{uid}.{trigger['id']}", NodeKind.TRIGGER, trigger=trigger, flow=place.flow)
            inside.members.append(self.add(node))
            self.edges += [Edge(inside.start, node.uid), Edge(node.uid, inside.end)]
        self.edges.append(Edge(inside.end, place.start))

    def _branches(self, branches: Mapping[str, Sequence[Task]], kind: Kind, place: _Place, after: str) -> list[str]:
        """The tasks of a block or flow; returns the uids that lead out of it."""
        exits: list[str] = []
        for name, tasks in branches.items():
            if name == "tasks":
                exits += self._spread(tasks, place, after) if kind in SPREAD else self._chain(tasks, place, after)
            elif name == "errors":
                exits += self._chain(tasks, _off(place, Relation.ERROR), after)
            elif kind is not Kind.SEQUENTIAL and name != "finally":
                exits += self._chain(tasks, place, after, name.removeprefix("case:"))
        return self._last([branches.get("finally", ())], Relation.FINALLY, place, exits or [after])

    def _last(self, chains: Sequence[Sequence[Task]], relation: Relation, place: _Place, exits: list[str]) -> list[str]:
        """Chains of tasks that follow all others; returns the uids that lead out."""
        found: list[str] = []
        for tasks in chains:
            if not tasks:
                continue
            first, *others = tasks
            apart = _off(place, relation)
            entry, last = self._task(first, apart)
            self.edges += [Edge(source, entry, relation) for source in exits]
            found += self._chain(others, apart, last) if others else [last]
        return found or exits

    def _chain(self, tasks: Sequence[Task], place: _Place, after: str, value: str | None = None) -> list[str]:
        if not tasks:
            return []
        relation = place.relation
        for task in tasks:
            entry, last = self._task(task, place)
            self.edges.append(Edge(after, entry, relation, value))
            after, value = last, None
            relation = relation if relation in (Relation.DYNAMIC, Relation.ERROR) else Relation.SEQUENTIAL
        return [after]

    def _spread(self, tasks: Sequence[Task], place: _Place, after: str) -> list[str]:
        exits = []
        for task in tasks:
            entry, last = self._task(task, place)
            self.edges.append(Edge(after, entry, place.relation))
            exits.append(last)
        return exits

    def _dag(self, task: Task, place: _Place, after: str) -> list[str]:
        """Tasks that wait for others, and the exits: those that nobody waits for."""
        assert task.shape is not None
        waits: Mapping[str, Sequence[str]] = {str(id): names for id, names in task.shape.depends_on.items()}
        ends = {child.fields.id: self._task(child, place) for child in task.branches.get("tasks", ())}
        waited = {name for names in waits.values() for name in names}
        for id, (entry, _) in ends.items():
            names = [name for name in waits.get(id, ()) if name in ends]
            self.edges += [Edge(ends[name][1], entry, Relation.SEQUENTIAL) for name in names]
            if not names:
                self.edges.append(Edge(after, entry, place.relation))
        return [last for id, (_, last) in ends.items() if id not in waited]

    def _task(self, task: Task, place: _Place) -> tuple[str, str]:
        """A task or a block; returns the uids by which one comes in and goes out."""
        uid = f"{place.uid}.{task.fields.id}"
        called = called_by(task)
        kind = NodeKind.SUBFLOW if called is not None else NodeKind.TASK
        node = Node(uid, kind, place.relation, place.branch, task, called=called, flow=place.flow)
        if uid in self._expanded:
            return self._subflow(node, self._expanded[uid], place)
        if task.shape is None or not any(task.branches.values()):
            place.members.append(self.add(node))
            return uid, uid
        block = task.shape.kind
        inside = self._cluster(uid, ClusterKind.BLOCK, place, task)
        inside = msgspec.structs.replace(inside, relation=RELATIONS.get(block, Relation.SEQUENTIAL))
        inside.members.append(self.add(msgspec.structs.replace(node, relation=inside.relation)))
        self.edges.append(Edge(inside.start, uid))
        if block is Kind.DAG:
            exits = self._dag(task, inside, uid)
            others = {name: tasks for name, tasks in task.branches.items() if name != "tasks"}
            exits += [last for last in self._branches(others, Kind.SEQUENTIAL, inside, uid) if last != uid]
        else:
            exits = self._branches(task.branches, block, inside, uid)
        self._link(exits, inside.end)
        return inside.start, inside.end

    def _subflow(self, node: Node, flow: Flow, place: _Place) -> tuple[str, str]:
        """The flow that a task starts, in its place."""
        inside = self._cluster(node.uid, ClusterKind.SUBFLOW, place, node.task)
        inside.members.append(self.add(node))
        self.edges.append(Edge(inside.start, node.uid))
        within = msgspec.structs.replace(inside, flow=(flow.namespace, flow.id), branch=None)
        self.flow(flow, within, node.uid)
        return inside.start, inside.end

    def _cluster(self, uid: str, kind: ClusterKind, place: _Place, task: Task | None = None) -> _Place:
        name = f"cluster_{uid}"
        start, end = self.add(Node(f"{uid}._start", NodeKind.START)), self.add(Node(f"{uid}._end", NodeKind.END))
        cluster = Cluster(name, kind, start, end, place.parents, [start, end], task)
        self.clusters.append(cluster)
        place.members.append(name)
        return _Place(uid, start, end, (*place.parents, name), cluster.nodes, place.branch, place.flow)

    def _link(self, exits: Sequence[str], end: str) -> None:
        self.edges += [Edge(source, end) for source in exits]


def _off(place: _Place, relation: Relation) -> _Place:
    return msgspec.structs.replace(place, relation=relation, branch=place.branch or relation)
