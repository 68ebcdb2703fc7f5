"""YAML text read and written as the template functions `yaml` do it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import yaml
from yaml import nodes
from yaml.composer import Composer

from engine.errors import ExpressionError
from engine.expressions.numbers import java_text
from engine.expressions.printing import iso_text, json_string, scalar_text
from engine.expressions.scope import RenderScope

NULLS = frozenset({"", "~", "null", "Null", "NULL"})
BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
INTEGER = re.compile(r"[-+]?[0-9][0-9_]*", re.ASCII)
BASED = re.compile(r"[-+]?0(?:x[0-9a-fA-F_]+|o[0-7_]+)", re.ASCII)
FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?", re.ASCII)
SPECIAL = re.compile(r"([-+]?)\.(?:(inf|Inf|INF)|(nan|NaN|NAN))", re.ASCII)
RESERVED = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null", "~"})
QUOTABLE = re.compile(r"[\[\]{},]|[ \t]#|:(?:\s|$)")
LONGEST_NUMBER = 4000
COLLECTIONS = (list, tuple, set, frozenset)
NODE_COST = 10
CHARACTERS_PER_UNIT = 4
"""Reading this many characters takes about a unit of fuel."""


class _Loader(Composer, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Leaves all plain scalars as they are written.

    Nodes are composed in Python, of events that may come from C: composing in C would hold the interpreter lock and
    know no limit of time.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, scope: RenderScope, text: str) -> None:
        super(Composer, self).__init__(text)
        self.anchors: dict[str, nodes.Node] = {}
        self._scope = scope

    def compose_node(self, parent: nodes.Node | None, index: Any) -> nodes.Node | None:
        self._scope.spend(NODE_COST)
        return super().compose_node(parent, index)


def load(scope: RenderScope, text: str) -> Any:
    """The first document of a YAML text. Dates stay texts. Raises ExpressionError, LimitError."""
    scope.budget.text(len(text))
    scope.spend(len(text) // CHARACTERS_PER_UNIT)
    loader = _Loader(scope, text)
    try:
        root = loader.get_node() if loader.check_node() else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise ExpressionError(f"Invalid yaml: {getattr(error, 'problem', None) or error}{where}") from None
    finally:
        loader.dispose()
    if root is None:
        return None
    scope.budget.items(_size(root, {}))
    return _value(root, {})


def dump(scope: RenderScope, value: Any) -> str:
    """A value as a YAML document that ends in a newline. Raises LimitError, ExpressionError."""
    writer = _Writer(scope)
    writer.node(value, 0, "")
    text = "".join(writer.parts)
    scope.budget.text(len(text))
    return text


def _size(node: nodes.Node, known: dict[int, int]) -> int:
    """How many values a node is when all references in it are followed."""
    if isinstance(node, nodes.ScalarNode):
        return 1
    if id(node) in known:
        if known[id(node)] == 0:
            raise ExpressionError("Invalid yaml: an anchor must not refer to itself")
        return known[id(node)]
    known[id(node)] = 0
    inside = [part for pair in node.value for part in pair] if isinstance(node, nodes.MappingNode) else node.value
    known[id(node)] = 1 + sum(_size(part, known) for part in inside)
    return known[id(node)]


def _value(node: nodes.Node, made: dict[int, Any]) -> Any:
    if isinstance(node, nodes.ScalarNode):
        return _scalar(node)
    if id(node) not in made:
        if isinstance(node, nodes.SequenceNode):
            made[id(node)] = [_value(item, made) for item in node.value]
        else:
            made[id(node)] = _mapping(node, made)
    return made[id(node)]


def _mapping(node: nodes.Node, made: dict[int, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, item in node.value:
        if not isinstance(key, nodes.ScalarNode):
            raise ExpressionError("Invalid yaml: the keys of a map must be texts")
        if key.value == "<<" and not key.style:
            merged = _value(item, made)
            for other in merged if isinstance(merged, list) else [merged]:
                values = {**(other if isinstance(other, dict) else {}), **values}
        else:
            values[key.value] = _value(item, made)
    return values


def _scalar(node: nodes.ScalarNode) -> Any:
    text: str = node.value
    if node.style:
        return text
    if text in NULLS:
        return None
    if text in BOOLEANS:
        return BOOLEANS[text]
    digits = text.replace("_", "")
    if len(text) > LONGEST_NUMBER:
        return text
    if INTEGER.fullmatch(text):
        return int(digits)
    if BASED.fullmatch(text):
        return int(digits, 0)
    if FLOAT.fullmatch(text):
        return float(digits)
    if special := SPECIAL.fullmatch(text):
        return float(f"{special.group(1)}inf") if special.group(2) else float("nan")
    return text


class _Writer:
    """Writes block style: lists are indented by one space, texts are quoted only where they must be."""

    def __init__(self, scope: RenderScope) -> None:
        self._scope = scope
        self._size = 0
        self.parts: list[str] = []
        emitter = yaml.emitter.Emitter(None, allow_unicode=True)  # type: ignore[arg-type]
        self._analyse = emitter.analyze_scalar

    def node(self, value: Any, indent: int, before: str, in_map: bool = False) -> None:
        """Write a value behind `before` (nothing, `key:` or `-`), what it holds at `indent`."""
        if isinstance(value, Mapping) and value:
            self._map(value, indent, before)
        elif isinstance(value, COLLECTIONS) and value:
            self._list(value, indent, before, in_map)
        else:
            text = self._text(value, indent)
            self._line(f"{before} {text}" if before else text)

    def _line(self, text: str) -> None:
        self._size += len(text) + 1
        self._scope.spend(2)
        if self._size > self._scope.budget.limits.output_bytes:
            self._scope.budget.text(self._size)
        self.parts.append(f"{text}\n")

    def _map(self, value: Mapping[Any, Any], indent: int, before: str) -> None:
        if before:
            self._line(before)
        for key, item in value.items():
            name = self._text(key if isinstance(key, str) else scalar_text(key), indent)
            self.node(item, indent + 2, f"{' ' * indent}{name}:", in_map=True)

    def _list(self, value: Any, indent: int, before: str, in_map: bool) -> None:
        if before:
            self._line(before)
        own = indent - 2 if in_map else indent
        for item in value:
            self.node(item, own + 2, f"{' ' * (own + 1)}-")

    def _text(self, value: Any, indent: int) -> str:
        if isinstance(value, str) and not isinstance(value, Enum):
            return self._string(value, indent)
        if value is None:
            return "null"
        if isinstance(value, Mapping):
            return "{}"
        if isinstance(value, COLLECTIONS):
            return "[]"
        if isinstance(value, datetime):
            zone = self._scope.zone
            return f'"{iso_text(value.astimezone(zone) if value.tzinfo is not None else value)}"'
        if isinstance(value, bool | int | Decimal):
            return scalar_text(value)
        if isinstance(value, float):
            return {"Infinity": ".inf", "-Infinity": "-.inf", "NaN": ".nan"}.get(java_text(value), java_text(value))
        return self._string(scalar_text(value), indent)

    def _string(self, text: str, indent: int) -> str:
        if not text or text.lower() in RESERVED:
            return f'"{text}"'
        analysis = self._analyse(text)
        if "\n" in text:
            if not analysis.allow_block or text[0] in " \n":
                return json_string(text)
            return _literal(text, max(indent, 2))
        if QUOTABLE.search(text) or not analysis.allow_single_quoted:
            return json_string(text)
        if not analysis.allow_block_plain:
            return "'" + text.replace("'", "''") + "'"
        return text


def _literal(text: str, indent: int) -> str:
    """A text of several lines in literal style, without the last newline."""
    body = text.removesuffix("\n")
    chomp = "-" if body == text else "+" if body.endswith("\n") else ""
    lines = [" " * indent + line if line else "" for line in body.split("\n")]
    return f"|{chomp}\n" + "\n".join(lines)
