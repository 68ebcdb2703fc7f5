"""Puts the tasks of stored templates where a flow names them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.definition.collect import Collector
from engine.definition.diagnostic import Path
from engine.definition.dialect import maps_in
from engine.definition.flow import Flow
from engine.definition.rules import Rules, TemplateId
from engine.definition.task import COMMON, Task
from engine.plugin.index import FAMILY, Index

TEMPLATE = f"{FAMILY}core.flow.Template"
FAIL = f"{FAMILY}core.execution.Fail"
BRANCHES = ("tasks", "errors", "finally")
OFF = "templates are off: set the setting templates.enabled, or call a flow with core.flow.Subflow instead"


def templates_of(flow: Flow) -> set[TemplateId]:
    """The templates that a flow names and that were not put into it yet."""
    found: set[TemplateId] = set()
    todo: list[Task] = [task for tasks in flow.branches.values() for task in tasks]
    while todo:
        task = todo.pop()
        if task.type_name == TEMPLATE and not task.branches.get("tasks"):
            found.add((str(task.properties.get("namespace")), str(task.properties.get("templateId"))))
        todo.extend(child for tasks in task.branches.values() for child in tasks)
    return found


def inline(raw: dict[str, Any], rules: Rules, index: Index, collector: Collector) -> dict[str, Any]:
    """A flow with the templates in it that are known; reports each one where templates are off."""
    places = [path for path, item in maps_in(raw) if _is_template(item, index) and "id" in item]
    if not places:
        return raw
    for place in places if not rules.templates_enabled else ():
        collector.error((*place, "type"), OFF, "templates-off")
    if rules.templates is None:
        return raw
    made: dict[str, Any] = _filled(raw, rules.templates, index, ())
    return made


def _filled(value: Any, templates: Mapping[TemplateId, Mapping[str, Any] | None], index: Index, inside: Path) -> Any:
    if isinstance(value, list):
        return [_filled(item, templates, index, inside) for item in value]
    if not isinstance(value, dict):
        return value
    if not (_is_template(value, index) and "id" in value):
        return {name: _filled(item, templates, index, inside) for name, item in value.items()}
    named = (str(value.get("namespace")), str(value.get("templateId")))
    if named not in templates:
        return value
    name = ".".join(named)
    if name in inside:
        return _failing(value, f"The template '{name}' contains itself")
    template = templates[named]
    if template is None:
        return _failing(value, f"Can't find flow template '{name}'")
    own = {branch: template[branch] for branch in BRANCHES if template.get(branch)}
    return {**value, **_filled(own, templates, index, (*inside, name))}


def _failing(task: Mapping[str, Any], message: str) -> dict[str, Any]:
    """What runs in the place of a template that can't be put there: it says why, when it is its turn."""
    kept = {name: value for name, value in task.items() if name in COMMON}
    # As a literal of an expression: what is no template must not become one.
    return {**kept, "type": FAIL, "errorMessage": f"{{{{ {json.dumps(message)} }}}}"}


def _is_template(item: Mapping[str, Any], index: Index) -> bool:
    type = item.get("type")
    return isinstance(type, str) and type.endswith("Template") and index.canonical(type) == TEMPLATE
