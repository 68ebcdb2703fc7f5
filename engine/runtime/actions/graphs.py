"""Graphs of flows and executions, with subflows in the place of the tasks that start them."""

from __future__ import annotations

from collections.abc import Callable, Collection

from engine.definition.flow import Flow
from engine.definition.graph import Called, Graph, Node, NodeKind, graph_of
from engine.errors import Malformed
from engine.ids import ExecutionId
from engine.runtime.actions.control import Control
from engine.runtime.flows.plans import Plans
from engine.state.record import Record
from engine.store.protocols import Store

MOST_EXPANDED = 100

Allowed = Callable[[str], None]
"""Raises where the flows of a namespace may not be seen."""


class Graphs:
    """Makes graphs."""

    def __init__(self, store: Store, plans: Plans, control: Control) -> None:
        self._store = store
        self._control = control
        self._plans = plans

    async def of(self, flow: Flow, expanded: Collection[str], allowed: Allowed, record: Record | None = None) -> Graph:
        """The graph of a flow.

        expanded: uids of subflow tasks whose flows are shown in their place; others are not looked at
        record: an execution of the flow, which knows the flows whose names are expressions

        Raises NotFound, InvalidFlow, ExpressionError, Malformed for one whose name only an execution knows.
        """
        if len(expanded) > MOST_EXPANDED:
            raise Malformed(f"at most {MOST_EXPANDED} subflows can be shown at once")
        known: dict[str, Flow] = {}
        while True:
            graph = graph_of(flow, known)
            wanted = [
                node
                for node in graph.nodes
                if node.kind is NodeKind.SUBFLOW and node.uid in expanded and node.uid not in known
            ]
            if not wanted:
                return graph
            for node in wanted:
                # The task of a flow that is shown elsewhere in the graph is none of this execution's.
                own = node.flow == (flow.namespace, flow.id)
                known[node.uid] = await self._subflow(node, allowed, record if own else None)

    async def _subflow(self, node: Node, allowed: Allowed, record: Record | None) -> Flow:
        assert node.called is not None
        called = node.called
        if "{{" in f"{called.namespace}{called.flow}":
            called = await self._started(node, record)
        allowed(called.namespace)
        return (await self._plans.get(called.namespace, called.flow, called.revision)).flow

    async def _started(self, node: Node, record: Record | None) -> Called:
        """The flow of the execution that a task started, or would start."""
        assert node.task is not None
        assert node.called is not None
        task = node.task.fields.id
        if record is None:
            raise Malformed(
                f"the flow that '{task}' starts is named by an expression: only the graph of an execution can show it"
            )
        runs = [run for run in record.runs.values() if run.node == task]
        started = next((id for run in runs if (id := (run.outputs or {}).get("executionId"))), None)
        if started is not None:
            execution, _ = await self._store.executions.head(ExecutionId(str(started)))
            return Called(execution.namespace, execution.flow, execution.revision)
        names = [node.called.namespace, node.called.flow]
        namespace, flow = await self._control.evaluate(record.execution.id, names)
        return Called(str(namespace), str(flow), node.called.revision)
