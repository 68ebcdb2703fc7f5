"""The two dialects of flows, and every difference between them.

Dialect 1 is what version 1.3 of the peer reads, dialect 2 what 2.x reads. A flow says which it is by a first line
`# dialect: 1` or `# dialect: 2`; else whatever only dialect 2 has makes it one of dialect 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_FIRST_LINE = re.compile(r"#\s*dialect:\s*([12])\s*")


class Difference(NamedTuple):
    """One row of the table.

    place: where in a flow: task, trigger, check, input or type
    name: the property or the type
    only: the dialect that has it
    instead: what the other dialect has in its place, if anything
    """

    place: str
    name: str
    only: int
    instead: str | None = None


DIFFERENCES: tuple[Difference, ...] = (
    Difference("task", "runIf", 1, "when"),
    Difference("task", "when", 2, "runIf"),
    Difference("task", "onChildFailure", 2),
    Difference("trigger", "conditions", 1, "when"),
    Difference("trigger", "preconditions", 1, "dependsOn"),
    Difference("trigger", "when", 2, "conditions"),
    Difference("trigger", "dependsOn", 2, "preconditions"),
    Difference("trigger", "window", 2, "preconditions"),
    Difference("check", "when", 2, "condition"),
    Difference("input", "FORM", 2),
    Difference("input", "OBJECT", 2),
    Difference("input", "TABLE", 2),
    Difference("input", "ION", 2),
    Difference("type", "core.flow.Loop", 2, "core.flow.ForEach"),
    Difference("type", "core.flow.Approval", 2, "core.flow.Pause"),
)
"""What dialect 1 alone has stays readable in dialect 2, with a warning that names the new form."""


def named_dialect(text: str) -> int | None:
    """The dialect that the first line of a flow names."""
    found = _FIRST_LINE.fullmatch(text.removeprefix("\ufeff").partition("\n")[0].rstrip())
    return int(found[1]) if found else None


def dialect_of(text: str, flow: Any, of_namespace: int | None = None) -> int:
    """1 or 2: what the first line says, else what is set for the namespace, else 2 for what dialect 2 alone has."""
    return named_dialect(text) or of_namespace or (2 if any(_marks(flow)) else 1)


def difference(place: str, name: str) -> Difference | None:
    """The row for a property or type, if there is one."""
    return _ROWS.get((place, name.removeprefix("io.kestra.plugin.")))


_ROWS: Mapping[tuple[str, str], Difference] = {(row.place, row.name): row for row in DIFFERENCES}


def _marks(flow: Any) -> Iterator[bool]:
    if not isinstance(flow, dict):
        return
    for place in ("inputs", "triggers", "checks"):
        for item in flow.get(place) or () if isinstance(flow.get(place), list) else ():
            if isinstance(item, dict) and place == "inputs":
                yield _second("input", item.get("type"))
            elif isinstance(item, dict):
                yield any(_second(place.removesuffix("s"), name) for name in item)
    for branch in ("tasks", "errors", "finally", "afterExecution"):
        for item in maps_in(flow.get(branch)):
            if isinstance(item.get("id"), str) and isinstance(item.get("type"), str):
                yield any(_second(place, item["type"]) for place in ("type", "input"))
                yield any(_second("task", name) for name in item)


def _second(place: str, name: Any) -> bool:
    row = difference(place, name) if isinstance(name, str) else None
    return row is not None and row.only == 2


def maps_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every map in a value, however deep."""
    todo = [value]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            yield value
            todo.extend(value.values())
        elif isinstance(value, list):
            todo.extend(value)
