"""Flows as the runtime uses them: loaded, compiled and prepared once for each revision."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from engine.definition.compile import compile_flow
from engine.definition.diagnostic import Diagnostic, Severity
from engine.definition.flow import Flow
from engine.definition.inlining import templates_of
from engine.definition.load import load_flow
from engine.definition.migration import Migration, migration_of
from engine.definition.rules import NONE, Rules, TemplateId
from engine.definition.templates import holds_template
from engine.errors import InvalidFlow
from engine.executor.plan import Kind, Node, Plan, make_plan
from engine.ids import NodeId
from engine.plugin.base import FolderBlock, Task
from engine.plugin.fields import structured, unrendered
from engine.plugin.index import Index
from engine.runtime.flows.templates import Templates
from engine.state.execution import Execution, ExecutionKind, node_of
from engine.store.protocols import FlowStore
from engine.store.rows import StoredFlow

CACHED = 4000
LATEST = 0


class Prepared:
    """What is known of a runnable task before any attempt.

    templates: properties to be rendered
    literal: the others: what holds no template, and what the task renders itself
    structured: properties that may be given as a text which renders to JSON
    fixed: the validated task, where there is nothing to render
    members: the tasks of a folder
    mocks: what is run in its place where the nearest loop is at one of these values
    """

    __slots__ = ("fixed", "literal", "members", "mocks", "plugin", "structured", "templates")

    def __init__(self, plugin: type[Task] | type[FolderBlock], properties: Mapping[str, Any]) -> None:
        self.plugin = plugin
        own = unrendered(plugin)
        if issubclass(plugin, FolderBlock):
            own |= {"tasks", "errors", "finally"}
        self.templates = {name: it for name, it in properties.items() if name not in own and holds_template(it)}
        self.literal = {name: it for name, it in properties.items() if name not in self.templates}
        self.structured = structured(plugin)
        self.mocks: Mapping[str, Prepared] = {}
        self.fixed = None if self.templates else plugin.model_validate(dict(properties))
        self.members: tuple[tuple[Node, Prepared], ...] = ()


class Compiled:
    """A revision of a flow: its definition, its plan, its prepared tasks, and the templates that were put into it."""

    __slots__ = ("_iterations", "flow", "plan", "source", "tasks", "templates")

    def __init__(self, flow: Flow, plan: Plan, source: str, tasks: dict[NodeId, Prepared]) -> None:
        self.flow = flow
        self.plan = plan
        self.source = source
        self.tasks = tasks
        self.templates: Mapping[TemplateId, Mapping[str, Any] | None] = {}
        self._iterations: dict[NodeId, Compiled] = {}

        self.gather()

    def gather(self) -> None:
        """Give folders their tasks, as they now are."""
        for node in self.plan.nodes.values():
            if node.kind is Kind.FOLDER:
                members = node.branches.get("tasks", ())
                self.tasks[node.id].members = tuple((member, self.tasks[member.id]) for member in members)

    def iteration(self, loop: NodeId) -> Compiled:
        """What an iteration of a Loop runs: a part of this, without inputs and all that is of the flow as a whole."""
        if loop not in self._iterations:
            node = self.plan.nodes[loop]
            root = Node(id=NodeId(""), type="", kind=Kind.SEQUENTIAL, branches={"tasks": node.branches["tasks"]})
            part = make_plan(
                namespace=self.plan.namespace,
                flow=self.plan.flow,
                revision=self.plan.revision,
                root=root,
                outputs=node.outputs,
                variables=self.plan.variables,
            )
            part = msgspec.structs.replace(
                part, tenant=self.plan.tenant, globals=self.plan.globals, at_once=self.plan.at_once
            )
            self._iterations[loop] = Compiled(self.flow, part, self.source, self.tasks)
        return self._iterations[loop]


class Plans:
    """Compiled flows, the most recently used ones kept. `changed` may put something in the place of their tasks."""

    def __init__(
        self,
        flows: FlowStore,
        index: Index,
        globals: Mapping[str, Any] | None = None,
        changed: Callable[[Compiled], None] | None = None,
        rules: Rules = NONE,
        templates: Templates | None = None,
        at_once: int = 2000,
    ) -> None:
        self._flows = flows
        self._index = index
        self.globals = globals or {}
        self._at_once = max(1, at_once)
        self._changed = changed
        self._rules = rules
        self._templates = templates
        self._cache: OrderedDict[tuple[str, str, int], Compiled] = OrderedDict()

    async def get(self, namespace: str, flow: str, revision: int | None = None) -> Compiled:
        """The compiled revision, by default the latest that this process knows. Raises NotFound or InvalidFlow.

        Another process may have stored a later one: what starts an execution says so to the store (`Write.latest`).
        """
        asked = (namespace, flow, revision or LATEST)
        if asked in self._cache and await self._is_current(self._cache[asked]):
            return self._used(asked)
        stored = await self._flows.get(namespace, flow, revision)
        key = (namespace, flow, stored.revision)
        if key in self._cache and await self._is_current(self._cache[key]):
            compiled = self._used(key)
        else:
            compiled = await self._compile_whole(stored)
        self._put(asked, compiled)
        return compiled

    async def of(self, execution: Execution) -> Compiled:
        """What an execution runs: its flow, or as an iteration a loop of it. Raises NotFound or InvalidFlow."""
        asked = (execution.namespace, execution.flow, execution.revision)
        whole = self._used(asked) if asked in self._cache else await self.get(*asked)
        if execution.kind is not ExecutionKind.LOOP:
            return whole
        assert execution.caller is not None
        return whole.iteration(node_of(execution.caller.path))

    async def _compile_whole(self, stored: StoredFlow) -> Compiled:
        """A stored flow, with the templates that it names as they are now. Raises InvalidFlow."""
        flow = self.read(stored.source)
        if not self._rules.templates_enabled or self._templates is None or not (wanted := templates_of(flow)):
            return self._compile(flow, stored)
        templates = await self._templates.find(wanted)
        rules = self._rules._replace(templates=templates)
        compiled = self._compile(load_flow(stored.source, index=self._index, rules=rules).flow, stored)
        compiled.templates = templates
        return compiled

    async def _is_current(self, compiled: Compiled) -> bool:
        """Whether the templates in a flow are still what they were when it was compiled."""
        if not compiled.templates:
            return True
        assert self._templates is not None
        return await self._templates.find(compiled.templates) == compiled.templates

    def outdated(self, namespace: str, flow: str) -> None:
        """The latest revision that is remembered isn't the latest any more."""
        self._cache.pop((namespace, flow, LATEST), None)

    def forget(self, namespace: str, flow: str, revision: int) -> None:
        """A revision is gone."""
        self._cache.pop((namespace, flow, revision), None)

    def read(self, source: str, file: str | None = None) -> Flow:
        """The flow of a source text. Raises InvalidFlow with every mistake."""
        return load_flow(source, file=file, index=self._index, rules=self._rules).flow

    def check(self, source: str) -> tuple[Sequence[Diagnostic], Sequence[Diagnostic]]:
        """The mistakes of a flow's text, and what its author should know."""
        try:
            return (), load_flow(source, index=self._index, rules=self._rules).warnings
        except InvalidFlow as error:
            errors = [item for item in error.diagnostics if item.severity is Severity.ERROR]
            return errors, [item for item in error.diagnostics if item.severity is Severity.WARNING]

    def migration(self, source: str) -> Migration | None:
        """What in a flow's text has other names now; None for a text that is no flow."""
        return migration_of(source, self._index, self._rules)

    def keep(self, flow: Flow, stored: StoredFlow) -> None:
        """Compile a revision that was just stored and remember it as the latest."""
        if self._rules.templates_enabled and templates_of(flow):
            # It can only be compiled with what it names, when it is asked for.
            self.outdated(flow.namespace, flow.id)
            return
        self._put((flow.namespace, flow.id, LATEST), self._compile(flow, stored))

    def _compile(self, flow: Flow, stored: StoredFlow) -> Compiled:
        plan = msgspec.structs.replace(compile_flow(flow, stored.revision), globals=self.globals, at_once=self._at_once)
        runnable = (node for node in plan.nodes.values() if node.kind in (Kind.TASK, Kind.FOLDER))
        tasks = {node.id: _prepare(node, self._index) for node in runnable}
        compiled = Compiled(flow, plan, stored.source, tasks)
        if self._changed is not None:
            self._changed(compiled)
        self._put((flow.namespace, flow.id, stored.revision), compiled)
        return compiled

    def _put(self, key: tuple[str, str, int], compiled: Compiled) -> None:
        self._cache[key] = compiled
        while len(self._cache) > CACHED:
            self._cache.popitem(last=False)

    def _used(self, key: tuple[str, str, int]) -> Compiled:
        self._cache.move_to_end(key)
        return self._cache[key]


def _prepare(node: Node, index: Index) -> Prepared:
    plugin = index.find(node.type)
    if not issubclass(plugin, Task | FolderBlock):
        raise TypeError(f"{node.type} is not a runnable task")
    return Prepared(plugin, node.properties)
