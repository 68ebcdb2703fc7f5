"""The two dialects of flows, and every difference between them.

Dialect 1 is what version 1.3 of the peer reads, dialect 2 what 2.x reads. A flow says which it is by a first line
`# dialect: 1` or `# dialect: 2`; else whatever only dialect 2 has makes it one of dialect 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from engine.definition.diagnostic import Path, path_text

# The lists of tasks that a flow has.
BRANCHES = ("tasks", "errors", "finally", "afterExecution")

_FIRST_LINE = re.compile(r"#\s*dialect:\s*([12])\s*")


class Difference(NamedTuple):
    """One row of the table.

    place: where: flow, task, trigger, check, input or type
    name: the property or the type
    only: the dialect that has it
    instead: what the other dialect has in its place, if anything
    """

    place: str
    name: str
    only: int
    instead: str | None = None


DIFFERENCES: tuple[Difference, ...] = (
    Difference("flow", "pluginDefaults", 1),
    Difference("flow", "taskDefaults", 1),
    Difference("task", "runIf", 1, "when"),
    Difference("task", "when", 2, "runIf"),
    Difference("task", "onChildFailure", 2),
    Difference("trigger", "conditions", 1, "when"),
    Difference("trigger", "preconditions", 1, "dependsOn"),
    Difference("trigger", "when", 2, "conditions"),
    Difference("trigger", "dependsOn", 2, "preconditions"),
    Difference("trigger", "window", 2, "preconditions"),
    Difference("check", "condition", 1, "when"),
    Difference("check", "when", 2, "condition"),
    Difference("input", "FORM", 2),
    Difference("input", "OBJECT", 2),
    Difference("input", "TABLE", 2),
    Difference("input", "ION", 2),
    Difference("type", "core.flow.ForEach", 1, "core.flow.Loop"),
    Difference("type", "core.flow.ForEachItem", 1, "core.flow.Loop"),
    Difference("type", "core.flow.EachSequential", 1, "core.flow.Loop"),
    Difference("type", "core.flow.EachParallel", 1, "core.flow.Loop"),
    Difference("type", "core.flow.Template", 1, "core.flow.Subflow"),
    Difference("type", "core.flow.Loop", 2, "core.flow.ForEach"),
    Difference("type", "core.flow.Approval", 2, "core.flow.Pause"),
)
"""What dialect 1 alone has stays readable in dialect 2, with a warning that names the new form."""


ON_CHILD_FAILURE: Mapping[int, str] = {1: "CONTINUE", 2: "FAIL"}
"""By dialect, what becomes of the other tasks of a Parallel or Dag when one fails and it has no `onChildFailure`."""


def named_dialect(text: str) -> int | None:
    """The dialect that the first line of a flow names."""
    found = _FIRST_LINE.fullmatch(text.removeprefix("\ufeff").partition("\n")[0].rstrip())
    return int(found[1]) if found else None


def dialect_of(text: str, flow: Any, of_namespace: int | None = None) -> int:
    """1 or 2: what the first line says, else what is set for the namespace, else 2 for what dialect 2 alone has."""
    return named_dialect(text) or of_namespace or (2 if next(_marks(flow), None) else 1)


def dialect_reason(text: str, flow: Any, of_namespace: int | None = None) -> str:
    """Why a flow is of its dialect."""
    if named_dialect(text):
        return "its first line says so"
    if of_namespace:
        return "the setting `dialects` says so for its namespace"
    mark = next(_marks(flow), None)
    return f"{path_text(mark)} is of dialect 2 alone" if mark else "nothing in it is of dialect 2 alone"


def difference(place: str, name: str) -> Difference | None:
    """The row for a property or type, if there is one."""
    return _ROWS.get((place, name.removeprefix("io.kestra.plugin.")))


_ROWS: Mapping[tuple[str, str], Difference] = {(row.place, row.name): row for row in DIFFERENCES}


def _marks(flow: Any) -> Iterator[Path]:
    """Places of what dialect 2 alone has."""
    if not isinstance(flow, dict):
        return
    for place in ("inputs", "triggers", "checks"):
        found = flow.get(place)
        for index, item in enumerate(found if isinstance(found, list) else ()):
            if isinstance(item, dict) and place == "inputs":
                if _second("input", item.get("type")):
                    yield (place, index, "type")
            elif isinstance(item, dict):
                kind = place.removesuffix("s")
                yield from ((place, index, name) for name in item if _second(kind, name))
    for branch in BRANCHES:
        for path, item in maps_in(flow.get(branch), (branch,)):
            if isinstance(item.get("id"), str) and isinstance(item.get("type"), str):
                if any(_second(place, item["type"]) for place in ("type", "input")):
                    yield (*path, "type")
                yield from ((*path, name) for name in item if _second("task", name))


def _second(place: str, name: Any) -> bool:
    row = difference(place, name) if isinstance(name, str) else None
    return row is not None and row.only == 2


def maps_in(value: Any, at: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every map in a value, however deep, with its place."""
    todo = [(at, value)]
    while todo:
        path, value = todo.pop()
        if isinstance(value, dict):
            yield path, value
            todo.extend(((*path, name), item) for name, item in reversed(value.items()))
        elif isinstance(value, list):
            todo.extend(((*path, index), item) for index, item in reversed(list(enumerate(value))))
