"""Which flows a flow starts, and which ones it waits for, as far as its text says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.definition.dialect import maps_in
from engine.plugin.base import Block
from engine.plugin.index import FAMILY, Index

FLOW_TRIGGER = f"{FAMILY}core.trigger.Flow"
CONDITIONS = f"{FAMILY}core.condition."

Name = tuple[str, str]


def called_flows(document: Mapping[str, Any], index: Index) -> Iterator[Name]:
    """The flows, as (namespace, id), that tasks of a flow start; those whose names are expressions are left out."""
    for branch, value in document.items():
        if branch == "triggers":
            continue
        for _, item in maps_in(value):
            namespace, flow, type = item.get("namespace"), item.get("flowId"), item.get("type")
            if not (isinstance(namespace, str) and isinstance(flow, str) and isinstance(type, str)):
                continue
            if "{{" not in f"{namespace}{flow}" and _calls(type, index):
                yield namespace, flow


def waits_for(document: Mapping[str, Any], name: Name, index: Index) -> bool:
    """Whether a Flow trigger of a flow names this flow, or its namespace; one that names nothing waits for all."""
    triggers = document.get("triggers")
    return any(
        _names(trigger, name, index)
        for trigger in (triggers if isinstance(triggers, list) else ())
        if isinstance(trigger, dict) and _type(trigger, index) == FLOW_TRIGGER
    )


def _calls(type: str, index: Index) -> bool:
    plugin = index.exact(type)
    if plugin is None:
        return False
    return bool(getattr(plugin, "calls", False)) or (issubclass(plugin, Block) and "flow_id" in plugin.model_fields)


def _names(trigger: Mapping[str, Any], name: Name, index: Index) -> bool:
    preconditions = trigger.get("preconditions")
    preconditions = preconditions if isinstance(preconditions, dict) else {}
    # What each part says of the name: None for nothing.
    said = [
        *(_of_condition(item, name, index) for item in _maps(trigger.get("conditions"))),
        _any(_of_upstream(item, name) for item in _maps(preconditions.get("flows"))),
        _any(_of_filters(item, name) for item in _maps(preconditions.get("where"))),
        _any(_of_upstream(item, name) for item in _maps(trigger.get("dependsOn"))),
    ]
    found = [answer for answer in said if answer is not None]
    return bool(found) and all(found)


def _of_condition(item: Mapping[str, Any], name: Name, index: Index) -> bool | None:
    kind = _type(item, index).removeprefix(CONDITIONS)
    below = item.get("conditions")
    match kind:
        case "ExecutionFlow":
            return _of_upstream(item, name)
        case "ExecutionNamespace":
            return _of_namespace(item, name[0])
        case "Or":
            return _any(_of_condition(part, name, index) for part in _maps(below))
        case "MultipleCondition":
            parts = list(below.values()) if isinstance(below, dict) else []
            return _any(_of_condition(part, name, index) for part in _maps(parts))
    return None


def _of_namespace(item: Mapping[str, Any], namespace: str) -> bool:
    wanted = str(item.get("namespace", ""))
    match item.get("comparison"):
        case "PREFIX":
            return namespace.startswith(wanted)
        case "SUFFIX":
            return namespace.endswith(wanted)
    return namespace.startswith(wanted) if item.get("prefix") is True else namespace == wanted


def _of_upstream(item: Mapping[str, Any], name: Name) -> bool | None:
    given = [(item.get("namespace"), name[0]), (item.get("flowId"), name[1])]
    said = [wanted == own for wanted, own in given if wanted is not None]
    return all(said) if said else None


def _of_filters(item: Mapping[str, Any], name: Name) -> bool | None:
    own = {"NAMESPACE": name[0], "FLOW_ID": name[1]}
    said = [_compared(part, own[part["field"]]) for part in _maps(item.get("filters")) if part.get("field") in own]
    known = [answer for answer in said if answer is not None]
    if not known:
        return None
    return any(known) if item.get("operand") == "OR" else all(known)


def _compared(item: Mapping[str, Any], own: str) -> bool | None:
    value, values = item.get("value"), item.get("values")
    match item.get("type"):
        case "EQUAL_TO":
            return own == value
        case "NOT_EQUAL_TO":
            return own != value
        case "STARTS_WITH":
            return own.startswith(str(value))
        case "ENDS_WITH":
            return own.endswith(str(value))
        case "CONTAINS":
            return str(value) in own
        case "IN":
            return own in (values or ())
        case "NOT_IN":
            return own not in (values or ())
    return None


def _any(said: Iterable[bool | None]) -> bool | None:
    """Whether one holds; None where none says anything."""
    known = [answer for answer in said if answer is not None]
    return any(known) if known else None


def _type(item: Mapping[str, Any], index: Index) -> str:
    type = item.get("type")
    return index.canonical(index.current(type)) if isinstance(type, str) else ""


def _maps(value: Any) -> Iterator[Mapping[str, Any]]:
    yield from (item for item in (value if isinstance(value, list) else ()) if isinstance(item, dict))
