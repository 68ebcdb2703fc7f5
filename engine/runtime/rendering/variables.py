"""What a template sees.

The variables of an execution are kept up to date while its process holds it; what only some templates look at is made
when they do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from engine.clock import to_datetime
from engine.executor.plan import Plan
from engine.runtime.keeping.outputs import revive, revive_deep
from engine.state.execution import TaskRun, parent_path
from engine.state.record import Record

ENVIRONMENT_PREFIX = "ENV_"


class View:
    """The variables of one execution, fed with each change of its record.

    around: for an iteration of a loop, the variables of the execution that the loop belongs to; it sees those besides
    """

    __slots__ = ("_around", "_outputs", "_plan", "_record")

    def __init__(self, plan: Plan, record: Record, around: View | None = None) -> None:
        self._plan = plan
        self._record = record
        self._around = around
        self._outputs: dict[str, Any] = {} if around is None else dict(around._outputs)
        for run in sorted(record.runs.values(), key=lambda run: run.order):
            self.add(run)

    @property
    def around(self) -> View | None:
        """The variables of the execution around."""
        return self._around

    @property
    def record(self) -> Record:
        """The record that is looked at."""
        return self._record

    def add(self, run: TaskRun) -> None:
        """Take in the outputs of a task run that changed."""
        if run.outputs is None:
            return
        place = self._outputs
        keys = self._keys(run)
        for key in keys[:-1]:
            below = place.get(key)
            if not isinstance(below, dict):
                below = place[key] = {}
            place = below
        place[keys[-1]] = revive(run.outputs)

    def _keys(self, run: TaskRun) -> list[str]:
        """Where the outputs of a task run stand in `outputs`."""
        keys = [run.node, *self._values(run.path)]
        if run.reported and run.value is not None and run.node not in self._plan.nodes:
            keys.append(run.value)
        return keys

    def _with(self, beside: Sequence[TaskRun]) -> dict[str, Any]:
        """All outputs, and those of more task runs."""
        outputs = dict(self._outputs)
        for run in beside:
            if run.outputs is None:
                continue
            place = outputs
            keys = self._keys(run)
            for key in keys[:-1]:
                below = place.get(key)
                place[key] = dict(below) if isinstance(below, dict) else {}
                place = place[key]
            place[keys[-1]] = revive(run.outputs)
        return outputs

    def of_flow(self) -> Variables:
        """What expressions of the flow itself see."""
        return Variables({"outputs": self._outputs}, self)

    def of(self, run: TaskRun, beside: Sequence[TaskRun] = ()) -> Variables:
        """What expressions of a task see in its task run; `beside` are others whose outputs may be new to this view."""
        ancestors = self._ancestors(run)
        node = self._plan.nodes.get(run.node)
        made = {
            "outputs": self._with(beside) if beside else self._outputs,
            "task": {"id": run.node, "type": node.type if node else ""},
            "taskrun": self._task_run(run),
            "parents": ancestors,
        }
        if ancestors:
            made["parent"] = ancestors[0]
        return Variables(made, self)

    def loop_value(self, run: TaskRun) -> str | None:
        """Value of the nearest loop around a task run."""
        path = run.path
        while path and (found := self._record.runs.get(path)) is not None:
            if found.value is not None:
                return found.value
            path = parent_path(path)
        return None

    def has_task(self, id: str) -> bool:
        return id in self._plan.nodes

    def shows(self, name: object) -> bool:
        """Whether there is a variable of this name; `inputs` is there when the execution has some."""
        if name == "item":
            return self._record.execution.item is not None
        if name == "inputs":
            return bool(self._record.execution.inputs) or (self._around is not None and self._around.shows(name))
        return name in MAKERS

    def flow(self) -> dict[str, Any]:
        execution = self._record.execution
        return {
            "id": execution.flow,
            "namespace": execution.namespace,
            "revision": execution.revision,
            "tenantId": execution.tenant,
        }

    def inputs(self) -> dict[str, Any]:
        return revive_deep(self._record.execution.inputs) if self._around is None else self._around.inputs()

    def vars(self) -> dict[str, Any]:
        changed = self._record.execution.variables
        if changed is None and self._around is not None:
            return self._around.vars()
        return dict(self._plan.variables) if changed is None else revive_deep(changed)

    def globals(self) -> dict[str, Any]:
        return dict(self._plan.globals)

    def trigger(self) -> dict[str, Any]:
        if self._around is not None:
            return self._around.trigger()
        trigger = self._record.execution.trigger
        return revive_deep(trigger.variables) if trigger else {}

    def execution(self) -> dict[str, Any]:
        execution = self._record.execution
        return {
            "id": execution.id,
            "startDate": to_datetime(execution.started),
            "originalId": execution.original or execution.id,
            "state": execution.state.value,
            "outputs": execution.outputs,
        }

    def labels(self) -> dict[str, Any]:
        labels: dict[str, Any] = {} if self._around is None else self._around.labels()
        for label in self._record.execution.labels:
            place = labels
            *above, last = label.key.split(".")
            for key in above:
                below = place.setdefault(key, {})
                place = below if isinstance(below, dict) else place
            place.setdefault(last, label.value)
        return labels

    def item(self) -> dict[str, Any]:
        """What an iteration is for: `value`, `index`, `key`; `parent` is the loop around, `parents` begins outside."""
        item = self._record.execution.item
        assert item is not None
        shown: dict[str, Any] = {"value": item.value, "index": item.index}
        if item.key is not None:
            shown["key"] = item.key
        if self._around is not None and self._around.shows("item"):
            above = self._around.item()
            shown["parent"] = {name: value for name, value in above.items() if name not in ("parent", "parents")}
            shown["parents"] = [*above.get("parents", ()), shown["parent"]]
        return shown

    def tasks(self) -> dict[str, Any]:
        tasks: dict[str, Any] = {} if self._around is None else self._around.tasks()
        # A list: a thread may be looking while the loop adds runs.
        for run in list(self._record.runs.values()):
            place = tasks.setdefault(run.node, {})
            for value in self._values(run.path):
                place = place.setdefault(value, {})
            place["state"] = run.state.value
        return tasks

    def _task_run(self, run: TaskRun) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": run.id,
            "startDate": to_datetime(run.history[0].at),
            "attemptsCount": sum(1 for attempt in run.attempts if attempt.state.terminal),
        }
        above = self._record.runs.get(parent_path(run.path))
        if above is not None:
            shown["parentId"] = above.id
        if run.value is not None:
            shown["value"] = run.value
        if run.iteration is not None:
            shown["iteration"] = run.iteration
        return shown

    def _ancestors(self, run: TaskRun) -> list[dict[str, Any]]:
        """Enclosing task runs that have a loop value or outputs, nearest first."""
        found = []
        path = parent_path(run.path)
        while path and (above := self._record.runs.get(path)) is not None:
            shown: dict[str, Any] = {}
            if above.value is not None:
                shown["taskrun"] = {"value": above.value, "iteration": above.iteration}
            if above.outputs:
                shown["outputs"] = revive(above.outputs)
            if shown:
                found.append(shown)
            path = parent_path(path)
        return found

    def _values(self, path: str) -> list[str]:
        """Loop values that a task run stands under, outermost first."""
        if "#" not in path:
            return []
        values = []
        prefix = ""
        for segment in path.split("/")[:-1]:
            bare, _, lane = segment.partition("#")
            loop = f"{prefix}{bare}"
            if lane:
                values.append(self._record.answers[loop].value[int(lane)])
            prefix += f"{segment}/"
        return values


MAKERS: Mapping[str, Callable[[View], Any]] = {
    "flow": View.flow,
    "inputs": View.inputs,
    "vars": View.vars,
    "trigger": View.trigger,
    "execution": View.execution,
    "labels": View.labels,
    "item": View.item,
    "tasks": View.tasks,
    "envs": lambda _view: environment_variables(),
    "globals": View.globals,
    "kestra": lambda _view: {"environment": {}, "url": None},
}


class Variables(Mapping[str, Any]):
    """Named values of one execution, most of them made at first look."""

    __slots__ = ("_made", "_view")

    def __init__(self, made: dict[str, Any], view: View) -> None:
        self._made = made
        self._view = view

    def __getitem__(self, name: str) -> Any:
        if name in self._made:
            return self._made[name]
        if not self._view.shows(name):
            raise KeyError(name)
        value = self._made[name] = MAKERS[name](self._view)
        return value

    def __iter__(self) -> Iterator[str]:
        yield from self._made
        yield from (name for name in MAKERS if name not in self._made and self._view.shows(name))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return name in self._made or self._view.shows(name)

    def names_task(self, id: str) -> bool:
        """Whether the flow has a task of this id."""
        return self._view.has_task(id)

    def extended(self, extra: Mapping[str, Any]) -> Variables:
        """The same with more names; `extra` wins."""
        return Variables({**self._made, **extra}, self._view)


def environment_variables() -> dict[str, str]:
    """`envs`: the engine's variables that are named ENV_…, without that prefix and in lower case."""
    return {
        name.removeprefix(ENVIRONMENT_PREFIX).lower(): value
        for name, value in os.environ.items()
        if name.startswith(ENVIRONMENT_PREFIX)
    }
