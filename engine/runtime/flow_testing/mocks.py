"""Stand-ins for tasks of a flow that is tested: they give outputs and a state, and the task is not run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from pydantic import Field

from engine.errors import TaskError
from engine.executor.plan import Kind, Node, Plan, make_plan
from engine.ids import NodeId
from engine.plugin import Context, Result, Task, Template
from engine.runtime.flows.plans import Compiled, Prepared
from engine.state.status import Status


class Mock(NamedTuple):
    """What a task gives: outputs, in which expressions are rendered, and its state.

    value: only where the nearest loop around it is at this value
    """

    task: str
    outputs: Mapping[str, Any]
    state: Status = Status.SUCCESS
    value: str | None = None


class MockedTask(Task):
    """Gives outputs without doing anything."""

    outputs: Template = Field(description="The outputs.")
    state: str = Field(description="How it ends.")
    files: dict[str, str] = Field(description="What expressions see as `files`.")

    async def run(self, ctx: Context) -> Result:
        """Give the outputs, or fail with them."""
        outputs = await ctx.render(self.outputs, typed=True, files=self.files)
        if self.state == Status.FAILED:
            raise TaskError("The fixture of this task says that it fails", outputs=outputs)
        return Result(outputs, self.state)


class Mocks(NamedTuple):
    """The stand-ins for tasks of one flow; `files` are URIs by name."""

    namespace: str
    flow: str
    tasks: tuple[Mock, ...]
    files: Mapping[str, str] = {}

    def stand_in(self, compiled: Compiled) -> None:
        """Let the stand-ins be run in the place of tasks, if it is this flow.

        A block with a stand-in becomes a task, and nothing inside it is run.
        """
        plan = compiled.plan
        if (plan.namespace, plan.flow) != (self.namespace, self.flow) or not self.tasks:
            return
        whole = {NodeId(mock.task): self._prepared(mock) for mock in self.tasks if mock.value is None}
        compiled.plan = _replaced(plan, frozenset(whole))
        compiled.tasks.update(whole)
        compiled.gather()
        for mock in self.tasks:
            if mock.value is not None:
                own = compiled.tasks[NodeId(mock.task)]
                own.mocks = {**own.mocks, mock.value: self._prepared(mock)}

    def _prepared(self, mock: Mock) -> Prepared:
        properties = {"outputs": dict(mock.outputs), "state": mock.state.value, "files": dict(self.files)}
        return Prepared(MockedTask, properties)


def _replaced(plan: Plan, mocked: frozenset[NodeId]) -> Plan:
    root = _bare(plan.root, mocked)
    made = make_plan(namespace=plan.namespace, flow=plan.flow, revision=plan.revision, root=root)
    return msgspec.structs.replace(plan, root=root, nodes=made.nodes, parents=made.parents)


def _bare(node: Node, mocked: frozenset[NodeId]) -> Node:
    """A node without what a stand-in doesn't have: children, retries, a time limit."""
    if node.id in mocked:
        return Node(
            id=node.id,
            type=node.type,
            kind=Kind.TASK,
            run_if=node.run_if,
            allow_failure=node.allow_failure,
            allow_warning=node.allow_warning,
            log_level=node.log_level,
        )
    branches = {name: tuple(_bare(child, mocked) for child in branch) for name, branch in node.branches.items()}
    return msgspec.structs.replace(node, branches=branches) if branches else node
