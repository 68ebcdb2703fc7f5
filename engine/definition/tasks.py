"""Reads the tasks of a flow, blocks and all they hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import create_model

from engine.definition.annotations import as_texts, fields_by_name, property_names
from engine.definition.collect import Collector
from engine.definition.declared import Input
from engine.definition.diagnostic import Path
from engine.definition.dialect import ON_CHILD_FAILURE, difference
from engine.definition.labels import check_labels
from engine.definition.outputs import Output
from engine.definition.plugins import find_plugin
from engine.definition.references import check_inputs, check_types
from engine.definition.task import COMMON, NO_EFFECT, NO_EFFECT_ON_BLOCKS, NO_EFFECT_ON_FOLDERS, Task, TaskFields
from engine.executor.plan import FlowOutput, Kind
from engine.ids import NodeId
from engine.plugin.base import Block, FolderBlock, Plugin, Shape, TaskRunner
from engine.plugin.base import Task as Runnable
from engine.plugin.index import Index

ASSETS = "assets"


class TaskReader:
    """Reads tasks and reports what is wrong with them."""

    def __init__(self, collector: Collector, index: Index, dialect: int, flow: tuple[Any, Any] = (None, None)) -> None:
        """`flow` is the namespace and the id of the flow that the tasks belong to."""
        self._flow = flow
        self._collector = collector
        self._index = index
        self._dialect = dialect
        self._ids: dict[str, int] = {}

    def branch(self, raw: Any, path: Path) -> tuple[Task, ...]:
        """The tasks of a list. What is no map is for the list's owner to report."""
        items = raw if isinstance(raw, list) else []
        read = [self.task(item, (*path, place)) for place, item in enumerate(items)]
        return tuple(task for task in read if task is not None)

    def task(self, raw: Any, path: Path) -> Task | None:
        """One task, or None after reporting why not."""
        if not isinstance(raw, dict):
            return None
        common = {name: value for name, value in raw.items() if name in COMMON}
        common = as_texts((TaskFields,), common, path, self._collector.text)
        fields = self._collector.validate(TaskFields, common, path)
        self._unique(raw.get("id"), path)
        self._dialect_of(raw, path)
        plugin = self._plugin(raw.get("type"), path)
        if plugin is None:
            return None
        names = fields_by_name(plugin)
        if {"namespace", "flowId"} <= names.keys() and (raw.get("namespace"), raw.get("flowId")) == self._flow:
            called = ".".join(map(str, self._flow))
            self._collector.error(path, f"Invalid Flow: Recursive call to flow [{called}]", "recursion")
        own = {name: value for name, value in raw.items() if name not in COMMON or name in names}
        if ASSETS in own and ASSETS not in names:
            del own[ASSETS]
            who = f"Task '{raw.get('id')}' can't have any `assets`"
            text = f"{who} because assets are only available in Enterprise Edition."
            self._collector.error((*path, ASSETS), text, "enterprise", key=True)
        own = as_texts((plugin,), own, path, self._collector.text)
        if issubclass(plugin, Block):
            without = NO_EFFECT_ON_FOLDERS if issubclass(plugin, FolderBlock) else NO_EFFECT_ON_BLOCKS
            self._without_effect(raw, path, without, "on a block")
            shape, branches = self._block(plugin, own, path, str(raw.get("id")))
            valid = shape is not None
        else:
            shape, branches = None, {}
            valid = self._runnable(plugin, own, path)
        if fields is None or not valid:
            return None
        inputs = self._inputs(shape, path) if shape is not None else ()
        outputs = self._outputs(shape, path) if shape is not None else ()
        return Task(fields, self._index.canonical(fields.type), plugin, own, shape, branches, inputs, outputs)

    def _unique(self, id: Any, path: Path) -> None:
        if not isinstance(id, str):
            return
        if id in self._ids:
            text = f"Duplicate task id with name [{id}], it stands first on line {self._ids[id]}"
            self._collector.error((*path, "id"), text, "duplicate-id")
        else:
            self._ids[id] = self._collector.line((*path, "id"))

    def _dialect_of(self, raw: Mapping[str, Any], path: Path) -> None:
        for name in raw:
            row = difference("task", name)
            if row is None or row.only == self._dialect:
                continue
            instead = f", write '{row.instead}'" if row.instead else ""
            if row.only == 2:
                self._collector.error((*path, name), f"exists in dialect 2 only{instead}", "dialect", key=True)
            else:
                self._collector.warn((*path, name), f"is of dialect 1{instead}", "dialect", key=True)
        if raw.get("runIf") is not None and raw.get("when") is not None:
            self._collector.error(
                (*path, "runIf"), "'runIf' and 'when' are one property, keep one", "dialect", key=True
            )
        self._without_effect(raw, path, NO_EFFECT, "in this version")

    def _without_effect(self, raw: Mapping[str, Any], path: Path, names: Mapping[str, str], where: str) -> None:
        for name, instead in names.items():
            if raw.get(name):
                self._collector.warn((*path, name), f"has no effect {where}: {instead}", "no-effect", key=True)

    def _plugin(self, name: Any, path: Path) -> type[Plugin] | None:
        if not isinstance(name, str) or not name:
            return None
        place = (*path, "type")
        plugin = find_plugin(self._index, name, place, self._collector, required=True)
        if plugin is None or issubclass(plugin, Block | Runnable):
            return plugin
        self._collector.error(place, f"Invalid type: {name} is not a task", "unknown-type")
        return None

    def _runnable(self, plugin: type[Plugin], own: dict[str, Any], path: Path) -> bool:
        before = self._collector.errors
        self._check(plugin, own, path, rendered=True)
        if issubclass(plugin, Runnable) and plugin.calls:
            check_labels(own.get("labels"), (*path, "labels"), self._collector, end=".")
        runner = own.get("taskRunner")
        if isinstance(runner, dict) and isinstance(runner.get("type"), str):
            self._runner(runner, (*path, "taskRunner"))
        return self._collector.errors == before

    def _runner(self, raw: dict[str, Any], path: Path) -> None:
        # Which runner stands in for one that is not installed is for the task to say.
        plugin = find_plugin(self._index, raw["type"], (*path, "type"), self._collector, required=False)
        if plugin is not None and issubclass(plugin, TaskRunner):
            names = property_names(plugin)
            own = {name: value for name, value in raw.items() if name != "type" or name in names}
            self._check(plugin, as_texts((plugin,), own, path, self._collector.text), path, rendered=True)

    def _block(
        self, plugin: type[Block], own: dict[str, Any], path: Path, id: str
    ) -> tuple[Shape | None, dict[str, tuple[Task, ...]]]:
        before = self._collector.errors
        block = self._check(plugin, own, path, rendered=issubclass(plugin, FolderBlock))
        fits = self._collector.errors == before
        branches: dict[str, list[Task]] = {}
        for child in plugin.children(own):
            task = self.task(child.raw, (*path, *child.place))
            if issubclass(plugin, FolderBlock) and child.branch == "tasks":
                self._member(task, child.raw, (*path, *child.place), id, plugin)
            if task is not None:
                branches.setdefault(child.branch, []).append(task)
        if issubclass(plugin, FolderBlock):
            # Its properties are rendered later, so that they may fit only then.
            shape = Shape(Kind.FOLDER) if fits else None
        else:
            shape = self._shape(block, id, path) if isinstance(block, Block) else None
        return shape, {name: tuple(tasks) for name, tasks in branches.items()}

    def _member(self, task: Task | None, raw: Any, path: Path, id: str, block: type[Plugin]) -> None:
        """What a task of a folder can't be; what else is wrong with it was said where it was read."""
        if task is not None and not (issubclass(task.plugin, Runnable) and not task.plugin.calls):
            text = f"{id}: Only runnable tasks are allowed as children of a {block.__name__} task"
            self._collector.error(path, text, "block")
        if isinstance(raw, dict) and raw.get("workerGroup") is not None:
            text = (
                f"{id}: Cannot set a Worker Group in any {block.__name__} sub-tasks, it is only supported at the "
                f"{block.__name__} level"
            )
            self._collector.error((*path, "workerGroup"), text, "block", key=True)

    def _shape(self, block: Block, id: str, path: Path) -> Shape | None:
        before = self._collector.errors
        try:
            for place, text in block.diagnose():
                self._collector.error((*path, *place), text, "block")
            for place, text in block.warn():
                self._collector.warn((*path, *place), text, "block")
            shape = block.shape()
        except Exception as error:
            self._failed(type(block), error, path)
            return None
        if self._collector.errors == before:
            for text in _wrong_dependencies(shape.depends_on):
                self._collector.error(path, f"{id}: {text}", "dependency")
        if shape.kind in (Kind.PARALLEL, Kind.DAG) and not shape.on_child_failure:
            shape = shape._replace(on_child_failure=ON_CHILD_FAILURE[self._dialect])
        return shape

    def _inputs(self, shape: Shape, path: Path) -> tuple[Input, ...]:
        """What a block asks for when it is resumed."""
        if shape.inputs is None:
            return ()
        name, raw = shape.inputs
        check_types(raw, self._collector, self._dialect, (*path, name))
        check_inputs(raw, self._collector, (*path, name))
        model = create_model("Asked", **{name: (tuple[Input, ...], ())})  # type: ignore[call-overload]
        asked = self._collector.validate(model, {name: raw or []}, path)
        return () if asked is None else tuple(getattr(asked, name))

    def _outputs(self, shape: Shape, path: Path) -> tuple[FlowOutput, ...]:
        """What each iteration of a block gives."""
        if shape.outputs is None:
            return ()
        name, raw = shape.outputs
        model = create_model("Given", **{name: (tuple[Output, ...], ())})  # type: ignore[call-overload]
        given = self._collector.validate(model, {name: raw or []}, path)
        return () if given is None else tuple(output.compiled() for output in getattr(given, name))

    def _check(self, plugin: type[Plugin], own: dict[str, Any], path: Path, *, rendered: bool) -> Plugin | None:
        try:
            return self._collector.validate(plugin, own, path, rendered=rendered, also=tuple(sorted(COMMON)))
        except Exception as error:
            self._failed(plugin, error, path)
            return None

    def _failed(self, plugin: type[Plugin], error: Exception, path: Path) -> None:
        text = f"{plugin.__name__} failed to check its properties: {type(error).__name__}: {error}"
        self._collector.error(path, text, "broken-plugin")


def _wrong_dependencies(depends_on: Mapping[NodeId, tuple[NodeId, ...]]) -> Iterator[str]:
    """Names that don't exist, then one ring."""
    missing = sorted({name for waits in depends_on.values() for name in waits} - depends_on.keys())
    if missing:
        yield f"Not existing task id in dependency: {', '.join(missing)}"
        return
    open_waits = {name: set(waits) for name, waits in depends_on.items()}
    while ready := [name for name, waits in open_waits.items() if not waits]:
        for name in ready:
            del open_waits[name]
        for waits in open_waits.values():
            waits.difference_update(ready)
    while behind := open_waits.keys() - {name for waits in open_waits.values() for name in waits}:
        for name in behind:
            del open_waits[name]
    if open_waits:
        yield f"Cyclic dependency detected: {', '.join(sorted(open_waits))}"
