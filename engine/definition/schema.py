"""JSON Schema of a flow, for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.definition.declared import ONLY_FOR, Input
from engine.definition.dialect import BRANCHES
from engine.definition.flow import FlowFields
from engine.definition.task import TaskFields
from engine.definition.triggers import TriggerFields
from engine.plugin.base import Block, Plugin, Task, Trigger
from engine.plugin.describe import property_schema
from engine.plugin.index import FAMILY, Index
from engine.plugin.schemas import model_schema

TASK = {"$ref": "#/$defs/task"}
DRAFT = "https://json-schema.org/draft/2020-12/schema"
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
KINDS = ("flow", "task", "trigger", "plugindefault", "input")


def flow_schema(index: Index) -> dict[str, Any]:
    """The schema of a flow file with every installed task type. Imports all plugin modules."""
    schema = model_schema(FlowFields)
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    for branch in BRANCHES:
        schema["properties"][branch] = _with_tasks(schema["properties"][branch])
    # A listener's conditions are bare maps too, and no tasks.
    of_listener = definitions["Listener"]["properties"]
    of_listener["tasks"] = _with_tasks(of_listener["tasks"])
    tasks = {name: plugin for name, plugin in index.all().items() if issubclass(plugin, Task | Block)}
    definitions["taskFields"] = _hoisted(model_schema(TaskFields), "taskFields", definitions)
    definitions["task"] = {
        "type": "object",
        "required": ["id", "type"],
        "properties": {"type": {"type": "string", "examples": [name.removeprefix(FAMILY) for name in tasks]}},
        "allOf": [_when(name, plugin, definitions, "taskFields") for name, plugin in tasks.items()],
    }
    triggers = {name: plugin for name, plugin in index.all().items() if issubclass(plugin, Trigger)}
    definitions["triggerFields"] = _hoisted(model_schema(TriggerFields), "triggerFields", definitions)
    definitions["trigger"] = {
        "type": "object",
        "required": ["id", "type"],
        "properties": {"type": {"type": "string", "examples": [name.removeprefix(FAMILY) for name in triggers]}},
        "allOf": [_when(name, plugin, definitions, "triggerFields") for name, plugin in triggers.items()],
    }
    schema["properties"]["triggers"] = {"type": ["array", "null"], "items": {"$ref": "#/$defs/trigger"}}
    return {"$schema": DRAFT, "title": "Flow", **{key: value for key, value in schema.items() if key != "title"}}


def _when(name: str, plugin: type[Plugin], definitions: dict[str, Any], fields: str) -> dict[str, Any]:
    """The properties of a task or trigger when its type is this one."""
    key = name.removeprefix(FAMILY)
    own = property_schema(plugin)
    own = _hoisted(_with_tasks(own) if issubclass(plugin, Block) else own, key, definitions)
    common: Mapping[str, Any] = definitions[fields]["properties"]
    definitions[key] = {
        **own,
        "properties": {**common, "type": {"enum": [key, name, *plugin.aliases]}, **own.get("properties", {})},
        "required": list(dict.fromkeys(("id", "type", *own.get("required", ())))),
    }
    condition = {"properties": {"type": {"enum": [key, name, *plugin.aliases]}}, "required": ["type"]}
    return {"if": condition, "then": {"$ref": f"#/$defs/{key}"}}


def _with_tasks(value: Any) -> Any:
    """Say that bare maps in lists, or called `task`, are tasks; blocks hold bare maps for nothing else."""
    if isinstance(value, dict):
        return {
            key: TASK if key in ("items", "task") and _bare_map(item) else _with_tasks(item)
            for key, item in value.items()
        }
    return [_with_tasks(item) for item in value] if isinstance(value, list) else value


def _bare_map(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "object" and "properties" not in schema


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


def part_schema(index: Index, kind: str, *, several: bool = False) -> dict[str, Any]:
    """The schema of a flow or of a part of one, of `KINDS`, as editors of older drafts take it; or of a list of them.

    Imports all plugin modules.
    """
    whole = flow_schema(index)
    definitions = whole.pop("$defs")
    definitions["flow"] = {key: value for key, value in whole.items() if key != "$schema"}
    definitions["plugindefault"] = {"$ref": "#/$defs/PluginDefaultFields"}
    definitions["input"] = {"$ref": "#/$defs/Input"}
    moved = {f"#/$defs/{name}": f"#/definitions/{name}" for name in definitions}
    wanted = {"$ref": f"#/definitions/{kind}"}
    return {
        "$schema": DRAFT_7,
        **({"type": "array", "items": wanted} if several else wanted),
        "definitions": _pointed(definitions, moved),
    }


def input_schema(type: str) -> dict[str, Any]:
    """The schema of inputs of one type, with the properties that have a meaning for it."""
    schema = model_schema(Input)
    definitions = schema.pop("$defs", {})
    own = definitions["Input"]
    properties = {
        name: value for name, value in own["properties"].items() if name not in ONLY_FOR or type in ONLY_FOR[name]
    }
    properties["type"] = {"const": type}
    return {"$schema": DRAFT, **own, "properties": properties, "$defs": definitions}
