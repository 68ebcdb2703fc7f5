"""Reads conditions, those inside others too."""

from __future__ import annotations

from typing import Any

from engine.definition.annotations import as_texts
from engine.definition.collect import Collector
from engine.definition.diagnostic import Path
from engine.definition.plugins import find_plugin
from engine.plugin.base import Plugin
from engine.plugin.conditions import Condition
from engine.plugin.index import Index

NESTED = "conditions"


def read_conditions(raw: Any, path: Path, collector: Collector, index: Index) -> tuple[Condition, ...]:
    """The conditions of a list, without those that are reported as mistaken."""
    items = raw if isinstance(raw, list) else []
    read = [read_condition(item, (*path, place), collector, index) for place, item in enumerate(items)]
    return tuple(condition for condition in read if condition is not None)


def read_condition(raw: Any, path: Path, collector: Collector, index: Index) -> Condition | None:
    """One condition, or None after reporting why not."""
    if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
        collector.error(path, "a condition is a map with at least a type", "wrong-value")
        return None
    place = (*path, "type")
    plugin = find_plugin(index, raw["type"], place, collector, required=True)
    if plugin is None:
        return None
    if not issubclass(plugin, Condition):
        collector.error(place, f"Invalid type: {raw['type']} is not a condition", "unknown-type")
        return None
    own: dict[str, Any] = {name: value for name, value in raw.items() if name != "type"}
    own = as_texts((plugin,), own, path, collector.text)
    if NESTED in plugin.model_fields and isinstance(own.get(NESTED), list | dict):
        before = collector.errors
        own[NESTED] = _nested(own[NESTED], (*path, NESTED), collector, index)
        if collector.errors != before:
            return None
    found: Plugin | None = collector.validate(plugin, own, path)
    return found if isinstance(found, Condition) else None


def _nested(raw: list[Any] | dict[str, Any], path: Path, collector: Collector, index: Index) -> Any:
    """The conditions inside another one, which are a list or have names."""
    if isinstance(raw, list):
        return list(read_conditions(raw, path, collector, index))
    return {name: read_condition(item, (*path, name), collector, index) for name, item in raw.items()}
