"""JSON Schema of a flow, for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.definition.flow import FlowFields
from engine.definition.task import TaskFields
from engine.plugin.base import Block, Plugin, Task
from engine.plugin.describe import FAMILY, property_schema
from engine.plugin.index import Index

TASK = {"$ref": "#/$defs/task"}
DRAFT = "https://json-schema.org/draft/2020-12/schema"


def flow_schema(index: Index) -> dict[str, Any]:
    """The schema of a flow file with every installed task type. Imports all plugin modules."""
    schema = FlowFields.model_json_schema(by_alias=True)
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    for branch in ("tasks", "errors", "finally"):
        _set_items(schema["properties"][branch])
    tasks = {name: plugin for name, plugin in index.all().items() if issubclass(plugin, Task | Block)}
    definitions["taskFields"] = _hoisted(TaskFields.model_json_schema(by_alias=True), "taskFields", definitions)
    definitions["task"] = {
        "type": "object",
        "required": ["id", "type"],
        "properties": {"type": {"type": "string", "examples": [name.removeprefix(FAMILY) for name in tasks]}},
        "allOf": [_when(name, plugin, definitions) for name, plugin in tasks.items()],
    }
    return {"$schema": DRAFT, "title": "Flow", **{key: value for key, value in schema.items() if key != "title"}}


def _when(name: str, plugin: type[Plugin], definitions: dict[str, Any]) -> dict[str, Any]:
    """The properties of a task when its type is this one."""
    key = name.removeprefix(FAMILY)
    own = _hoisted(property_schema(plugin), key, definitions)
    if issubclass(plugin, Block):
        for below in own.get("properties", {}).values():
            _set_items(below)
    common: Mapping[str, Any] = definitions["taskFields"]["properties"]
    definitions[key] = {
        **own,
        "properties": {**common, "type": {"enum": [key, name, *plugin.aliases]}, **own.get("properties", {})},
        "required": ["id", "type", *own.get("required", ())],
    }
    condition = {"properties": {"type": {"enum": [key, name, *plugin.aliases]}}, "required": ["type"]}
    return {"if": condition, "then": {"$ref": f"#/$defs/{key}"}}


def _set_items(schema: dict[str, Any]) -> None:
    """Say that a list of maps is a list of tasks; blocks hold maps in lists for no other reason."""
    for arm in (schema, *schema.get("anyOf", ())):
        items = arm.get("items")
        if arm.get("type") == "array" and isinstance(items, dict) and items.get("type") == "object":
            arm["items"] = TASK


def _hoisted(schema: dict[str, Any], prefix: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """A schema whose own definitions moved to the common ones under a name that no other has."""
    below = schema.pop("$defs", {})
    moved = {f"#/$defs/{name}": f"#/$defs/{prefix}.{name}" for name in below}
    definitions.update({f"{prefix}.{name}": _pointed(value, moved) for name, value in below.items()})
    found: dict[str, Any] = _pointed(schema, moved)
    return found


def _pointed(value: Any, moved: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: moved.get(item, item) if key == "$ref" and isinstance(item, str) else _pointed(item, moved)
            for key, item in value.items()
        }
    return [_pointed(item, moved) for item in value] if isinstance(value, list) else value
