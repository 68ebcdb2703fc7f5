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


def check_types(raw: Any, collector: Collector, dialect: int, at: Path = ("inputs",)) -> None:
    """Report inputs of types that only dialect 2 has in a flow that says it is one of dialect 1."""
    for path, _, item in _inputs(raw, at):
        row = difference("input", item["type"]) if isinstance(item.get("type"), str) else None
        if row is not None and row.only == 2 and dialect == 1:
            collector.error((*path, "type"), f"inputs of type {row.name} exist in dialect 2 only", "dialect")


def check_inputs(raw: Any, collector: Collector, at: Path = ("inputs",)) -> None:
    """Report ids that stand twice, and dependencies that don't exist or go in a ring. Ids in forms are full ids."""
    waits: dict[str, list[str]] = {}
    first: dict[str, int] = {}
    found = [(path, id, item) for path, id, item in _inputs(raw, at) if id]
    for path, id, item in found:
        _note(id, (*path, "id" if "id" in item else "name"), "input", first, collector)
        depends = item.get("dependsOn")
        names = depends.get("inputs") if isinstance(depends, dict) else None
        waits[id] = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    for path, id, _ in found:
        _dependencies(id, (*path, "dependsOn", "inputs"), waits, collector)


def _inputs(raw: Any, at: Path, form: str = "") -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """Place, full id and map of every declared input, those of forms too; no id where it isn't text."""
    for place, item in _maps(raw):
        id = item.get("id", item.get("name"))
        full = f"{form}{id}" if isinstance(id, str) else ""
        yield (*at, place), full, item
        if item.get("type") == "FORM" and full:
            yield from _inputs(item.get("inputs"), (*at, place, "inputs"), f"{full}.")


def check_outputs(raw: Any, collector: Collector) -> None:
    """Report ids that stand twice."""
    check_unique(raw, ("outputs",), "output", collector)


def _dependencies(id: str, path: Path, waits: dict[str, list[str]], collector: Collector) -> None:
    for index, name in enumerate(waits[id]):
        if name not in waits:
            full = f"{id.rpartition('.')[0]}.{name}"
            near = (full,) if full in waits else near_names(name, waits)
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
        if isinstance(id, str):
            _note(id, (*at, place, "id" if "id" in item else "name"), kind, first, collector)


def _note(id: str, path: Path, kind: str, first: dict[str, int], collector: Collector) -> None:
    """Remember the line of an id, or report that it stands twice."""
    if id in first:
        text = f"Duplicate {kind} with name [{id}], it stands first on line {first[id]}"
        collector.error(path, text, "duplicate-id")
    else:
        first[id] = collector.line(path)


def _maps(raw: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    for place, item in enumerate(raw if isinstance(raw, list) else ()):
        if isinstance(item, dict):
            yield place, item
