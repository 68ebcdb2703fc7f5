"""Filters of lists: `filters[field][OP]=value`, in groups, and the parameters of earlier versions.

`filters[labels][EQUALS][key]=value` names a label. `filters[or][0][state][EQUALS]=FAILED` and
`filters[and][1][or][0][…]` put conditions together, to any depth. IN and NOT_IN take a list with commas; a parameter
that is given several times is a list too, of which one value is enough.

`engine.api.filterable` has what may be filtered by as data.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from typing import Any

import regex
from multidict import MultiMapping

from engine.api.filterable import FIELDS, LEGACY, NULL, Filterable, Value
from engine.api.problems import BadFilter, BadRequest, Illegal
from engine.store.conditions import Condition, Group, Node, Op

FRONT = "filters"
BRACKETS = re.compile(r"\[([^\]]*)\]")
MOST_CONDITIONS = 100


def condition_of(query: MultiMapping[str], resource: Filterable) -> Node | None:
    """The condition that query parameters make; None where they leave nothing out. Others are not looked at.

    Raises BadFilter for what is none, Illegal for a time range beside a start date.
    """
    return _Reader(resource).read(query)


def chosen(query: MultiMapping[str], resource: Filterable, own: Container[str] = ()) -> Node:
    """The condition on what is to be changed.

    own: names of parameters that are no filters

    Raises BadFilter without any filter, BadRequest for a parameter that is none: what was meant to limit what is done
    must not be overlooked.
    """
    for name in query:
        if not (name.startswith(f"{FRONT}[") or name in own or LEGACY.get(name, ("",))[0] in resource.fields):
            raise BadRequest(f"'{name}' is not a supported query parameter on this endpoint, use {FRONT}[field][OP]")
    node = condition_of(query, resource)
    if node is None:
        raise BadFilter(
            f"that would be everything there is: say by a filter which, as {FRONT}[namespace][EQUALS]=company.team"
        )
    return node


def narrowed(where: Node | None, namespaces: tuple[str, ...] | None) -> Node | None:
    """A condition that also asks for one of these namespaces or one below them; None stands for all of them."""
    if namespaces is None:
        return where
    seen = Condition("namespace", Op.PREFIX, namespaces)
    return seen if where is None else Group((where, seen))


class _Reader:
    def __init__(self, resource: Filterable) -> None:
        self._name, self._fields = resource.name, resource.fields

    def read(self, given: MultiMapping[str]) -> Node | None:
        tree: dict[str, Any] = {}
        for name in dict.fromkeys(given):
            if name.startswith(f"{FRONT}["):
                _put(tree, name, given.getall(name))
        parts = self._parts(tree)
        for name, (field, op) in LEGACY.items():
            if name in given and field in self._fields:
                try:
                    parts += self._legacy(field, op, given.getall(name))
                except BadFilter as error:
                    raise Illegal(str(error)) from None
        if "timeRange" in given and "startDate" in given:
            raise Illegal("Parameters 'startDate' and 'timeRange' are mutually exclusive")
        if _size(parts) > MOST_CONDITIONS:
            raise BadFilter(f"at most {MOST_CONDITIONS} conditions can be put together")
        node = Group(tuple(parts))
        return None if _is_all(node) else node

    def _parts(self, tree: Mapping[str, Any]) -> list[Node]:
        parts: list[Node] = []
        for name, below in tree.items():
            if name in ("and", "or"):
                numbered = _numbered(name, below)
                parts.append(Group(tuple(Group(tuple(self._parts(part))) for part in numbered), any=name == "or"))
            else:
                parts += self._field(name, below)
        return parts

    def _field(self, name: str, below: Any) -> Iterable[Node]:
        if name not in self._fields:
            raise BadFilter(f"{self._name} can't be filtered by '{name}', but by {', '.join(self._fields)}")
        if not isinstance(below, Mapping):
            raise BadFilter(f"{FRONT}[{name}] says no operator: {FRONT}[{name}][EQUALS]=value would")
        for word, values in below.items():
            op = _op(name, word)
            if isinstance(values, Mapping):
                if name != "labels":
                    raise BadFilter(f"{FRONT}[{name}][{word}] takes no key")
                for key, of_key in values.items():
                    yield self._condition(name, op, of_key, key)
            elif name == "labels":
                yield from self._labels(op, values)
            else:
                yield self._condition(name, op, values)

    def _legacy(self, field: str, op: Op, values: list[str]) -> Iterable[Node]:
        # A filter that was left empty in a form.
        values = [value for value in values if value != ""]
        if not values:
            return
        if field == "labels":
            yield from self._labels(op, values)
        elif op is Op.PREFIX:
            yield self._condition(field, op, [value.removesuffix("%").removesuffix(".") for value in values])
        else:
            yield self._condition(field, op, values)

    def _labels(self, op: Op, pairs: list[str]) -> Iterable[Node]:
        for pair in pairs:
            key, sign, value = pair.partition(":")
            if not (key and sign):
                raise BadFilter(f"a label is key:value, not '{pair}'")
            yield self._condition("labels", op, [value.strip()], key)

    def _condition(self, name: str, op: Op, texts: Any, key: str = "") -> Node:
        if not isinstance(texts, list):
            raise BadFilter(f"{FRONT}[{name}][{op}] has too many brackets")
        if op in (Op.IN, Op.NOT_IN):
            texts = [item.strip() for text in texts for item in text.split(",")]
        if name == "q" and not any(text.strip("*") for text in texts):
            return Group(())
        values = () if op in NULL else tuple(_value(name, op, text) for text in texts)
        return self._fields[name](Condition(name, op, values, key))


def _put(tree: dict[str, Any], name: str, values: list[str]) -> None:
    """Put a parameter's values where its brackets lead."""
    brackets = BRACKETS.findall(name)
    if f"{FRONT}{''.join(f'[{part}]' for part in brackets)}" != name or len(brackets) > 20:
        raise BadFilter(f"'{name}' is not of the form {FRONT}[field][OP]")
    *way, last = brackets
    for part in way:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise BadFilter(f"'{name}' stands for a value and for more conditions")
    if last in tree:
        raise BadFilter(f"'{name}' stands for a value and for more conditions")
    tree[last] = values


def _numbered(name: str, below: Any) -> list[Mapping[str, Any]]:
    """The parts of a group in their order."""
    if not isinstance(below, Mapping) or not all(
        number.isdecimal() and isinstance(part, Mapping) for number, part in below.items()
    ):
        raise BadFilter(f"the conditions of a group are numbered: {FRONT}[{name}][0][field][OP]=value")
    return [below[number] for number in sorted(below, key=int)]


def _op(name: str, word: str) -> Op:
    ops = FIELDS[name].ops
    try:
        op = Op(word.upper())
    except ValueError:
        op = None
    if op not in ops:
        known = ", ".join(known for known in Op if known in ops)
        raise BadFilter(f"'{name}' can't be compared by '{word}', but by {known}")
    return op


def _value(name: str, op: Op, text: str) -> Value:
    if op is Op.REGEX:
        try:
            regex.compile(text)
        except regex.error as error:
            raise BadFilter(f"'{text}' is not a pattern: {error}") from None
    try:
        return FIELDS[name].read(text)
    except ValueError as error:
        raise BadFilter(f"'{text}' can't be a value of '{name}', but {error}") from None


def _is_all(node: Node) -> bool:
    """Whether a condition holds for everything."""
    return isinstance(node, Group) and (any if node.any else all)(_is_all(part) for part in node.parts)


def _size(parts: Iterable[Node]) -> int:
    return sum(_size(part.parts) if isinstance(part, Group) else len(part.values) + 1 for part in parts)
