"""The plan: what a flow compiles to. An immutable tree of nodes, each with the id of its task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from engine.ids import NodeId
from engine.state.execution import Label
from engine.state.status import Status


class Kind(StrEnum):
    """How a node opens its branches."""

    TASK = "task"
    SEQUENTIAL = "sequential"
    PARALLEL = "parallel"
    IF = "if"
    SWITCH = "switch"
    FOREACH = "foreach"
    EACH_PARALLEL = "each_parallel"
    DAG = "dag"
    ALLOW_FAILURE = "allow_failure"
    PAUSE = "pause"
    APPROVAL = "approval"
    SCOPE = "scope"
    FOLDER = "folder"
    LOOP = "loop"
    ITEMS = "items"
    LOOP_UNTIL = "loop_until"


class Backoff(StrEnum):
    CONSTANT = "constant"
    EXPONENTIAL = "exponential"
    RANDOM = "random"


class Retry(msgspec.Struct, frozen=True):
    """When to try a failed task again. Durations in milliseconds; 0 attempts or None means no limit."""

    type: Backoff
    interval: int = 0
    min_interval: int = 0
    max_interval: int | None = None
    factor: float = 2.0
    max_attempts: int = 0
    max_duration: int | None = None
    warning_on_retry: bool = False
    new_execution: bool = False


class Cache(msgspec.Struct, frozen=True):
    """How long outputs of an equal earlier run are used again: a duration, not rendered; None is without end."""

    ttl: str | None = None


class FlowOutput(msgspec.Struct, frozen=True):
    """An output of the flow; `value` is not rendered."""

    id: str
    type: str
    value: Any
    required: bool = True


class Node(msgspec.Struct, frozen=True):
    """One task of the flow.

    branches: children by branch name (tasks; then, else; case:KEY, defaults; errors; finally), disabled ones left out
    ask: the raw expression a block needs when it opens: If condition, Switch value, ForEach values; for a Pause a map
        of its times and its behavior, for a LoopUntil of its condition and its limits; for a scope its outputs
    inputs: what a Pause asks for when it is resumed, as declared
    retry: own, nearest enclosing block's, or the flow's
    concurrent: lanes open at once (ForEach) or children open at once (Parallel, Dag); 0 is unlimited
    depends_on: for a Dag: child id to the ids it waits for
    stops: for a Parallel or Dag: the state in which its other children are ended when one failed; None lets them go on
    properties: a runnable task's own properties, or what the runtime needs of a block, not rendered; common task
        properties are not among them
    transmit: what it starts executions for: their failures are its own
    waits: and it waits for their ends
    outputs: what each iteration of a Loop gives
    call: makes what is to be started of the rendered `properties`
    """

    id: NodeId
    type: str
    kind: Kind = Kind.TASK
    branches: Mapping[str, tuple[Node, ...]] = {}
    ask: Any = None
    run_if: str | None = None
    retry: Retry | None = None
    allow_failure: bool = False
    allow_warning: bool = False
    concurrent: int = 0
    depends_on: Mapping[NodeId, tuple[NodeId, ...]] = {}
    stops: Status | None = None
    fail_when_lost: bool = False
    timeout: str | None = None
    log_level: str | None = None
    log_to_file: bool = False
    cache: Cache | None = None
    properties: Mapping[str, Any] = {}
    inputs: tuple[Any, ...] = ()
    transmit: bool = True
    waits: bool = True
    outputs: tuple[FlowOutput, ...] = ()
    call: Any = None

    def children(self) -> Iterator[Node]:
        for branch in self.branches.values():
            yield from branch


class Sla(msgspec.Struct, frozen=True):
    """What every execution must keep to: a time in milliseconds, or an assertion.

    end: how one ends that doesn't; None lets it go on
    labels: what it gets
    """

    id: str
    end: Status | None = None
    labels: tuple[Label, ...] = ()
    duration: int | None = None
    assertion: str | None = None


class Plan(msgspec.Struct, frozen=True):
    """A compiled flow. `root` is a sequential node with an empty id; `nodes` finds every node by id.

    globals: values that the settings give to the templates of all flows
    at_once: iterations that a Loop without limit has going on at most
    listeners: the conditions of each
    """

    namespace: str
    flow: str
    revision: int
    root: Node
    nodes: Mapping[NodeId, Node]
    parents: Mapping[NodeId, NodeId]
    outputs: tuple[FlowOutput, ...] = ()
    variables: Mapping[str, Any] = {}
    tenant: str = "main"
    globals: Mapping[str, Any] = {}
    listeners: tuple[tuple[Any, ...], ...] = ()
    slas: tuple[Sla, ...] = ()
    at_once: int = 2000


def make_plan(
    *,
    namespace: str,
    flow: str,
    revision: int,
    root: Node,
    outputs: tuple[FlowOutput, ...] = (),
    variables: Mapping[str, Any] | None = None,
    slas: tuple[Sla, ...] = (),
    listeners: tuple[tuple[Any, ...], ...] = (),
) -> Plan:
    """Index a root node. Raises ValueError on an id that stands twice."""
    nodes: dict[NodeId, Node] = {}
    parents: dict[NodeId, NodeId] = {}
    todo = [root]
    while todo:
        node = todo.pop()
        if node.id in nodes:
            raise ValueError(f"task id '{node.id}' stands twice")
        nodes[node.id] = node
        for child in node.children():
            parents[child.id] = node.id
            todo.append(child)
    return Plan(
        namespace=namespace,
        flow=flow,
        revision=revision,
        root=root,
        nodes=nodes,
        parents=parents,
        outputs=outputs,
        variables=variables or {},
        slas=slas,
        listeners=listeners,
    )
