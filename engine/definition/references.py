"""Whether the names in a flow are unique, allowed, and exist."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.definition.collect import Collector
from engine.definition.diagnostic import Path
from engine.definition.dialect import difference
from engine.definition.flow import RESERVED_IDS, USER_SYSTEM_LABELS
from engine.definition.labels import check_labels
from engine.nearness import did_you_mean, near_names


def check_names(raw: dict[str, Any], collector: Collector) -> None:
    """Report labels that only the engine sets, and warn of an id that other systems reserve."""
    id = raw.get("id")
    if isinstance(id, str) and id in RESERVED_IDS:
        collector.warn(("id",), f"'{id}' is a reserved word in later versions, choose another id", "reserved")
    check_labels(raw.get("labels"), ("labels",), collector, allowed=USER_SYSTEM_LABELS)


def check_types(raw: Any, collector: Collector, at: Path = ("inputs",)) -> None:
    """Report inputs of types that this version lacks; nothing else is said of them."""
    for place, item in _maps(raw):
        row = difference("input", item["type"]) if isinstance(item.get("type"), str) else None
        if row is not None:
            text = f"inputs of type {row.name} are not available in this version"
            collector.error((*at, place, "type"), text, "not-available")
            collector.ignore((*at, place))


def check_inputs(raw: Any, collector: Collector, at: Path = ("inputs",)) -> None:
    """Report ids that stand twice, and dependencies that don't exist or go in a ring."""
    check_unique(raw, at, "input", collector)
    waits: dict[str, list[str]] = {}
    for _, item in _maps(raw):
        id = item.get("id", item.get("name"))
        if isinstance(id, str):
            depends = item.get("dependsOn")
            names = depends.get("inputs") if isinstance(depends, dict) else None
            waits[id] = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    for place, item in _maps(raw):
        id = item.get("id", item.get("name"))
        if isinstance(id, str):
            _dependencies(id, (*at, place, "dependsOn", "inputs"), waits, collector)


def check_outputs(raw: Any, collector: Collector) -> None:
    """Report ids that stand twice."""
    check_unique(raw, ("outputs",), "output", collector)


def _dependencies(id: str, path: Path, waits: dict[str, list[str]], collector: Collector) -> None:
    for index, name in enumerate(waits[id]):
        if name not in waits:
            near = near_names(name, waits)
            text = f"Input with id '{id}' depends on a non-existent input '{name}'{did_you_mean(near)}."
            collector.error((*path, index), text, "unknown-input", near)
    seen: list[str] = []
    todo = list(waits[id])
    while todo:
        name = todo.pop()
        if name == id:
            text = f"Cycle dependency detected for input with id '{id}': [{', '.join(waits[id])}]"
            collector.error(path, text, "cycle")
            return
        if name not in seen:
            seen.append(name)
            todo.extend(waits.get(name, ()))


def check_unique(raw: Any, at: Path, kind: str, collector: Collector) -> None:
    """Report ids that stand twice in the list of maps at a path."""
    first: dict[str, int] = {}
    for place, item in _maps(raw):
        id = item.get("id", item.get("name"))
        if not isinstance(id, str):
            continue
        path = (*at, place, "id" if "id" in item else "name")
        if id in first:
            text = f"Duplicate {kind} with name [{id}], it stands first on line {first[id]}"
            collector.error(path, text, "duplicate-id")
        else:
            first[id] = collector.line(path)


def _maps(raw: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    for place, item in enumerate(raw if isinstance(raw, list) else ()):
        if isinstance(item, dict):
            yield place, item
