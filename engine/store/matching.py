"""Conditions held against values in memory, for lists that are short enough to be looked through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.store.conditions import OPPOSITES, Condition, Group, Node, Op, matches

Values = Mapping[str, Any]
"""By field: a text, a number, None, a map of labels, or a list of texts in which `q` is looked for."""

COMPARISONS: Mapping[Op, Callable[[Any, Any], bool]] = {
    Op.EQUALS: lambda value, wanted: value == wanted,
    Op.IN: lambda value, wanted: value == wanted,
    Op.GREATER_THAN: lambda value, wanted: value > wanted,
    Op.LESS_THAN: lambda value, wanted: value < wanted,
    Op.GREATER_THAN_OR_EQUAL_TO: lambda value, wanted: value >= wanted,
    Op.LESS_THAN_OR_EQUAL_TO: lambda value, wanted: value <= wanted,
    Op.STARTS_WITH: lambda value, wanted: value.startswith(wanted),
    Op.ENDS_WITH: lambda value, wanted: value.endswith(wanted),
    Op.CONTAINS: lambda value, wanted: wanted in value,
    Op.REGEX: lambda value, wanted: matches(wanted, value),
    Op.PREFIX: lambda value, wanted: value == wanted or value.startswith(f"{wanted}."),
}


def holds(node: Node, values: Values) -> bool:
    """Whether a condition holds for something with these values. Raises KeyError for a field that has none."""
    if isinstance(node, Group):
        return (any if node.any else all)(holds(part, values) for part in node.parts)
    value = values[node.field]
    if isinstance(value, Mapping):
        value = value.get(node.key)
    if node.op in OPPOSITES:
        return not _agrees(value, OPPOSITES[node.op], node)
    return _agrees(value, node.op, node)


def _agrees(value: Any, op: Op, node: Condition) -> bool:
    if op is Op.IS_NULL:
        return value is None
    if value is None:
        return False
    if isinstance(value, Sequence) and not isinstance(value, str):
        return any(str(wanted).lower() in text.lower() for text in value for wanted in node.values)
    return any(COMPARISONS[op](value, wanted) for wanted in node.values)
